package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

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
	// secrets are what each of renewed was made with, by its name: a source is kept as
	// long as they are the same.
	secrets map[string]string
	store   credential.Store
	logger  *slog.Logger
}

// newCredentials makes the sources and calls nobody. The store is not asked before
// a token is.
func newCredentials(c *config.Config, platforms []platform.Descriptor, store credential.Store, logger *slog.Logger) (*credentials, error) {
	none := &credentials{
		transport: http.DefaultTransport.(*http.Transport).Clone(), //nolint:forcetypeassert // the standard library's own
		store:     store, logger: logger,
	}
	return none.renewedFor(c, platforms)
}

// renewedFor makes the sources of another configuration. Those whose tokens are renewed are
// kept where they are the same, with what they know.
func (c *credentials) renewedFor(settings *config.Config, platforms []platform.Descriptor) (*credentials, error) {
	made := &credentials{
		byAccount: make(map[string]credential.Source, len(settings.Accounts)), renewed: map[string]*credential.OAuth{},
		transport: c.transport, secrets: map[string]string{}, store: c.store, logger: c.logger,
	}
	keys, keyErr := credential.ParseKeys(settings.Worker.EncryptionKey.Reveal(), settings.Worker.FormerEncryptionKeys.Reveal())
	if keyErr != nil && !errors.Is(keyErr, credential.ErrNoKey) {
		return nil, fmt.Errorf("worker.encryption_key: %w", keyErr)
	}
	for _, name := range settings.AccountNames() {
		account := settings.Accounts[name]
		log := c.logger.With(slog.String("account", name))
		switch {
		case account.ClientID != "" && keyErr != nil:
			return nil, fmt.Errorf("account %s: its tokens change and are kept in the database: "+
				"set COURIER_ENCRYPTION_KEY or worker.encryption_key, the same for all workers: %w", name, keyErr)
		case account.ClientID != "":
			descriptor, _ := platform.Find(platforms, account.Platform)
			made.byAccount[name] = made.oauth(account, descriptor.OAuth, keys, c, log)
		case account.AccessTokenFile != "":
			made.byAccount[name] = credential.NewFile(account.AccessTokenFile, account.AccessToken, log)
		default:
			made.byAccount[name] = credential.Fixed(account.AccessToken)
		}
	}
	return made, nil
}

// oauth makes the source of an account, or finds it: another account's, or one of former.
func (c *credentials) oauth(a config.Account, oauth platform.OAuth, keys *credential.Keyring, former *credentials, logger *slog.Logger) *credential.OAuth {
	source := credential.NewOAuth(credential.OAuthConfig{
		URL: a.OAuthURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret, RefreshToken: a.RefreshToken,
		OAuth: oauth, Keys: keys, Store: c.store, HTTP: &http.Client{Transport: c.transport}, Logger: logger,
	})
	name, secret := source.Name(), a.ClientSecret.Reveal()
	if known, ok := c.renewed[name]; ok {
		return known
	}
	if kept, ok := former.renewed[name]; ok && former.secrets[name] == secret {
		source = kept
	}
	c.renewed[name], c.secrets[name] = source, secret
	return source
}

// keepRenewed keeps renewed tokens alive until ctx ends and what is under way is written
// down. A source that the configuration has no more is kept for as long as calls with it
// may be under way.
func (w *worker) keepRenewed(ctx context.Context) {
	var running sync.WaitGroup
	kept := map[*credential.OAuth]context.CancelFunc{}
	present := w.serving.Load()
	transport := present.credentials.transport
	for {
		used := map[*credential.OAuth]bool{}
		for _, source := range present.credentials.renewed {
			used[source] = true
			if _, runs := kept[source]; !runs {
				while, cancel := context.WithCancel(ctx)
				kept[source] = cancel
				running.Go(func() { source.Run(while) })
			}
		}
		for source, cancel := range kept {
			if !used[source] {
				delete(kept, source)
				time.AfterFunc(w.config.Worker.DrainTimeout+time.Minute, cancel)
			}
		}
		select {
		case <-present.replaced:
			present = present.next
			continue
		case <-ctx.Done():
		}
		break
	}
	running.Wait()
	for _, cancel := range kept {
		cancel()
	}
	transport.CloseIdleConnections()
}
