package pinterest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

func settings() platform.Settings {
	return platform.Settings{
		Name:  "acme",
		Token: func(context.Context) (string, error) { return "token", nil },
		Catalogs: map[string]platform.CatalogSettings{
			"us": {Country: "US", Language: "en-US", CatalogID: "268"}, "fr": {Country: "FR", Language: "FR"},
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
		BaseURL: "ftp://x", AdAccountID: "12a",
		Catalogs: map[string]platform.CatalogSettings{"us": {
			Country: "us", Language: "en_US", CatalogID: "x", Body: "round", Endpoint: "items_batch",
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
	s.Catalogs["us"] = platform.CatalogSettings{Country: "US", Language: "EN", Body: "legacy", CatalogID: "1"}
	_, err := pinterest.New(s)
	require.ErrorContains(t, err, "catalogs.us.catalog_id: cannot be chosen with body: legacy")

	s.Catalogs["us"] = platform.CatalogSettings{Country: "US", Language: "EN", Body: "legacy"}
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
	require.NotEqual(t, first[0], first[1], "reads and writes are two quotas")
}

func TestScopesAreAllThatCallsDrawOn(t *testing.T) {
	t.Parallel()
	account, err := pinterest.New(settings())
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
	require.ElementsMatch(t, account.Scopes(), append(endpoint.SubmitScopes(), endpoint.PollScopes()...))
}
