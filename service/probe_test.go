package service_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestProbeWithTokensThatChange: a test of the platforms takes the token that the database
// keeps, and where that does not answer it says so and spends no refresh token.
func TestProbeWithTokensThatChange(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Pinterest: renewing(), Settings: renewed()})
	c := env.Config("a", loginAt(env).Settings)
	probe := func() map[string]service.AccountProbed {
		found, err := service.ProbePlatforms(t.Context(), c, builtin.Platforms())
		require.NoError(t, err)
		byCheck := map[string]service.AccountProbed{}
		for _, one := range found {
			for _, secret := range []string{clientSecret, refreshToken} {
				require.NotContains(t, one.Problem+one.Detail+one.Warning, secret)
			}
			byCheck[strings.TrimSpace(one.Account+" "+string(one.Check)+" "+one.Catalog)] = one
		}
		return byCheck
	}
	for range 2 {
		found := probe()
		require.Contains(t, found, rig.PinterestAccount+" token")
		require.Empty(t, found[rig.PinterestAccount+" token"].Problem)
		require.Equal(t, "Meta", found[rig.MetaAccount+" token"].Platform)
	}
	require.Equal(t, 1, env.Pinterest.Counters().Grants, "the second took the token of the first")

	c.Database.URL = config.NewSecret("postgres://127.0.0.1:1/gone?connect_timeout=1")
	found := probe()
	require.Contains(t, found[rig.PinterestAccount+" "+string(platform.ProbeToken)].Problem, "the database, which does not answer")
	require.Equal(t, 1, env.Pinterest.Counters().Grants)
}
