package pinterest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// oneOfAStore is a record of local inventory.
func oneOfAStore(itemID string) []catalog.Record {
	return []catalog.Record{{Key: catalog.ItemKey{ItemID: itemID}, Change: catalog.Change{Operation: catalog.Delete}}}
}

// TestARefusalOfLocalInventoryIsNotOneOfTheAccount: the address names the catalog, and an
// account may have no access to this endpoint alone. Its other catalog types go on.
func TestARefusalOfLocalInventoryIsNotOneOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		scope  platform.FailureScope
	}{
		{"no such catalog", 404, `{"code":50,"message":"Catalog not found"}`, platform.ScopeBatch},
		{"404 page", 404, `<html>Not found</html>`, platform.ScopeBatch},
		{"no access to the endpoint", 403, `{"code":7,"message":"You are not permitted to access that resource"}`, platform.ScopeBatch},
		{"not allowed there", 405, `{"code":5,"message":"Method not allowed."}`, platform.ScopeBatch},
		{"trial access", 403, `{"code":29,"message":"trial"}`, platform.ScopeAccount},
		{"disapproved", 403, `{"code":2625,"message":"Sorry"}`, platform.ScopeAccount},
		{"wrong token", 401, `{"code":2,"message":"Authentication failed."}`, platform.ScopeAccount},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			endpoint := answering(t, localInventory(), nil, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := endpoint.Submit(t.Context(), []byte(`{}`), "", oneOfAStore("A/berlin"))
			failure := new(platform.Error)
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.scope.String(), failure.Scope.String())
			require.False(t, failure.OfRecords)
		})
	}
}

// TestPartsOfAnItemComeBack: whatever is in them, and in whatever order.
func TestPartsOfAnItemComeBack(t *testing.T) {
	t.Parallel()
	endpoint := answering(t, localInventory(), nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"batch_id":1,"status":"COMPLETED","created_time":"x","operation_results":[
			{"store_code":7,"item_id":"k","status":"SUCCESS"},{"item_id":"a","store_code":"b/c","status":"SUCCESS"},
			{"item_id":"x/y","store_code":"1%","status":"SUCCESS"},{"item_id":"a/b","store_code":"c","status":"SUCCESS"},
			{"item_id":"unnamed/store","status":"SUCCESS"},{"item_id":"unnamed","store_code":null,"status":"SUCCESS"}]}`)
	})
	ids := []string{"a%2Fb/c", "a/b%2Fc", "x%2Fy/1%25", "k/7", "unnamed/store"}
	records := make([]catalog.Record, 0, len(ids))
	for _, id := range ids {
		problem, warnings := endpoint.Validate(&catalog.Mutation{ItemID: id, Operation: catalog.Delete})
		require.Nil(t, problem)
		require.Empty(t, warnings)
		records = append(records, oneOfAStore(id)...)
	}
	report, err := endpoint.Poll(t.Context(), "1", "", records)
	require.NoError(t, err)
	for i := range records[:4] {
		require.Equal(t, platform.Succeeded, report.Verdicts[i].Outcome, records[i].Key.ItemID)
	}
	require.Equal(t, platform.Unknown, report.Verdicts[4].Outcome, "an answer without the store names no item")
}

// TestASecondSpellingOfAnItemIsRefused: it would be another item here and the same one at
// Pinterest.
func TestASecondSpellingOfAnItemIsRefused(t *testing.T) {
	t.Parallel()
	endpoint := localInventory().endpointOf(t)
	problem, _ := endpoint.Validate(&catalog.Mutation{ItemID: "a%2fb/c", Operation: catalog.Delete})
	require.NotNil(t, problem)
	require.Equal(t, catalog.BadKey, problem.Reason)
}

// TestLocalInventoryNeedsAUser: what Pinterest answers to an app's own token would pause
// the whole account.
func TestLocalInventoryNeedsAUser(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Userless = true
	s.Catalogs = map[string]setting.Values{"us": {"country": "US", "language": "en-US", "catalog_id": "7"}}
	account, err := pinterest.New(s)
	require.NoError(t, err)
	_, problem := account.Endpoint("us", "LOCAL_INVENTORY")
	require.NotNil(t, problem)
	require.Contains(t, problem.Text, "in a user's name only")
	_, problem = account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
}

// TestClearingLocalInventory: nobody says that an UPSERT removes what it leaves out. DELETE and
// CREATE do.
func TestClearingLocalInventory(t *testing.T) {
	t.Parallel()
	problem, _ := localInventory().endpointOf(t).Validate(&catalog.Mutation{
		ItemID: "a/b", Operation: catalog.Update, Attributes: []byte(`{"sale_price":null}`), HasNull: true,
	})
	require.NotNil(t, problem)
	require.Equal(t, catalog.NotClearable, problem.Reason)
	require.NotContains(t, problem.Text, "UPSERT")
	require.Contains(t, problem.Text, "DELETE")
}

// TestLocalInventoryOfACatalogHasOneName: its requests have no country and no language,
// so that two names for one catalog_id would write the same items.
func TestLocalInventoryOfACatalogHasOneName(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Catalogs = map[string]setting.Values{
		"us":     {"country": "US", "language": "en-US", "catalog_id": "7"},
		"de":     {"country": "DE", "language": "DE", "catalog_id": "7"},
		"gb":     {"country": "GB", "language": "en-GB", "catalog_id": "8"},
		"old":    {"country": "US", "language": "en-US", "body": "legacy"},
		"oldest": {"country": "FR", "language": "FR"},
	}
	account, err := pinterest.New(s)
	require.NoError(t, err)
	for name, says := range map[string]string{
		"de": "", "gb": "", "us": "to catalog de", "old": "body: legacy cannot have", "oldest": "set catalogs.oldest.catalog_id",
	} {
		endpoint, problem := account.Endpoint(name, "LOCAL_INVENTORY")
		if says == "" {
			require.Nil(t, problem, name)
			require.NotNil(t, endpoint)
			continue
		}
		require.NotNil(t, problem, name)
		require.Equal(t, catalog.UnknownType, problem.Reason)
		require.Contains(t, problem.Text, says)
	}
}
