package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/mapping"
)

// base is a product that has all that both platforms require.
const base = `"id": "1", "title": "Mug", "description": "A mug", "link": "https://a.example/1", "image_link": "https://a.example/1.jpg", "availability": "in stock", "condition": "new", "price": "15.00 EUR"`

// TestTranslations: what a value of a feed becomes on each platform, and what is a finding
// instead of a guess. A want of "" is an attribute that is not sent; a finding "kind!" is an
// error, "kind?" a warning.
func TestTranslations(t *testing.T) {
	t.Parallel()
	const meta, pinterest = "meta/PRODUCT_ITEM", "pinterest/RETAIL"
	long := strings.Repeat("9", 40)
	for _, each := range []struct {
		spec    mapping.Spec
		to      string
		field   string
		value   string // JSON
		want    any
		finding string
	}{
		// Prices.
		{mapping.Spec{}, pinterest, "price", `"1.234,56 EUR"`, "1234.56 EUR", ""},
		{mapping.Spec{}, pinterest, "price", `"24.99USD"`, "24.99 USD", ""},
		{mapping.Spec{}, pinterest, "price", `"1,234 EUR"`, nil, "PRICE!"},
		{mapping.Spec{Decimal: "comma"}, pinterest, "price", `"1,234 EUR"`, "1.234 EUR", ""},
		{mapping.Spec{Decimal: "point"}, pinterest, "price", `"1,234 EUR"`, "1234 EUR", ""},
		{mapping.Spec{}, pinterest, "price", `"24.99"`, nil, "CURRENCY!"},
		{mapping.Spec{}, pinterest, "price", `24.99`, nil, "CURRENCY!"},
		{mapping.Spec{}, pinterest, "price", `"$24.99"`, nil, "CURRENCY!"},
		{mapping.Spec{Currency: "EUR"}, pinterest, "price", `"$24.99"`, nil, "CURRENCY!"},
		{mapping.Spec{Currency: "PLN"}, pinterest, "price", `24.99`, "24.99 PLN", ""},
		{mapping.Spec{}, pinterest, "price", `"0 EUR"`, "0 EUR", ""},
		{mapping.Spec{}, pinterest, "price", `"free"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"15,- EUR"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"10.00 EUR - 20.00 EUR"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"2.5E+3 EUR"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"15.00 EUR / 17.00 USD"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `["15.00 EUR", "17.00 USD"]`, "15.00 EUR", "SEVERAL?"},
		{mapping.Spec{}, pinterest, "price", `{"amount": "15.00", "currency": "EUR"}`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"` + long + ` EUR"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "price", `"１５.00 EUR"`, nil, "PRICE!"},
		{mapping.Spec{}, pinterest, "free_shipping_limit", `"35.00"`, nil, "CURRENCY!"},
		{mapping.Spec{}, pinterest, "min_ad_price", `"3"`, nil, "CURRENCY!"},
		{mapping.Spec{}, pinterest, "sale_price", `"12.00"`, nil, "CURRENCY!"},
		{mapping.Spec{}, pinterest, "sale_price", `"12.00 USD"`, "12.00 USD", "PRICE!"},
		{mapping.Spec{}, meta, "sale_price", `"15.00 EUR"`, nil, ""},
		{mapping.Spec{}, meta, "sale_price", `"15.50 EUR"`, nil, "PRICE?"},
		{mapping.Spec{}, meta, "sale_price", `"0.00 EUR"`, nil, "PRICE?"},
		{mapping.Spec{}, meta, "sale_price", `"0.0000"`, nil, ""},
		{mapping.Spec{}, meta, "sale_price", `"14.99 EUR"`, "14.99 EUR", ""},
		{mapping.Spec{}, meta, "sale_price", `"9 EUR"`, "9 EUR", ""},

		// Sale windows.
		{mapping.Spec{}, meta, "sale_price_effective_date", `"2026-11-27T00:00-0500/2026-11-30T23:59-0500"`, "2026-11-27T00:00:00-05:00/2026-11-30T23:59:00-05:00", ""},
		{mapping.Spec{}, meta, "sale_price_effective_date", `"2026-11-27T00:00:00.000Z / 2026-11-30T24:00Z"`, "2026-11-27T00:00:00Z/2026-12-01T00:00:00Z", ""},
		{mapping.Spec{}, meta, "sale_price_effective_date", `"2026-11-27/2026-11-30"`, nil, "WINDOW!"},
		{mapping.Spec{Zone: "Europe/Warsaw"}, meta, "sale_price_effective_date", `"2026-10-24/2026-10-25"`, "2026-10-24T00:00:00+02:00/2026-10-25T23:59:59+01:00", ""},
		{mapping.Spec{Zone: "UTC"}, meta, "sale_price_effective_date", `"27.11.2026/30.11.2026"`, nil, "WINDOW!"},
		{mapping.Spec{Zone: "UTC"}, meta, "sale_price_effective_date", `"11/27/26/11/30/26"`, nil, "WINDOW!"},
		{mapping.Spec{Zone: "UTC"}, meta, "sale_price_effective_date", `"2026-02-29/2026-03-01"`, nil, "WINDOW!"},
		{mapping.Spec{Zone: "UTC"}, meta, "sale_price_effective_date", `"2026-13-01/2026-14-01"`, nil, "WINDOW!"},
		{mapping.Spec{}, meta, "sale_price_effective_date", `"2026-11-30T00:00Z/2026-11-27T00:00Z"`, nil, "WINDOW!"},
		{mapping.Spec{}, meta, "sale_price_effective_date", `"/"`, nil, "WINDOW!"},
		{mapping.Spec{}, meta, "sale_price_effective_date", `"2026-11-27T00:00+99:00/2026-11-30T00:00Z"`, nil, "WINDOW!"},

		// Availability of all worlds.
		{mapping.Spec{}, meta, "availability", `"in_stock"`, "in stock", ""},
		{mapping.Spec{}, meta, "availability", `"IN-STOCK"`, "in stock", ""},
		{mapping.Spec{}, meta, "availability", `"in\u00a0stock"`, "in stock", ""},
		{mapping.Spec{}, meta, "availability", `"https://schema.org/InStock"`, "in stock", ""},
		{mapping.Spec{}, meta, "availability", `"http://schema.org/LimitedAvailability"`, "in stock", ""},
		{mapping.Spec{}, meta, "availability", `"https://schema.org/MadeToOrder"`, "available for order", ""},
		{mapping.Spec{}, pinterest, "availability", `"https://schema.org/PreSale"`, "preorder", ""},
		{mapping.Spec{}, meta, "availability", `"backorder"`, "available for order", ""},
		{mapping.Spec{}, pinterest, "availability", `"backorder"`, "preorder", ""},
		{mapping.Spec{}, pinterest, "availability", `"available for order"`, "preorder", ""},
		{mapping.Spec{}, meta, "availability", `"discontinued"`, "discontinued", ""},
		{mapping.Spec{}, pinterest, "availability", `"discontinued"`, "out of stock", ""},
		{mapping.Spec{}, pinterest, "availability", `"mark_as_sold"`, "out of stock", ""},
		{mapping.Spec{}, pinterest, "availability", `"SoldOut"`, "out of stock", ""},
		{mapping.Spec{}, pinterest, "availability", `"Pre-Order"`, "preorder", ""},
		{mapping.Spec{}, pinterest, "availability", `"5"`, nil, "VALUE!"},
		{mapping.Spec{}, pinterest, "availability", `true`, nil, "VALUE!"},
		{mapping.Spec{}, pinterest, "availability", `""`, nil, "MISSING!"},

		// Words.
		{mapping.Spec{}, meta, "condition", `"used_good"`, "used_good", ""},
		{mapping.Spec{}, pinterest, "condition", `"Used - Good"`, "used", ""},
		{mapping.Spec{}, meta, "condition", `"https://schema.org/RefurbishedCondition"`, "refurbished", ""},
		{mapping.Spec{}, meta, "condition", `"mint"`, nil, "VALUE!"},
		{mapping.Spec{}, pinterest, "condition", `"mint"`, nil, "VALUE?"},
		{mapping.Spec{}, pinterest, "gender", `"Women's"`, "female", ""},
		{mapping.Spec{}, pinterest, "gender", `"M"`, "male", ""},
		{mapping.Spec{}, pinterest, "gender", `"Damen"`, nil, "VALUE?"},
		{mapping.Spec{}, pinterest, "age_group", `"Adults"`, "adult", ""},
		{mapping.Spec{}, pinterest, "age_group", `"teen"`, nil, "VALUE?"},
		{mapping.Spec{}, pinterest, "adult", `"YES"`, true, ""},
		{mapping.Spec{}, pinterest, "adult", `"0"`, false, ""},
		{mapping.Spec{}, pinterest, "adult", `false`, false, ""},
		{mapping.Spec{}, pinterest, "adult", `"maybe"`, nil, "NUMBER?"},

		// Barcodes.
		{mapping.Spec{}, meta, "gtin", `"00012345600012"`, "00012345600012", ""},
		{mapping.Spec{}, meta, "gtin", `4006381333931`, "4006381333931", ""},
		{mapping.Spec{}, meta, "gtin", `"'0012345678905"`, "0012345678905", ""},
		{mapping.Spec{}, meta, "gtin", `"=\"0012345678905\""`, "0012345678905", ""},
		{mapping.Spec{}, meta, "gtin", `"978-3-16-148410-0"`, "9783161484100", ""},
		{mapping.Spec{}, meta, "gtin", `"0 80442 95767 4"`, "080442957674", ""},
		{mapping.Spec{}, meta, "gtin", `"030640615X"`, "030640615X", ""},
		{mapping.Spec{}, meta, "gtin", `"4006381333931.0"`, "4006381333931", ""},
		{mapping.Spec{}, meta, "gtin", `"6,12E+12"`, nil, "NUMBER?"},
		{mapping.Spec{}, meta, "gtin", `"6.12E+12"`, nil, "NUMBER?"},
		{mapping.Spec{}, meta, "gtin", `6.12E+12`, nil, "NUMBER?"},
		{mapping.Spec{}, meta, "gtin", `"6.12e12"`, nil, "NUMBER?"},
		{mapping.Spec{}, meta, "gtin", `"does not apply"`, nil, "NUMBER?"},
		{mapping.Spec{}, meta, "gtin", `"0000000000000"`, nil, ""},

		// Ids.
		{mapping.Spec{}, meta, "id", `"00123"`, "00123", ""},
		{mapping.Spec{}, meta, "id", `"  MUG 1 ł/ü "`, "MUG 1 ł/ü", ""},
		{mapping.Spec{}, meta, "id", `12345678901234567890`, "12345678901234567890", ""},
		{mapping.Spec{}, meta, "id", `"12E4"`, "12E4", ""},
		{mapping.Spec{}, meta, "id", `"1.23E+12"`, "", "ITEM_ID!"},
		{mapping.Spec{}, meta, "id", `"1,23E+12"`, "", "ITEM_ID!"},
		{mapping.Spec{}, meta, "id", `1.23e12`, "", "ITEM_ID!"},
		{mapping.Spec{ItemID: "{id}-{sku}"}, meta, "sku", `"5E+05"`, "", "ITEM_ID!"},
		{mapping.Spec{}, meta, "id", `" "`, "", "ITEM_ID!"},
		{mapping.Spec{}, meta, "id", `["1", "2"]`, "", "ITEM_ID!"},
		{mapping.Spec{}, meta, "item_group_id", `" G 1 "`, "G 1", ""},
		{mapping.Spec{}, meta, "item_group_id", `77`, "77", ""},

		// Pictures and other lists.
		{mapping.Spec{}, meta, "additional_image_link", `"https://a.example/2.jpg, https://a.example/3,4.jpg"`, []any{"https://a.example/2.jpg", "https://a.example/3,4.jpg"}, ""},
		{mapping.Spec{}, meta, "additional_image_link", `["https://a.example/2.jpg", "https://a.example/1.jpg", " "]`, []any{"https://a.example/2.jpg"}, ""},
		{mapping.Spec{}, meta, "additional_image_link", `"https://a.example/1.jpg"`, nil, ""},
		{mapping.Spec{}, meta, "image_link", `["https://a.example/9.jpg", "https://a.example/8.jpg"]`, "https://a.example/9.jpg", ""},
		{mapping.Spec{}, meta, "google_product_category", `187`, "187", ""},
		{mapping.Spec{}, meta, "google_product_category", `"Apparel & Accessories > Shoes"`, "Apparel & Accessories > Shoes", ""},
		{mapping.Spec{}, meta, "product_type", `["A > B", "C"]`, "A > B", ""},
		{mapping.Spec{}, meta, "title", `"&lt;b&gt;Caf&eacute;&lt;/b&gt; <i>x</i>"`, "<b>Café</b> x", ""},

		// Shipping.
		{mapping.Spec{}, pinterest, "shipping", `"US:::0.00 USD"`, "US:::0.00 USD", ""},
		{mapping.Spec{}, pinterest, "shipping", `"DE::DHL:4,99 EUR,AT::DHL:9,99 EUR"`, "DE::DHL:4.99 EUR", "SEVERAL?"},
		{mapping.Spec{}, pinterest, "shipping", `"US:CA:Overnight:16.00 USD:1:1:2:3"`, "US:CA:Overnight:16.00 USD", ""},
		{mapping.Spec{}, pinterest, "shipping", `"US:::5.00"`, nil, "SHIPPING?"},
		{mapping.Spec{}, pinterest, "shipping", `"5.00 USD"`, nil, "SHIPPING?"},
		{mapping.Spec{}, pinterest, "shipping", `[{"country": "US", "price": "5.00"}]`, nil, "SHIPPING?"},
	} {
		each.spec.Preset = "pinterest"
		if each.to == meta {
			each.spec.Preset = "google"
		}
		m, err := mapping.Compile(each.spec, target(each.to))
		require.NoError(t, err)
		record := decoded(t, "{"+base+"}")
		record["sku"] = "S"
		record[each.field] = decoded(t, `{"v": `+each.value+`}`)["v"]
		item, findings := m.Map(record)
		name := each.to + " " + each.field + " " + each.value
		switch each.field {
		case "id", "sku":
			assert.Equal(t, each.want, item.ID, name)
		default:
			assert.Equal(t, each.want, attributesOf(t, item)[each.field], name)
		}
		got := make([]string, len(findings))
		for i, f := range findings {
			got[i] = f.Kind + map[mapping.Severity]string{mapping.Error: "!", mapping.Warning: "?"}[f.Severity]
		}
		assert.Equal(t, each.finding, strings.Join(got, " "), "%s: %v", name, findings)
	}
}

// TestMinorPrices: a price in the smallest unit, which differs between currencies.
func TestMinorPrices(t *testing.T) {
	t.Parallel()
	m := compiled(t, `{item_id: "{id}", currency: EUR, attributes: {price: {from: [cents, jq], as: minor_price}, base_price: {jq: .cents, as: minor_price}, downpayment: {jq: .cents / 8, as: price}, custom: {jq: .tags | length}, list: {jq: "[.tags[] | length]", as: list}}}`)
	for value, want := range map[string]string{
		`1999`: "19.99 EUR", `"1999"`: "19.99 EUR", `5`: "0.05 EUR", `"1999 JPY"`: "1999 JPY", `"1999 KWD"`: "1.999 KWD", `0`: "0.00 EUR",
		`"19.99"`: "", `"-5"`: "", `"1,999"`: "19.99 EUR", `19.99`: "",
	} {
		item, findings := m.Map(decoded(t, `{"id": "1", "cents": `+value+`}`))
		got := attributesOf(t, item)
		if want == "" {
			assert.Nil(t, got["price"], value)
			assert.NotEmpty(t, findings)
			continue
		}
		assert.Equal(t, want, got["price"], value)
		assert.Equal(t, want, got["base_price"], "%s by jq", value)
	}
	// Numbers of jq are numbers.
	item, findings := m.Map(decoded(t, `{"id": "1", "cents": 1999, "tags": ["ab", "c"]}`))
	assert.Empty(t, findings)
	assert.Equal(t, map[string]any{"price": "19.99 EUR", "base_price": "19.99 EUR", "downpayment": "249.875 EUR", "custom": "2", "list": []any{"2", "1"}}, attributesOf(t, item))
}

// TestFindingsAreFew: many wrong elements of one attribute are one finding with a count, so
// that a feed in which every item has them costs little.
func TestFindingsAreFew(t *testing.T) { //nolint:paralleltest // it counts allocations
	m := compiled(t, `{item_id: "{id}", attributes: {image: {from: image, object: {size: {from: size, as: number}, kind: {from: kind, values: {a: b}}}}}}`)
	elements := strings.Repeat(`{"size": "large", "kind": "x"},`, 499) + `{"size": "large", "kind": "x"}`
	_, findings := m.Map(decoded(t, `{"id": "1", "image": [`+elements+`]}`))
	require.Len(t, findings, 2)
	assert.Equal(t, 499, findings[0].More)
	assert.Equal(t, 499, findings[1].More)

	m, err := mapping.Compile(mapping.Spec{Preset: "google"}, target("pinterest/RETAIL"))
	require.NoError(t, err)
	record := readRecords(t, "testdata/records/google-products.json").Records[0]
	without := testing.AllocsPerRun(100, func() { m.Map(record) })
	record["shipping"] = record["shipping"].([]any)[:1]
	assert.LessOrEqual(t, without-testing.AllocsPerRun(100, func() { m.Map(record) }), 4.0, "a warning about shipping")
}
