package service

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// ruleLevels are the levels of the configuration as platforms know them.
var ruleLevels = map[config.RuleLevel]platform.RuleLevel{
	config.RulesWarn:   platform.RulesWarn,
	config.RulesStrict: platform.RulesStrict,
	config.RulesOff:    platform.RulesOff,
}

// accounts makes the accounts that one partition needs, when it first needs them.
type accounts struct {
	config      *config.Config
	platforms   []platform.Descriptor
	credentials *credentials
	client      *http.Client

	mu   sync.Mutex
	made map[string]*delivery.Account
}

// find makes or finds an account. Settings were checked before the worker started,
// so an account that cannot be made is not there.
func (a *accounts) find(name string) (*delivery.Account, bool) {
	settings, ok := a.config.Accounts[name]
	if !ok {
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if made, ok := a.made[name]; ok {
		return made, true
	}
	account, err := newAccount(settings, a.platforms, a.credentials.byAccount[name], a.client)
	if err != nil {
		return nil, false
	}
	a.made[name] = account
	return account, true
}

// CheckAccounts makes every configured account once and reports the first that
// cannot be made: nothing starts half. It calls nobody.
func CheckAccounts(c *config.Config, platforms []platform.Descriptor) error {
	credentials, err := newCredentials(c, platforms, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, err = registrations(c, platforms, credentials)
	return err
}

// registrations are the configured accounts as account_status shows them.
func registrations(c *config.Config, platforms []platform.Descriptor, credentials *credentials) ([]persistence.Account, error) {
	var accounts []persistence.Account
	for _, name := range c.AccountNames() {
		account, err := newAccount(c.Accounts[name], platforms, credentials.byAccount[name], nil)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		accounts = append(accounts, persistence.Account{
			Name: name, Platform: account.Platform, Scopes: account.Client.Scopes(), Catalogs: account.Catalogs,
		})
	}
	return accounts, nil
}

// appOf names the app whose quotas an account draws on, "" where nothing tells that all
// platforms have.
func appOf(a config.Account) string {
	for _, known := range []struct{ kind, value string }{
		{"app", a.AppID}, {"client", a.ClientID},
	} {
		if known.value != "" {
			return platform.CredentialsHash(known.kind, known.value)
		}
	}
	return ""
}

func newAccount(a config.Account, platforms []platform.Descriptor, source credential.Source, client *http.Client) (*delivery.Account, error) {
	descriptor, ok := platform.Find(platforms, a.Platform)
	if !ok {
		return nil, fmt.Errorf("there is no platform %q", a.Platform)
	}
	settings := platform.Settings{
		Name:         a.Name,
		BaseURL:      a.BaseURL,
		Token:        source.Token,
		TokenRefused: source.Refused,
		HTTP:         client,
		Rules:        ruleLevels[a.Rules],
		Credentials:  source.Name(),
		App:          appOf(a),
		Userless:     a.ClientID != "" && a.RefreshToken.IsZero(),
		Catalogs:     make(map[string]setting.Values, len(a.Catalogs)),
		Keys:         a.Keys,
	}
	for name, c := range a.Catalogs {
		settings.Catalogs[name] = c.Keys
	}
	made, err := descriptor.New(settings)
	if err != nil {
		return nil, err
	}
	return &delivery.Account{
		Name:     a.Name,
		Platform: a.Platform,
		Client:   made,
		Catalogs: slices.Sorted(maps.Keys(a.Catalogs)),
		Credential: func(ctx context.Context) string {
			token, err := source.Token(ctx)
			if err != nil {
				return "" // calls find out why
			}
			return platform.CredentialsHash(token)
		},
		Policy: delivery.Policy{
			MaxItems: a.Batch.MaxItems, MaxBytes: a.Batch.MaxBytes, MaxAge: a.Batch.MaxAge,
			PollMin: a.Poll.Min, PollMax: a.Poll.Max, PollGiveUp: a.Poll.GiveUp,
			MaxAttempts: a.Retry.MaxAttempts, RetryMin: a.Retry.Min, RetryMax: a.Retry.Max,
			Settle: a.Settle, Concurrency: a.Concurrency,
		},
	}, nil
}
