package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// tell posts a body to a simulated Pinterest.
func tell(t *testing.T, simulated *pinterestsim.Platform, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v5/catalogs/items/batch", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer token")
	recorder := httptest.NewRecorder()
	simulated.ServeHTTP(recorder, request)
	return recorder
}

// results asks what became of the batch that the answer names.
func results(t *testing.T, simulated *pinterestsim.Platform, answer *httptest.ResponseRecorder) gjson.Result {
	t.Helper()
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	simulated.Settle()
	handle := gjson.Get(answer.Body.String(), "batch_id").Str
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v5/catalogs/items/batch/"+handle, nil)
	request.Header.Set("Authorization", "Bearer token")
	recorder := httptest.NewRecorder()
	simulated.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
	return gjson.Get(recorder.Body.String(), "items")
}

func openPinterest(t *testing.T, options sandbox.Options) *pinterestsim.Platform {
	t.Helper()
	options.Delay, options.AllowIncomplete = time.Hour, true
	simulated := pinterestsim.New(options)
	t.Cleanup(simulated.Close)
	return simulated
}

func vertical(kind, items string) string {
	return `{"catalog_type":"` + kind + `","country":"US","language":"en-US","items":[` + items + `]}`
}

func legacy(operation, items string) string {
	return `{"country":"US","language":"EN","operation":"` + operation + `","items":[` + items + `]}`
}

// TestPinterestRefusesWhatTheSchemaForbids: the whole body, with code 1.
func TestPinterestRefusesWhatTheSchemaForbids(t *testing.T) {
	t.Parallel()
	update := func(attributes, more string) string {
		return vertical("RETAIL", `{"item_id":"A","operation":"UPDATE","attributes":`+attributes+more+`}`)
	}
	for name, body := range map[string]string{
		"no JSON":                     `{"catalog_type"`,
		"no object":                   `[]`,
		"no type":                     `{"country":"US","language":"EN","items":[]}`,
		"an unknown type":             vertical("TEAPOT", `{}`),
		"an unknown country":          strings.Replace(vertical("RETAIL", `{"item_id":"A","operation":"DELETE"}`), "US", "KP", 1),
		"an unknown language":         strings.Replace(vertical("RETAIL", `{"item_id":"A","operation":"DELETE"}`), "en-US", "en_US", 1),
		"a catalog id of letters":     `{"catalog_type":"RETAIL","country":"US","language":"EN","catalog_id":"x","items":[{"item_id":"A","operation":"DELETE"}]}`,
		"a catalog id without quotes": `{"catalog_type":"RETAIL","country":"US","language":"EN","catalog_id":1,"items":[{"item_id":"A","operation":"DELETE"}]}`,
		"another member":              `{"catalog_type":"RETAIL","country":"US","language":"EN","x":1,"items":[{"item_id":"A","operation":"DELETE"}]}`,
		"both forms":                  `{"catalog_type":"RETAIL","operation":"DELETE","country":"US","language":"EN","items":[{"item_id":"A"}]}`,
		"no items":                    vertical("RETAIL", ``),
		"items that are no list":      `{"catalog_type":"RETAIL","country":"US","language":"EN","items":{}}`,
		"too many items":              vertical("RETAIL", strings.Repeat(`{"item_id":"A","operation":"DELETE"},`, 1000)+`{"item_id":"A","operation":"DELETE"}`),
		"another type's id":           vertical("HOTEL", `{"item_id":"A","operation":"DELETE"}`),
		"an id that is a number":      vertical("HOTEL", `{"hotel_id":7,"operation":"DELETE"}`),
		"DELETE_DISCONTINUED":         vertical("RETAIL", `{"item_id":"A","operation":"DELETE_DISCONTINUED"}`),
		"no operation":                vertical("RETAIL", `{"item_id":"A"}`),
		"no attributes":               vertical("RETAIL", `{"item_id":"A","operation":"UPSERT"}`),
		"a time of text":              vertical("RETAIL", `{"item_id":"A","operation":"DELETE","last_updated_time":"1"}`),
		"a null of a title":           vertical("RETAIL", `{"item_id":"A","operation":"UPSERT","attributes":{"title":null}}`),
		"a title of a number":         update(`{"title":7}`, ``),
		"a number of text":            update(`{"custom_number_0":"7"}`, ``),
		"an integer with a fraction":  update(`{"custom_number_0":7.5}`, ``),
		"an image in an UPDATE":       update(`{"image_link":"https://x.test"}`, ``),
		"two images":                  vertical("RETAIL", `{"item_id":"A","operation":"UPSERT","attributes":{"image_link":["https://x.test","https://y.test"]}}`),
		"a label that is too long":    update(`{"custom_label_0":"`+strings.Repeat("x", 512)+`"}`, ``),
		"a name outside the mask":     update(`{"title":"T"}`, `,"update_mask":["brand"]`),
		"a mask of another name":      update(`{}`, `,"update_mask":["mobile_link"]`),
		"a mask in an UPSERT":         vertical("RETAIL", `{"item_id":"A","operation":"UPSERT","attributes":{},"update_mask":["brand"]}`),
		"a mask of a hotel":           vertical("HOTEL", `{"hotel_id":"A","operation":"UPDATE","attributes":{},"update_mask":["brand"]}`),
		"a null without a mask":       vertical("HOTEL", `{"hotel_id":"A","operation":"UPDATE","attributes":{"brand":null}}`),
		"a hotel at no number":        vertical("HOTEL", `{"hotel_id":"A","operation":"UPSERT","attributes":{"latitude":"52"}}`),
		"an address of text":          vertical("HOTEL", `{"hotel_id":"A","operation":"UPSERT","attributes":{"address":"Berlin"}}`),
		"a creative image changed":    vertical("CREATIVE_ASSETS", `{"creative_assets_id":"A","operation":"UPDATE","attributes":{"image_link":"https://x.test"}}`),
		"legacy: no such operation":   legacy("REPLACE", `{"item_id":"A"}`),
		"legacy: a catalog id":        `{"country":"US","language":"EN","catalog_id":"1","operation":"DELETE","items":[{"item_id":"A"}]}`,
		"legacy: an own operation":    legacy("DELETE", `{"item_id":"A","operation":"DELETE"}`),
		"legacy: a time":              legacy("DELETE", `{"item_id":"A","last_updated_time":1}`),
		"legacy: a DELETE with more":  legacy("DELETE_DISCONTINUED", `{"item_id":"A","attributes":{}}`),
		"legacy: no attributes":       legacy("UPSERT", `{"item_id":"A"}`),
		"legacy: no items":            legacy("UPDATE", ``),
		"legacy: no id":               legacy("DELETE", `{}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulated := openPinterest(t, sandbox.Options{})
			answer := tell(t, simulated, body)
			require.Equal(t, http.StatusBadRequest, answer.Code, answer.Body.String())
			require.EqualValues(t, 1, gjson.Get(answer.Body.String(), "code").Int())
			require.Zero(t, simulated.Counters().Accepted)
		})
	}
}

// TestPinterestFailsItemsThatBreakItsProse: the batch is taken, the item fails.
func TestPinterestFailsItemsThatBreakItsProse(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"price":        vertical("RETAIL", `{"item_id":"A","operation":"UPSERT","attributes":{"price":"cheap"}}`),
		"availability": legacy("UPSERT", `{"item_id":"A","attributes":{"availability":"soon"}}`),
		"title":        vertical("RETAIL", `{"item_id":"A","operation":"UPSERT","attributes":{"title":"`+strings.Repeat("ü", 501)+`"}}`),
		"base_price":   vertical("HOTEL", `{"hotel_id":"A","operation":"CREATE","attributes":{"base_price":"cheap"}}`),
		"visibility":   vertical("CREATIVE_ASSETS", `{"creative_assets_id":"A","operation":"CREATE","attributes":{"visibility":"perhaps"}}`),
		"link":         vertical("CREATIVE_ASSETS", `{"creative_assets_id":"A","operation":"CREATE","attributes":{"link":"www.example.com"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulated := openPinterest(t, sandbox.Options{})
			items := results(t, simulated, tell(t, simulated, body))
			require.Equal(t, "FAILURE", items.Get("0.status").Str)
			require.Equal(t, name, items.Get("0.errors.0.attribute").Str)
		})
	}
}

func TestALegacyDeleteHasNoBounds(t *testing.T) {
	t.Parallel()
	simulated := openPinterest(t, sandbox.Options{})
	require.Equal(t, http.StatusOK, tell(t, simulated, legacy("DELETE", ``)).Code)
	many := strings.TrimSuffix(strings.Repeat(`{"item_id":"A"},`, 1001), ",")
	require.Equal(t, http.StatusOK, tell(t, simulated, legacy("DELETE_DISCONTINUED", many)).Code)
}

// TestDiscontinuedItemsAreOutOfStock: the item stays.
func TestDiscontinuedItemsAreOutOfStock(t *testing.T) {
	t.Parallel()
	simulated := openPinterest(t, sandbox.Options{})
	key := pinterestsim.Catalog("US", "EN", "")
	results(t, simulated, tell(t, simulated, legacy("CREATE", `{"item_id":"A","attributes":{"title":"T","availability":"in stock"}}`)))
	items := results(t, simulated, tell(t, simulated, legacy("DELETE_DISCONTINUED", `{"item_id":"A"},{"item_id":"B"}`)))
	require.Equal(t, "SUCCESS", items.Get("0.status").Str)
	require.Equal(t, "FAILURE", items.Get("1.status").Str, "there is no such item")
	require.Equal(t, map[string]string{"A": `{"availability":"out of stock","title":"T"}`}, simulated.Items(key, "RETAIL"))
}

func TestAFeedKeepsItsCatalog(t *testing.T) {
	t.Parallel()
	key := pinterestsim.Catalog("US", "en-US", "")
	simulated := openPinterest(t, sandbox.Options{FeedOwned: []string{key}})
	require.NoError(t, simulated.Apply(key, "RETAIL", &catalog.Mutation{
		ItemID: "A", Operation: catalog.Create, Attributes: []byte(`{"title":"T","price":"2 USD"}`),
	}))
	items := results(t, simulated, tell(t, simulated, vertical("RETAIL",
		`{"item_id":"A","operation":"UPSERT","attributes":{"title":"U"}},{"item_id":"B","operation":"CREATE","attributes":{"title":"U"}},`+
			`{"item_id":"A","operation":"UPDATE","attributes":{"price":"1 USD"}}`)))
	require.Equal(t, "FAILURE", items.Get("0.status").Str)
	require.Equal(t, "FAILURE", items.Get("1.status").Str)
	require.Contains(t, items.Get("1.errors.0.message").Str, "feed")

	items = results(t, simulated, tell(t, simulated, vertical("RETAIL", `{"item_id":"A","operation":"UPDATE","attributes":{"price":"1 USD"}}`)))
	require.Equal(t, "SUCCESS", items.Get("0.status").Str)
	require.JSONEq(t, `{"price":"1 USD","title":"T"}`, simulated.Items(key, "RETAIL")["A"])

	whole := openPinterest(t, sandbox.Options{FeedOwned: []string{key}, FeedRefusesBatch: true})
	answer := tell(t, whole, vertical("RETAIL", `{"item_id":"B","operation":"CREATE","attributes":{"title":"U"}}`))
	require.Equal(t, http.StatusForbidden, answer.Code)
}
