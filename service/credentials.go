package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// credentials are the sources of all accounts' access tokens. Accounts with the
// same credentials share a source. No lease binds them: every worker needs tokens.
type credentials struct {
	byAccount map[string]credential.Source
	renewed   map[string]*credential.OAuth // by name
	transport *http.Transport
}

// newCredentials makes the sources and calls nobody. The store is not asked before
// a token is.
func newCredentials(c *config.Config, platforms []platform.Descriptor, store credential.Store, logger *slog.Logger) (*credentials, error) {
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
			descriptor, _ := platform.Find(platforms, account.Platform)
			made.byAccount[name] = made.oauth(account, descriptor.OAuth, keys, store, log)
		case account.AccessTokenFile != "":
			made.byAccount[name] = credential.NewFile(account.AccessTokenFile, account.AccessToken, log)
		default:
			made.byAccount[name] = credential.Fixed(account.AccessToken)
		}
	}
	return made, nil
}

func (c *credentials) oauth(a config.Account, oauth platform.OAuth, keys *credential.Keyring, store credential.Store, logger *slog.Logger) *credential.OAuth {
	source := credential.NewOAuth(credential.OAuthConfig{
		URL: a.OAuthURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret, RefreshToken: a.RefreshToken,
		OAuth: oauth, Keys: keys, Store: store, HTTP: &http.Client{Transport: c.transport}, Logger: logger,
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
