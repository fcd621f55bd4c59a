package service

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// pinterestScope is what the batch endpoints need (OpenAPI 5.23.0, items_batch/post).
const pinterestScope = "catalogs:read,catalogs:write"

// credentials are the sources of all accounts' access tokens. Accounts with the
// same credentials share a source. No lease binds them: every worker needs tokens.
type credentials struct {
	byAccount map[string]credential.Source
	renewed   map[string]*credential.OAuth // by name
	transport *http.Transport
}

// newCredentials makes the sources and calls nobody. The store is not asked before
// a token is.
func newCredentials(c *config.Config, store credential.Store, logger *slog.Logger) (*credentials, error) {
	made := &credentials{
		byAccount: make(map[string]credential.Source, len(c.Accounts)), renewed: map[string]*credential.OAuth{},
		transport: http.DefaultTransport.(*http.Transport).Clone(), //nolint:forcetypeassert // the standard library's own
	}
	keys, keyErr := credential.ParseKeys(c.Worker.EncryptionKey.Reveal(), c.Worker.FormerEncryptionKeys.Reveal())
	if keyErr != nil && !errors.Is(keyErr, credential.ErrNoKey) {
		return nil, fmt.Errorf("worker.encryption_key: %w", keyErr)
	}
	for _, name := range c.AccountNames() {
		account := c.Accounts[name]
		log := logger.With(slog.String("account", name))
		switch {
		case account.ClientID != "" && keyErr != nil:
			return nil, fmt.Errorf("account %s: its tokens change and are kept in the database: "+
				"set COURIER_ENCRYPTION_KEY or worker.encryption_key, the same for all workers: %w", name, keyErr)
		case account.ClientID != "":
			made.byAccount[name] = made.oauth(account, keys, store, log)
		case account.AccessTokenFile != "":
			made.byAccount[name] = credential.NewFile(account.AccessTokenFile, account.AccessToken, log)
		default:
			made.byAccount[name] = credential.Fixed(account.AccessToken)
		}
	}
	return made, nil
}

func (c *credentials) oauth(a config.Account, keys *credential.Keyring, store credential.Store, logger *slog.Logger) *credential.OAuth {
	source := credential.NewOAuth(credential.OAuthConfig{
		URL: a.OAuthURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret, RefreshToken: a.RefreshToken,
		Scope: pinterestScope, Keys: keys, Store: store, HTTP: &http.Client{Transport: c.transport}, Logger: logger,
	})
	if known, ok := c.renewed[source.Name()]; ok {
		return known
	}
	c.renewed[source.Name()] = source
	return source
}

// run keeps renewed tokens alive until ctx ends and what is under way is written
// down.
func (c *credentials) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, source := range c.renewed {
		running.Go(func() { source.Run(ctx) })
	}
	running.Wait()
	c.transport.CloseIdleConnections()
}

// proofOf makes Meta's appsecret_proof: the token's HMAC-SHA256 under the app's
// secret, in hex (Graph API, Securing API requests). nil without a secret.
func proofOf(appSecret config.Secret) func(token string) string {
	if appSecret.IsZero() {
		return nil
	}
	return func(token string) string {
		mac := hmac.New(sha256.New, []byte(appSecret.Reveal()))
		mac.Write([]byte(token))
		return hex.EncodeToString(mac.Sum(nil))
	}
}
