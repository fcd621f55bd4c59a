package sandbox_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
)

// ask posts a body and returns the status and the whole answer.
func ask(t *testing.T, meta *metasim.Platform, edge, body string) (int, string) {
	t.Helper()
	response, err := post(t, meta, "/v25.0/"+products+"/"+edge, []byte(body))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// deliver posts a body, has it applied and returns the one element of the status.
func deliver(t *testing.T, meta *metasim.Platform, edge, body string) gjson.Result {
	t.Helper()
	status, text := ask(t, meta, edge, body)
	require.Equal(t, http.StatusOK, status, text)
	meta.Settle()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sandbox.test/"+products+
		"/check_batch_request_status?load_ids_of_invalid_requests=true&handle="+url.QueryEscape(gjson.Get(text, "handles.0").Str), nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer token")
	response, err := sandbox.Transport(meta).RoundTrip(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	said := gjson.ParseBytes(answer).Get("data.0")
	require.Equal(t, "finished", said.Get("status").Str)
	return said
}

func openMeta(t *testing.T, options sandbox.Options) *metasim.Platform {
	t.Helper()
	options.Delay = time.Hour
	meta := metasim.New(options)
	t.Cleanup(meta.Close)
	return meta
}

func TestUpdateCreatesOnlyWhereUpsertIsAllowed(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{AllowIncomplete: true})
	update := `{"method":"UPDATE","data":{"id":"A","color":"red"}}`
	said := deliver(t, meta, "items_batch", string(body(false, update)))
	require.EqualValues(t, 1, said.Get("errors_total_count").Int())
	require.Empty(t, meta.Items(products, "PRODUCT_ITEM"))
	said = deliver(t, meta, "items_batch", string(body(true, update)))
	require.Zero(t, said.Get("errors_total_count").Int())
	require.Len(t, meta.Items(products, "PRODUCT_ITEM"), 1)
}

func TestItemTypesMustFitTheVertical(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{Verticals: map[string]string{products: "hotels"}})
	status, _ := ask(t, meta, "items_batch", `{"item_type":"PRODUCT_ITEM","requests":[{"method":"DELETE","data":{"id":"A"}}]}`)
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = ask(t, meta, "items_batch", `{"item_type":"HOTEL_ROOM","requests":[{"method":"DELETE","data":{"hotel_retailer_id":"A","hotel_room_id":"1"}}]}`)
	require.Equal(t, http.StatusOK, status)
}

func TestBodiesThatMetaRefusesOrDrops(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{})
	const item = `{"method":"DELETE","data":{"id":"A"}}`
	for edge, bodies := range map[string][]string{
		"items_batch": {
			`{`, `{"requests":[` + item + `]}`, `{"item_type":"TEAPOT","requests":[` + item + `]}`, `{"item_type":"PRODUCT_ITEM"}`, `{"item_type":"PRODUCT_ITEM","requests":[]}`,
			`{"item_type":"PRODUCT_ITEM","requests":[` + strings.Repeat(item+",", 5000) + item + `]}`,
		},
		"localized_items_batch": {`{"requests":[` + item + `]}`, `{"item_type":"PRODUCT_ITEM","item_sub_type":"CLOTHING","requests":[` + item + `]}`},
		"products":              {`{}`},
	} {
		for _, text := range bodies {
			status, _ := ask(t, meta, edge, text)
			require.Equal(t, http.StatusBadRequest, status, "%s %.200s", edge, text)
		}
	}
	for edge, text := range map[string]string{
		"items_batch": `{"item_type":"FLIGHT","requests":[{"method":"DELETE","data":{"origin_airport":"BOS"}}]}`,
		"batch":       `{"requests":[{"method":"UPDATE","data":{"retailer_id":"A"}}]}`,
	} {
		status, said := ask(t, meta, edge, text)
		require.Equal(t, http.StatusOK, status)
		require.False(t, gjson.Get(said, "handles").Exists(), "dropped in a good answer, which has no member handles")
	}
	require.Zero(t, meta.Counters().Accepted)
}

// TestACurrencyInLowerCase: no source says that items_batch refuses it.
func TestACurrencyInLowerCase(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{AllowIncomplete: true})
	for price, errors := range map[string]int{"10 usd": 0, "10 USD": 0, "10.00Usd": 0, "10 us": 1, "ten USD": 1} {
		status := deliver(t, meta, "items_batch", `{"item_type":"PRODUCT_ITEM","requests":[{"method":"UPDATE","data":{"id":"A","price":"`+price+`"}}]}`)
		require.EqualValues(t, errors, status.Get("errors_total_count").Int(), price)
	}
}

func TestUnknownFieldsAreToldByOneEdgeAndSilentlyDropRecordsOfTheOther(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{AllowIncomplete: true})
	_, said := ask(t, meta, "items_batch", `{"item_type":"PRODUCT_ITEM","requests":[{"method":"UPDATE","data":{"id":"A","colour":"red"}}]}`)
	require.Contains(t, gjson.Get(said, "validation_status.0.warnings.0.message").Str, "colour")

	status := deliver(t, meta, "batch", `{"requests":[
		{"method":"UPDATE","retailer_id":"B","data":{"color":"red","material":"wood"}},
		{"method":"UPDATE","retailer_id":"C","data":{"color":"red","price":"24.99 USD"}},
		{"method":"UPDATE","retailer_id":"D","data":{"color":"red","price":2450,"currency":"USD"}}]}`)
	require.EqualValues(t, 1, status.Get("errors_total_count").Int(), "of C alone")
	items := meta.Items(products, "PRODUCT_ITEM")
	require.NotContains(t, items, "B", "ignored without a word")
	require.JSONEq(t, `{"color":"red","price":"24.5 USD"}`, items["D"])
}

func TestLocalizationsLieOverItems(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{AllowIncomplete: true})
	polish := catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	localize := func(method, data, kind, value string) gjson.Result {
		return deliver(t, meta, "localized_items_batch", `{"item_type":"PRODUCT_ITEM","requests":[{"method":"`+method+
			`","data":`+data+`,"localization":{"type":"`+kind+`","value":"`+value+`"}}]}`)
	}
	refused := func(said gjson.Result) bool { return said.Get("errors_total_count").Int() == 1 }

	require.True(t, refused(localize("UPDATE", `{"id":"A","title":"Lampa"}`, "language", "pl_PL")), "no such item")
	deliver(t, meta, "items_batch", string(body(true, `{"method":"CREATE","data":{"id":"A","title":"Lamp"}}`)))
	require.False(t, refused(localize("UPDATE", `{"id":"A","title":"Lampa"}`, "language", "pl_PL")))
	require.False(t, refused(localize("UPDATE", `{"id":"A","color":"red"}`, "LANGUAGE", "pl_PL")))
	require.Equal(t, map[string]string{
		"A": `{"title":"Lamp"}`, sandbox.LocalizedID("A", polish): `{"color":"red","title":"Lampa"}`,
	}, meta.Items(products, "PRODUCT_ITEM"))

	for _, wrong := range [][3]string{
		{`{"id":"A","title":"x"}`, "LANGUAGE", "GB"},
		{`{"id":"A","title":"x"}`, "PLANET", "pl_PL"},
		{`{"id":"A","price":"1 USD"}`, "LANGUAGE", "pl_PL"},
		{`{"id":"A","image_link":"x"}`, "COUNTRY", "GB"},
		{`{"id":"A","applink":{"ios_url":"x"}}`, "COUNTRY", "GB"},
	} {
		require.True(t, refused(localize("UPDATE", wrong[0], wrong[1], wrong[2])), wrong)
	}
	require.False(t, refused(localize("DELETE", `{"id":"A"}`, "LANGUAGE", "pl_PL")))
	require.Len(t, meta.Items(products, "PRODUCT_ITEM"), 1)

	localize("UPDATE", `{"id":"A","title":"Lampa"}`, "LANGUAGE", "pl_PL")
	deliver(t, meta, "items_batch", string(body(true, `{"method":"DELETE","data":{"id":"A"}}`)))
	require.Empty(t, meta.Items(products, "PRODUCT_ITEM"), "they go with their item")
}

// TestAppliedMutationsComeToTheSame: Apply is what the end of a test is held to.
func TestAppliedMutationsComeToTheSame(t *testing.T) {
	t.Parallel()
	meta := openMeta(t, sandbox.Options{AllowIncomplete: true})
	polish := catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	apply := func(op catalog.Operation, where catalog.Localization, attributes string) error {
		return meta.Apply(products, "PRODUCT_ITEM", &catalog.Mutation{
			ItemID: "A", Operation: op, Localization: where, Attributes: []byte(attributes), HasNull: strings.Contains(attributes, "null"),
		})
	}
	require.ErrorIs(t, apply(catalog.Upsert, polish, `{"title":"Lampa"}`), sandbox.ErrNotApplied)
	require.NoError(t, apply(catalog.Create, catalog.Localization{}, `{"price":"10.00 USD"}`))
	require.NoError(t, apply(catalog.Create, polish, `{"title":"Lampa","color":"red"}`))
	require.NoError(t, apply(catalog.Update, polish, `{"color":null}`))
	require.Equal(t, map[string]string{
		"A": `{"price":"10 USD"}`, sandbox.LocalizedID("A", polish): `{"title":"Lampa"}`,
	}, meta.Items(products, "PRODUCT_ITEM"))
	require.NoError(t, apply(catalog.Delete, catalog.Localization{}, ``))
	require.Empty(t, meta.Items(products, "PRODUCT_ITEM"))
}
