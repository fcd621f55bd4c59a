package meta

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

func TestSettingsAreCheckedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(platform.Settings{
		Name: "acme", BaseURL: "ftp://x", AdAccountID: "1",
		Catalogs: map[string]platform.CatalogSettings{
			"a": {CatalogID: "x", Endpoint: "feed", Country: "US", Language: "en-US", Body: "legacy", FeedOwned: true, LastUpdatedTime: true},
			"b": {CatalogID: "1", Endpoint: "batch", ItemSubType: "CLOTHING"},
			"c": {CatalogID: "2", ItemSubType: "SHIPS"},
		},
	})
	require.Error(t, err)
	for _, field := range []string{
		"base_url", "access_token", "ad_account_id", "catalogs.a.catalog_id", "catalogs.a.endpoint", "catalogs.a.country",
		"catalogs.a.language", "catalogs.a.body", "catalogs.a.feed_owned", "catalogs.a.last_updated_time",
		"catalogs.b.item_sub_type", "catalogs.c.item_sub_type",
	} {
		require.ErrorContains(t, err, field+": ")
	}
}

func TestTheAppsQuotaOutlivesTokens(t *testing.T) {
	t.Parallel()
	scopesOf := func(name, token, app string) []string {
		s := platform.Settings{
			Name: name, Credentials: token, App: app, QuotaWindow: time.Second,
			Token:    func(context.Context) (string, error) { return "", nil },
			Catalogs: map[string]platform.CatalogSettings{"a": {CatalogID: "1"}},
		}
		made, err := New(s)
		require.NoError(t, err)
		e, _ := made.Endpoint("a", "FLIGHT")
		require.Equal(t, time.Second, e.(*endpoint).scopes.window)
		return e.SubmitScopes()
	}
	require.Equal(t, scopesOf("a", "one", "app"), scopesOf("b", "two", "app"))
	require.NotEqual(t, scopesOf("a", "one", ""), scopesOf("a", "two", ""))
	require.Equal(t, scopesOf("a", "one", ""), scopesOf("b", "one", ""))
	require.NotEqual(t, scopesOf("a", "", ""), scopesOf("b", "", ""))
}

func TestEachEdgeTakesItsItemTypes(t *testing.T) {
	t.Parallel()
	account := accountOf(t, map[string]platform.CatalogSettings{
		"all": {CatalogID: "1"}, "old": {CatalogID: "2", Endpoint: legacyBatchEdge}, "local": {CatalogID: "1", Endpoint: localizedBatchEdge},
	})
	takes := func(name string) (types []string) {
		for itemType := range catalogTypes() {
			_, problem := account.Endpoint(name, itemType)
			if problem == nil {
				types = append(types, string(itemType))
				continue
			}
			require.Equal(t, catalog.UnknownType, problem.Reason)
		}
		return types
	}
	require.Len(t, takes("all"), 11)
	require.Equal(t, []string{"PRODUCT_ITEM"}, takes("old"))
	require.ElementsMatch(t, []string{"PRODUCT_ITEM", "HOTEL", "FLIGHT", "DESTINATION", "HOME_LISTING", "VEHICLE"}, takes("local"))
}

func TestLocalizedItemsWaitForTheItemsOfTheirCatalog(t *testing.T) {
	t.Parallel()
	account := accountOf(t, map[string]platform.CatalogSettings{
		"products": {CatalogID: "1"}, "local": {CatalogID: "1", Endpoint: localizedBatchEdge},
		"old": {CatalogID: "2", Endpoint: legacyBatchEdge}, "old-local": {CatalogID: "2", Endpoint: localizedBatchEdge},
		"alone": {CatalogID: "3", Endpoint: localizedBatchEdge},
	})
	for name, want := range map[string]string{"products": "", "local": "products", "old": "", "old-local": "old", "alone": ""} {
		found, problem := account.Endpoint(name, "PRODUCT_ITEM")
		require.Nil(t, problem)
		require.Equal(t, want, found.Base(), name)
	}
}

func TestTheSubTypeOfACatalogIsInEachRequest(t *testing.T) {
	t.Parallel()
	require.Len(t, itemSubTypes, 26)
	account := accountOf(t, map[string]platform.CatalogSettings{"main": {CatalogID: "1", ItemSubType: "CLOTHING"}})
	e, problem := account.Endpoint("main", "PRODUCT_ITEM")
	require.Nil(t, problem)
	sent := encode(t, e, &catalog.Mutation{ItemID: "A", Operation: catalog.Update, Attributes: []byte(`{"color":"red"}`)})
	require.JSONEq(t, `{"item_type":"PRODUCT_ITEM","item_sub_type":"CLOTHING","allow_upsert":false,
		"requests":[{"method":"UPDATE","data":{"id":"A","color":"red"}}]}`, string(sent))
}

// TestTheProofGoesWithEachCallAndNowhereElse has the platform repeat what it got.
func TestTheProofGoesWithEachCallAndNowhereElse(t *testing.T) {
	t.Parallel()
	const token, proof = "canary-token-5f81", "canary-proof-d34db33f"
	proofs := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proofs <- r.URL.Query().Get("appsecret_proof")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":{"code":100,"type":"GraphMethodException","message":"Invalid appsecret_proof: ` + r.URL.RawQuery + `"}}`))
	}))
	defer server.Close()
	account, err := New(platform.Settings{
		Name: "acme", BaseURL: server.URL, HTTP: server.Client(),
		Token: func(context.Context) (string, error) { return token, nil },
		Proof: func(of string) string {
			require.Equal(t, token, of)
			return proof
		},
		Catalogs: map[string]platform.CatalogSettings{"main": {CatalogID: "1"}},
	})
	require.NoError(t, err)
	e, problem := account.Endpoint("main", "PRODUCT_ITEM")
	require.Nil(t, problem)
	calls := []func() error{
		func() error { _, err := e.Submit(t.Context(), []byte(`{}`), "", recordsOf("A")); return err },
		func() error { _, err := e.Poll(t.Context(), "h+/=", "", recordsOf("A")); return err },
	}
	for _, call := range calls {
		err := call()
		require.Equal(t, proof, <-proofs)
		failure := (*platform.Error)(nil)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, platform.ScopeAccount, failure.Scope, "no item is to blame")
		require.NotContains(t, err.Error(), "canary")
	}
}
