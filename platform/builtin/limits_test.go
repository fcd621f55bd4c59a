package builtin_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// TestClientsHaveTheLimitsThatTheConfigurationAllows, and serve the types that the
// descriptor lists: of each platform, by the accounts of the examples.
func TestClientsHaveTheLimitsThatTheConfigurationAllows(t *testing.T) {
	t.Parallel()
	loaded, err := config.Parse("examples/courier.yaml", examples.Config, config.Options{Platforms: platform.Configs(builtin.Platforms())})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, account := range loaded.Accounts {
		descriptor, found := platform.Find(builtin.Platforms(), account.Platform)
		require.True(t, found)
		seen[descriptor.Name] = true
		catalogs := map[string]setting.Values{}
		for name, c := range account.Catalogs {
			catalogs[name] = c.Keys
		}
		made, err := descriptor.New(platform.Settings{
			Name: account.Name, BaseURL: account.BaseURL, Keys: account.Keys, Catalogs: catalogs,
			Token: func(context.Context) (string, error) { return "t", nil },
		})
		require.NoError(t, err)
		require.NotEmpty(t, descriptor.Types)
		for _, catalogType := range descriptor.Types {
			served := false
			for name := range catalogs {
				endpoint, problem := made.Endpoint(name, catalogType)
				if problem != nil {
					continue
				}
				served = true
				require.Equal(t, platform.Limits{MaxItems: descriptor.MaxItems, MaxBytes: descriptor.MaxBytes}, endpoint.Limits(), "%s %s", name, catalogType)
			}
			require.True(t, served, "%s does not serve %s", descriptor.Name, catalogType)
		}
	}
	require.Len(t, seen, len(builtin.Platforms()), "the examples have an account of each platform")
}
