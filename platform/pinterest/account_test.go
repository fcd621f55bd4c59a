package pinterest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

func settings() platform.Settings {
	return platform.Settings{
		Name:  "acme",
		Token: func(context.Context) (string, error) { return "token", nil },
		Catalogs: map[string]setting.Values{
			"us": {"country": "US", "language": "en-US", "catalog_id": "268"}, "fr": {"country": "FR", "language": "FR"},
		},
	}
}

func openEndpoint(t *testing.T, s platform.Settings, catalogName string, catalogType catalog.Type) platform.Endpoint {
	t.Helper()
	account, err := pinterest.New(s)
	require.NoError(t, err)
	endpoint, problem := account.Endpoint(catalogName, catalogType)
	require.Nil(t, problem)
	return endpoint
}

func TestSettingsErrorsNameEveryFieldAndRule(t *testing.T) {
	t.Parallel()
	wrong := platform.Settings{
		BaseURL: "ftp://x", Keys: setting.Values{"ad_account_id": "12a"},
		Catalogs: map[string]setting.Values{"us": {
			"country": "us", "language": "en_US", "catalog_id": "x", "body": "round", "endpoint": "items_batch",
		}},
	}
	_, err := pinterest.New(wrong)
	require.Error(t, err)
	for _, field := range []string{
		"base_url: ", "access_token: ", "ad_account_id: ", "catalogs.us.country: ", "catalogs.us.language: ",
		"catalogs.us.catalog_id: ", "catalogs.us.body: ", "catalogs.us.endpoint: ",
	} {
		require.ErrorContains(t, err, field)
	}
	_, err = pinterest.New(settings())
	require.NoError(t, err)
}

func TestTheLegacyBodyChoosesNoCatalogAndCarriesRetailOnly(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Catalogs["us"] = setting.Values{"country": "US", "language": "EN", "body": "legacy", "catalog_id": "1"}
	_, err := pinterest.New(s)
	require.ErrorContains(t, err, "catalogs.us.catalog_id: cannot be chosen with body: legacy")

	s.Catalogs["us"] = setting.Values{"country": "US", "language": "EN", "body": "legacy"}
	account, err := pinterest.New(s)
	require.NoError(t, err)
	_, problem := account.Endpoint("us", "HOTEL")
	require.NotNil(t, problem)
	require.Equal(t, catalog.UnknownType, problem.Reason)
	require.Contains(t, problem.Text, "RETAIL")
	legacy := openEndpoint(t, s, "us", "RETAIL")
	groups := map[string]bool{}
	for _, operation := range catalog.Operations() {
		groups[legacy.Group(operation)] = true
	}
	require.Len(t, groups, len(catalog.Operations()), "operations never share a request")
}

func TestCountriesAndLanguages(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"en-US", "EN", "es-419", "fr", "zh-TW", "XX"} {
		require.True(t, pinterest.ValidLanguage(good), good)
	}
	for _, bad := range []string{"", "en", "en_US", "EN-US", " ", "EN ES", "us"} {
		require.False(t, pinterest.ValidLanguage(bad), bad)
	}
	require.True(t, pinterest.ValidCountry("US"))
	for _, bad := range []string{"", "us", "USA", "KP", "AD AE"} {
		require.False(t, pinterest.ValidCountry(bad), bad)
	}
}

func TestEqualCredentialsShareQuotas(t *testing.T) {
	t.Parallel()
	scopes := func(change func(*platform.Settings)) []string {
		s := settings()
		change(&s)
		endpoint := openEndpoint(t, s, "us", "RETAIL")
		return append(endpoint.SubmitScopes(), endpoint.PollScopes()...)
	}
	first := scopes(func(s *platform.Settings) { s.Credentials = platform.CredentialsHash("one") })
	require.Equal(t, first, scopes(func(s *platform.Settings) { s.Name, s.Credentials = "other", platform.CredentialsHash("one") }))
	require.NotEqual(t, first, scopes(func(s *platform.Settings) { s.Credentials = platform.CredentialsHash("two") }))
	require.NotEqual(t, first, scopes(func(*platform.Settings) {}))
	require.NotEqual(t, scopes(func(*platform.Settings) {}), scopes(func(s *platform.Settings) { s.Name = "other" }))
	require.NotEqual(t, first[0], first[2], "reads and writes are two quotas")
	require.Equal(t, first[1], first[3], "and draw on one of the app")

	// Two users of one app share its quota, and a new token finds that of the old one.
	user := func(token string) []string {
		return scopes(func(s *platform.Settings) { s.Credentials, s.App = token, platform.CredentialsHash("app", "7") })
	}
	require.Equal(t, user("one")[1], user("two")[1])
	require.NotEqual(t, user("one")[0], user("two")[0])
	require.NotEqual(t, first[1], user("one")[1])
}

func TestScopesAreAllThatCallsDrawOn(t *testing.T) {
	t.Parallel()
	account, err := pinterest.New(settings())
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
	require.Subset(t, account.Scopes(), append(endpoint.SubmitScopes(), endpoint.PollScopes()...))
	require.Len(t, account.Scopes(), 3)
}
