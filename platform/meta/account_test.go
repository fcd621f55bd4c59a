package meta

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

func TestSettingsAreCheckedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(platform.Settings{
		Name: "acme", BaseURL: "ftp://x", Keys: setting.Values{"ad_account_id": "1"},
		Catalogs: map[string]setting.Values{
			"a": {"catalog_id": "x", "endpoint": "feed", "country": "US", "language": "en-US", "body": "legacy", "feed_owned": true, "last_updated_time": true},
			"b": {"catalog_id": "1", "endpoint": "batch", "item_sub_type": "CLOTHING"},
			"c": {"catalog_id": "2", "item_sub_type": "SHIPS"},
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
			Name: name, Credentials: token, App: app, Keys: setting.Values{"quota_window": time.Second},
			Token:    func(context.Context) (string, error) { return "", nil },
			Catalogs: map[string]setting.Values{"a": {"catalog_id": "1"}},
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
	account := accountOf(t, map[string]setting.Values{
		"all": {"catalog_id": "1"}, "old": {"catalog_id": "2", "endpoint": legacyBatchEdge}, "local": {"catalog_id": "1", "endpoint": localizedBatchEdge},
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
	account := accountOf(t, map[string]setting.Values{
		"products": {"catalog_id": "1"}, "local": {"catalog_id": "1", "endpoint": localizedBatchEdge},
		"old": {"catalog_id": "2", "endpoint": legacyBatchEdge}, "old-local": {"catalog_id": "2", "endpoint": localizedBatchEdge},
		"alone": {"catalog_id": "3", "endpoint": localizedBatchEdge},
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
	account := accountOf(t, map[string]setting.Values{"main": {"catalog_id": "1", "item_sub_type": "CLOTHING"}})
	e, problem := account.Endpoint("main", "PRODUCT_ITEM")
	require.Nil(t, problem)
	sent := encode(t, e, &catalog.Mutation{ItemID: "A", Operation: catalog.Update, Attributes: []byte(`{"color":"red"}`)})
	require.JSONEq(t, `{"item_type":"PRODUCT_ITEM","item_sub_type":"CLOTHING","allow_upsert":false,
		"requests":[{"method":"UPDATE","data":{"id":"A","color":"red"}}]}`, string(sent))
}

// TestTheProofGoesWithEachCallAndNowhereElse has the platform repeat what it got.
func TestTheProofGoesWithEachCallAndNowhereElse(t *testing.T) {
	t.Parallel()
	// The HMAC-SHA256 of the token under the secret.
	const token, proof = "canary-token-5f81", "3a42fca37086a676fdeebb440fd689a98dfad8dd1c24ebbfadb56201833e9ec9"
	proofs := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proofs <- r.URL.Query().Get("appsecret_proof")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":{"code":100,"type":"GraphMethodException","message":"Invalid appsecret_proof: ` + r.URL.RawQuery + `"}}`))
	}))
	defer server.Close()
	account, err := New(platform.Settings{
		Name: "acme", BaseURL: server.URL, HTTP: server.Client(),
		Token:    func(context.Context) (string, error) { return token, nil },
		Keys:     setting.Values{"app_secret": setting.NewSecret("canary-secret")},
		Catalogs: map[string]setting.Values{"main": {"catalog_id": "1"}},
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
