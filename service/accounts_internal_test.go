package service

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/platform/credential"
)

// TestWhatNamesAnApp: its id before its secrets, so that replacing a secret loses no
// quota that is known; and never the secret itself.
func TestWhatNamesAnApp(t *testing.T) {
	t.Parallel()
	const secret = "canary-app-secret"
	require.Equal(t, appOf(config.Account{AppID: "7"}), appOf(config.Account{AppID: "7", ClientID: "c"}))
	require.NotContains(t, appOf(config.Account{ClientID: secret}), secret)
	require.NotEqual(t, appOf(config.Account{AppID: "7"}), appOf(config.Account{ClientID: "7"}), "an id and a client id are two things")
	require.Empty(t, appOf(config.Account{AccessToken: config.NewSecret(secret)}))
}

// TestAnAppInItsOwnNameHasNoLocalInventory: a client id without a refresh token is an app
// without a user.
func TestAnAppInItsOwnNameHasNoLocalInventory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		account config.Account
		takes   bool
	}{
		"token": {config.Account{AccessToken: config.NewSecret("t")}, true},
		"user":  {config.Account{ClientID: "c", RefreshToken: config.NewSecret("r")}, true},
		"app":   {config.Account{ClientID: "c"}, false},
	} {
		a := c.account
		a.Name, a.Platform = "acme", "pinterest"
		a.Catalogs = map[string]config.Catalog{
			"us": {Name: "us", Keys: setting.Values{"country": "US", "language": "en-US", "catalog_id": "7"}},
		}
		made, err := newAccount(a, builtin.Platforms(), credential.Fixed(config.NewSecret("t")), nil)
		require.NoError(t, err, name)
		_, problem := made.Client.Endpoint("us", "LOCAL_INVENTORY")
		require.Equal(t, c.takes, problem == nil, name)
	}
}
