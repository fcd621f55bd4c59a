package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/catalog-courier/catalog-courier/config"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// platforms are the constructors of the platforms' clients.
var platforms = map[config.Platform]func(platform.Settings) (platform.Account, error){
	config.Pinterest: pinterest.New,
	config.Meta:      meta.New,
}

// ruleLevels are the levels of the configuration as platforms know them.
var ruleLevels = map[config.RuleLevel]platform.RuleLevel{
	config.RulesWarn:   platform.RulesWarn,
	config.RulesStrict: platform.RulesStrict,
	config.RulesOff:    platform.RulesOff,
}

// accounts makes the accounts that one partition needs, when it first needs them.
type accounts struct {
	config *config.Config
	client *http.Client

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
	account, err := newAccount(settings, a.client)
	if err != nil {
		return nil, false
	}
	a.made[name] = account
	return account, true
}

// CheckAccounts makes every configured account once and reports the first that
// cannot be made: nothing starts half.
func CheckAccounts(c *config.Config) error {
	for _, name := range c.AccountNames() {
		if _, err := newAccount(c.Accounts[name], nil); err != nil {
			return fmt.Errorf("account %s: %w", name, err)
		}
	}
	return nil
}

func newAccount(a config.Account, client *http.Client) (*delivery.Account, error) {
	construct, ok := platforms[a.Platform]
	if !ok {
		return nil, fmt.Errorf("there is no platform %q", a.Platform)
	}
	if a.AccessToken.IsZero() {
		return nil, errors.New("access_token is required: access tokens are not made from client_id and refresh_token yet")
	}
	settings := platform.Settings{
		Name:        a.Name,
		BaseURL:     a.BaseURL,
		Token:       func(context.Context) (string, error) { return a.AccessToken.Reveal(), nil },
		HTTP:        client,
		AdAccountID: a.AdAccountID,
		Rules:       ruleLevels[a.Rules],
		Credentials: platform.CredentialsHash(a.AccessToken.Reveal()),
		Catalogs:    make(map[string]platform.CatalogSettings, len(a.Catalogs)),
	}
	for name, c := range a.Catalogs {
		settings.Catalogs[name] = platform.CatalogSettings{
			Country: c.Country, Language: c.Language, CatalogID: c.CatalogID, Body: c.Body, FeedOwned: c.FeedOwned,
			LastUpdatedTime: c.LastUpdatedTime, Endpoint: c.Endpoint, ItemSubType: c.ItemSubType,
		}
	}
	made, err := construct(settings)
	if err != nil {
		return nil, err
	}
	return &delivery.Account{
		Name:     a.Name,
		Platform: string(a.Platform),
		Client:   made,
		Policy: delivery.Policy{
			MaxItems: a.Batch.MaxItems, MaxBytes: a.Batch.MaxBytes, MaxAge: a.Batch.MaxAge,
			PollMin: a.Poll.Min, PollMax: a.Poll.Max, PollGiveUp: a.Poll.GiveUp,
			MaxAttempts: a.Retry.MaxAttempts, RetryMin: a.Retry.Min, RetryMax: a.Retry.Max,
			Settle: a.Settle, Concurrency: a.Concurrency,
		},
	}, nil
}
