package meta

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
)

func localizedMutation(itemID, kind, value string, op catalog.Operation, attributes string) *catalog.Mutation {
	m := upsertOf(attributes)
	m.ItemID, m.Operation, m.Localization = itemID, op, catalog.Localization{Type: kind, Value: value}
	if op == catalog.Delete {
		m.Attributes = nil
	}
	return m
}

func TestLocalizations(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, localizedBatchEdge, "PRODUCT_ITEM")
	cases := []struct {
		kind, value string
		good        bool
	}{
		{byLanguage, "pl_PL", true},
		{byLanguage, "en_XX", true},
		{byLanguage, "pl", false},
		{byLanguage, "pl-PL", false},
		{byLanguage, "PL_pl", false},
		{byLanguage, "GB", false},
		{byLanguage, "pl_PL|PL", false},
		{byCountry, "GB", true},
		{byCountry, "gb", false},
		{byCountry, "GBR", false},
		{byCountry, "pl_PL", false},
		{byLanguageAndCountry, "en_XX|US", true},
		{byLanguageAndCountry, "US|en_XX", false},
		{byLanguageAndCountry, "en_XX", false},
		{"language", "pl_PL", false},
		{"REGION", "EU", false},
	}
	for _, c := range cases {
		problem, _ := e.Validate(localizedMutation("A", c.kind, c.value, catalog.Upsert, `{"title":"Lampa"}`))
		require.Equal(t, c.good, problem == nil, "%s %s: %v", c.kind, c.value, problem)
	}
}

func TestMethodsOfLocalizedRecords(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, localizedBatchEdge, "FLIGHT")
	const where = `"localization":{"type":"LANGUAGE","value":"pl_PL"}`
	for op, want := range map[catalog.Operation]string{
		catalog.Create: `{"method":"UPDATE",` + where + `,"data":{"origin_airport":"BOS","destination_airport":"JFK","url":"u"}}`,
		catalog.Upsert: `{"method":"UPDATE",` + where + `,"data":{"origin_airport":"BOS","destination_airport":"JFK","url":"u"}}`,
		catalog.Update: `{"method":"UPDATE",` + where + `,"data":{"origin_airport":"BOS","destination_airport":"JFK","url":"u"}}`,
		catalog.Delete: `{"method":"DELETE",` + where + `,"data":{"origin_airport":"BOS","destination_airport":"JFK"}}`,
	} {
		sent := encode(t, e, localizedMutation("BOS/JFK", byLanguage, "pl_PL", op, `{"url":"u"}`))
		require.JSONEq(t, `{"item_type":"FLIGHT","requests":[`+want+`]}`, string(sent))
	}
}

// TestTwoLocalizationsTakenForDuplicates: Meta may take two localizations of one
// item for a repetition. Nobody is then said to have succeeded until each was sent
// alone.
func TestTwoLocalizationsTakenForDuplicates(t *testing.T) {
	t.Parallel()
	simulated := metasim.New(sandbox.Options{LocalizedOnce: true, Delay: time.Hour})
	server := httptest.NewServer(simulated)
	defer server.Close()
	defer simulated.Close()
	for _, id := range []string{"A", "B"} {
		require.NoError(t, simulated.Apply("1", "HOTEL", &catalog.Mutation{ItemID: id, Operation: catalog.Create, Attributes: []byte(
			`{"name":"n","description":"d","address":{},"base_price":"1 USD","image":[{"url":"u"}],"latitude":"1","longitude":"1","url":"u"}`)}))
	}
	account, err := New(platform.Settings{
		Name: "acme", BaseURL: server.URL, HTTP: server.Client(), Token: tokenOf("t"),
		Catalogs: map[string]setting.Values{"main": {"catalog_id": "1", "endpoint": localizedBatchEdge}},
	})
	require.NoError(t, err)
	e, problem := account.Endpoint("main", "HOTEL")
	require.Nil(t, problem)
	deliver := func(mutations ...*catalog.Mutation) (posted, polled []platform.Verdict) {
		records := make([]catalog.Record, len(mutations))
		for i, m := range mutations {
			records[i] = catalog.Record{Key: m.Key(), Change: m.Change()}
		}
		submission, err := e.Submit(t.Context(), encode(t, e, mutations...), "", records)
		require.NoError(t, err)
		simulated.Settle()
		report, err := e.Poll(t.Context(), submission.Handles[0], "", records)
		require.NoError(t, err)
		require.Equal(t, platform.Finished, report.Progress)
		return submission.Verdicts, report.Verdicts
	}
	polish := localizedMutation("A", byLanguage, "pl_PL", catalog.Upsert, `{"name":"Hotel po polsku"}`)
	german := localizedMutation("A", byLanguage, "de_DE", catalog.Upsert, `{"name":"Hotel auf Deutsch"}`)
	other := localizedMutation("B", byLanguage, "pl_PL", catalog.Upsert, `{"name":"Hotel"}`)

	posted, polled := deliver(polish, german, other)
	for _, i := range []int{0, 1} {
		require.Equal(t, platform.Unknown, posted[i].Outcome)
		require.NotEmpty(t, posted[i].Errors, "doubt that stands whatever the status says")
	}
	require.Empty(t, posted[2].Errors)
	require.Equal(t, platform.Succeeded, polled[2].Outcome)

	for _, alone := range []*catalog.Mutation{polish, german} {
		posted, polled = deliver(alone)
		require.Empty(t, posted)
		require.Equal(t, platform.Succeeded, polled[0].Outcome)
	}
	items := simulated.Items("1", "HOTEL")
	require.JSONEq(t, `{"name":"Hotel po polsku"}`, items[sandbox.LocalizedID("A", polish.Localization)])
	require.JSONEq(t, `{"name":"Hotel auf Deutsch"}`, items[sandbox.LocalizedID("A", german.Localization)])
}
