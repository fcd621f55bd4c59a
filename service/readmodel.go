package service

import (
	"errors"
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
	"github.com/catalog-courier/catalog-courier/status"
)

// errNotConfigured says that requests of an account cannot be shown.
var errNotConfigured = errors.New("is not in this configuration")

// Encoder puts requests together as the workers with this configuration send them:
// status.Config.Encode. It calls nobody and needs no tokens.
func Encoder(c *config.Config, platforms []platform.Descriptor) status.Encoder {
	return func(lane catalog.Lane, group string, records []catalog.Record, only []int, attempt int) ([]byte, error) {
		settings, known := c.Accounts[lane.Account]
		if !known {
			return nil, fmt.Errorf("account %s %w", lane.Account, errNotConfigured)
		}
		account, err := newAccount(settings, platforms, credential.Fixed(config.Secret{}), nil)
		if err != nil {
			return nil, err
		}
		endpoint, problem := account.Client.Endpoint(lane.Catalog, lane.Type)
		if problem != nil {
			return nil, fmt.Errorf("catalog %s, type %s of account %s %w: %s", lane.Catalog, lane.Type, lane.Account, errNotConfigured, problem.Text)
		}
		return delivery.Body(endpoint, group, records, only, attempt)
	}
}
