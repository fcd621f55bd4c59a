package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/feed"
	"github.com/catalog-courier/catalog-courier/source/mapping"
)

func feedRecords(tb testing.TB, file string) (found []map[string]any) {
	tb.Helper()
	reader, err := feed.OpenFile("../feed/testdata/"+file, feed.Options{})
	require.NoError(tb, err)
	defer func() { require.NoError(tb, reader.Close()) }()
	for record, err := range reader.All(tb.Context()) {
		require.NoError(tb, err)
		found = append(found, record.Item)
	}
	require.NotEmpty(tb, found)
	return found
}

func attributesOf(tb testing.TB, item mapping.Item) (attributes map[string]any) {
	tb.Helper()
	require.NoError(tb, json.Unmarshal(item.Attributes, &attributes))
	return attributes
}

// TestStoreView: an export of Adobe Commerce, read by the feed reader, gives the values of one
// store view; blank ones are those of the default row, also inside additional_attributes.
func TestStoreView(t *testing.T) {
	t.Parallel()
	records := feedRecords(t, "adobe-store-views.csv")
	spec := mapping.Spec{Preset: "adobe", Currency: "EUR", Data: []byte("attributes:\n  link: {template: \"https://a.example/{sku}\"}\n  image_link: {template: \"https://a.example/{sku}.jpg\"}\n")}
	for view, want := range map[string]struct{ title, color string }{
		"":   {"Mug", "Blue"},
		"de": {"Tasse", "Blue"},
		"pl": {"Kubek", "Niebieski"},
		"PL": {"Kubek", "Niebieski"},
	} {
		spec.StoreView = view
		m, err := mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err)
		item, findings := m.Map(records[0])
		assert.Empty(t, findings, view)
		assert.Equal(t, "MUG 1", item.ID)
		got := attributesOf(t, item)
		assert.Equal(t, want.title, got["title"], view)
		assert.Equal(t, want.color, got["color"], view)
		assert.Equal(t, "10 EUR", got["price"], view)
		assert.Equal(t, "Mug", records[0]["name"], "the record is unchanged")
	}
	spec.StoreView = "de"
	m, err := mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	for _, each := range []struct {
		record   string
		title    string
		severity mapping.Severity
		field    string
	}{
		{`{"sku": "1", "name": "Mug", "price": "1", "description": "Blue", "store_views": {"de": {"name": "Tasse"}}}`, "Tasse", mapping.Warning, "description"},
		{`{"sku": "1", "name": "Mug", "price": "1", "store_views": {"fr": {"name": "Tasse"}}}`, "Mug", mapping.Warning, "store_view_code"},
		{`{"sku": "1", "name": "Mug", "price": "1"}`, "Mug", mapping.Warning, "store_view_code"},
		{`{"sku": "1", "name": "Mug", "price": "1", "store_view_code": "fr", "store_views": {"de": {"name": "Tasse"}}}`, "Mug", mapping.Error, "store_view_code"},
		{`{"sku": "1", "name": "Tasse", "price": "1", "store_view_code": "de"}`, "Tasse", "", ""},
		{`{"sku": "1", "name": "Mug", "price": "1", "description": "Blue", "store_views": {"de": {"price": "2"}}}`, "Mug", "", ""},
	} {
		item, findings := m.Map(decoded(t, each.record))
		assert.Equal(t, each.title, attributesOf(t, item)["title"], each.record)
		assert.Equal(t, "1", item.ID)
		if each.severity == "" {
			assert.Empty(t, findings, each.record)
			continue
		}
		require.Len(t, findings, 1, each.record)
		assert.Equal(t, mapping.KindView, findings[0].Kind)
		assert.Equal(t, each.severity, findings[0].Severity)
		assert.Equal(t, each.field, findings[0].Field)
	}
	spec.StoreView = ""
	m, err = mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	_, findings := m.Map(decoded(t, `{"sku": "1", "name": "Mug", "price": "1", "store_view_code": "fr"}`))
	require.Len(t, findings, 1, "no default row, and no store view chosen: languages may mix")
	assert.Equal(t, mapping.KindView, findings[0].Kind)

	// A filter sees the store view's values.
	spec.StoreView = "de"
	m, err = mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	item, _ := m.Map(decoded(t, `{"sku": "1", "name": "Mug", "price": "1", "product_online": "1", "store_views": {"de": {"product_online": "2"}}}`))
	assert.True(t, item.Skipped)
}

// TestStoreViewWithoutValue: a value that a store view empties is not inherited.
func TestStoreViewWithoutValue(t *testing.T) {
	t.Parallel()
	reader, err := feed.Open(strings.NewReader("sku,store_view_code,product_type,name,price,special_price\n1,,simple,Mug,10,8\n1,de,,Tasse,,__EMPTY__VALUE__\n1,fr,,Tasse,,\n"), feed.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	record, err := reader.Next()
	require.NoError(t, err)
	for view, want := range map[string]any{"de": nil, "fr": "8 EUR"} {
		m, err := mapping.Compile(mapping.Spec{Preset: "adobe", Currency: "EUR", StoreView: view}, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err)
		item, _ := m.Map(record.Item)
		assert.Equal(t, want, attributesOf(t, item)["sale_price"], view)
	}
}

// TestMarket: the price of a market is taken, never the shop's in another currency.
func TestMarket(t *testing.T) {
	t.Parallel()
	records := feedRecords(t, "shopify-new.csv")
	link := "attributes:\n  link: {template: \"https://a.example/{handle}\"}\n"
	for _, each := range []struct {
		market  string
		inherit bool
		price   [2]any
		sale    [2]any
		failed  [2]bool
	}{
		{"", false, [2]any{"25.00 EUR", "19.00 EUR"}, [2]any{"19.00 EUR", nil}, [2]bool{}},
		{"International", false, [2]any{"21.00 EUR", nil}, [2]any{}, [2]bool{false, true}},
		{"international", true, [2]any{"21.00 EUR", "19.00 EUR"}, [2]any{}, [2]bool{}},
		{"Nordics", false, [2]any{"219.00 EUR", nil}, [2]any{}, [2]bool{false, true}},
		{"Japan", false, [2]any{}, [2]any{}, [2]bool{true, true}},
	} {
		m, err := mapping.Compile(mapping.Spec{Preset: "shopify", Currency: "EUR", Market: each.market, InheritPrice: each.inherit, Data: []byte(link)}, target("pinterest/RETAIL"))
		require.NoError(t, err)
		for i, record := range records[:2] {
			item, findings := m.Map(record)
			got := attributesOf(t, item)
			assert.Equal(t, each.price[i], got["price"], "%s, variant %d", each.market, i)
			assert.Equal(t, each.sale[i], got["sale_price"], "%s, variant %d", each.market, i)
			if !each.failed[i] {
				assert.Empty(t, findings, each.market)
				continue
			}
			require.Len(t, findings, 1, each.market)
			assert.Equal(t, mapping.KindView, findings[0].Kind)
			assert.Equal(t, mapping.Error, findings[0].Severity)
			assert.Equal(t, "price", findings[0].Field)
		}
	}
	m, err := mapping.Compile(mapping.Spec{Preset: "shopify", Currency: "EUR", Market: "Germany", Data: []byte(link)}, target("pinterest/RETAIL"))
	require.NoError(t, err)
	item, findings := m.Map(decoded(t, `{"sku": "1", "price": "5", "markets": {"Germany": {"included": "FALSE", "price": "4"}}}`))
	assert.True(t, item.Skipped, "not sold in this market")
	assert.Empty(t, findings)
}

// TestLanguage: records of other languages do not belong to the destination, and one without
// a language is neither sent nor missing.
func TestLanguage(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Language: "de", Data: []byte("attributes: {title: title}")}, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	for _, each := range []struct {
		record          string
		skipped, failed bool
	}{
		{`{"id": "1", "language": "de"}`, false, false},
		{`{"id": "1", "lang": "DE_at"}`, false, false},
		{`{"id": "1", "locale": "de-CH"}`, false, false},
		{`{"id": "1", "content_language": "fr"}`, true, false},
		{`{"id": "1", "language": "den"}`, true, false},
		{`{"id": "1", "language": "d"}`, true, false},
		{`{"id": "1", "language": " "}`, false, true},
		{`{"id": "1"}`, false, true},
	} {
		item, findings := m.Map(decoded(t, each.record))
		assert.Equal(t, each.skipped, item.Skipped, each.record)
		assert.Equal(t, each.failed, len(findings) == 1 && findings[0].Severity == mapping.Error, each.record)
		assert.Equal(t, "1", item.ID)
	}
}

// TestViewSettings: a setting of the route wins over the file's, and each changes the
// revision.
func TestViewSettings(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, spec := range []mapping.Spec{
		{},
		{StoreView: "de"},
		{Market: "de"},
		{Language: "de"},
		{Market: "de", InheritPrice: true},
	} {
		spec.ItemID, spec.Data = "{id}", []byte("attributes: {title: title}")
		m, err := mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err)
		assert.False(t, seen[m.Revision()])
		seen[m.Revision()] = true
	}
	m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Language: "fr", Data: []byte("language: de\nattributes: {title: title}")}, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	item, _ := m.Map(decoded(t, `{"id": "1", "language": "fr"}`))
	assert.False(t, item.Skipped)
	for text, want := range map[string]string{
		"store_view: \"a b\"":        `shop.yaml:1: store_view: "a b" is not the code`,
		"market: \" x\"":             `shop.yaml:1: market: " x" is not the name`,
		"language: German":           `shop.yaml:1: language: "German" is not a language`,
		"inherit_price: true":        "set market too",
		"extends: adobe\nviews: [a]": "views: is not known here",
	} {
		_, err := mapping.Compile(mapping.Spec{File: "shop.yaml", Data: []byte(text)}, target("meta/PRODUCT_ITEM"))
		require.ErrorContains(t, err, want, text)
	}
}
