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

// errNotConfigured says that nothing can be known about requests of an account.
var errNotConfigured = errors.New("is not in this configuration")

// Encoder puts requests together as the workers with this configuration send them:
// status.Config.Encode. It calls nobody and needs no tokens.
func Encoder(c *config.Config, platforms []platform.Descriptor) status.Encoder {
	return func(lane catalog.Lane, group string, records []catalog.Record, only []int, attempt int) ([]byte, error) {
		endpoint, err := endpointOf(c, platforms, lane)
		if err != nil {
			return nil, err
		}
		return delivery.Body(endpoint, group, records, only, attempt)
	}
}

// Validator judges a change as the workers with this configuration do, before anything is
// sent. It calls nobody and needs no tokens. The error says why it cannot be judged.
func Validator(c *config.Config, platforms []platform.Descriptor) func(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem, error) {
	return func(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem, error) {
		endpoint, err := endpointOf(c, platforms, m.Lane)
		if err != nil {
			return nil, nil, err
		}
		problem, warnings := endpoint.Validate(m)
		return problem, warnings, nil
	}
}

func endpointOf(c *config.Config, platforms []platform.Descriptor, lane catalog.Lane) (platform.Endpoint, error) {
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
	return endpoint, nil
}
