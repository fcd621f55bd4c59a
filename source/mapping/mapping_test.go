package mapping_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/source/mapping"
)

func compiled(tb testing.TB, text string) *mapping.Mapping {
	tb.Helper()
	m, err := mapping.Compile(mapping.Spec{File: "shop.yaml", Data: []byte(text)}, target("meta/PRODUCT_ITEM"))
	require.NoError(tb, err)
	return m
}

// TestProblems: all mistakes at once, each with file, line and key.
func TestProblems(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile(mapping.Spec{File: "shop.yaml", Line: 10, Data: []byte(`item_id: "same"
currency: PK
decimal: dot
zone: Warsaw
filter: price >
jq: .a |
attribute: {}
attributes:
  title: {cut: 10}
  price: {from: price, template: "{x}"}
  brand: {template: "{brand"}
  color: {from: color, case: camel}
  size: {from: "a..b"}
  gtin: {from: gtin, replace: {pattern: "(", with: ""}}
  mpn: {from: mpn, most: 0}
  sale_price: {from: sale_price, below: prise}
  link: {jq: now}
  brand: brand
`)}, target("meta/PRODUCT_ITEM"))
	var problems mapping.Problems
	require.ErrorAs(t, err, &problems)
	for _, want := range []string{
		`shop.yaml:11: item_id: "same" has no placeholder`,
		`shop.yaml:12: currency: "PK"`,
		`shop.yaml:13: decimal: "dot" must be point or comma`,
		`shop.yaml:14: zone: "Warsaw"`,
		`shop.yaml:15: filter: not a CEL expression`,
		`shop.yaml:16: jq: not a jq program`,
		`shop.yaml:17: attribute: is not known here: use extends`,
		`shop.yaml:19: attributes.title: has no source`,
		`shop.yaml:20: attributes.price: has several sources`,
		`shop.yaml:21: attributes.brand.template: the template "{brand" has a { without its }`,
		`shop.yaml:22: attributes.color.case: "camel" must be one of`,
		`shop.yaml:23: attributes.size.from: "a..b" is not a path`,
		`shop.yaml:24: attributes.gtin.replace.pattern: "(" is not a regular expression`,
		`shop.yaml:25: attributes.mpn.most: "0" must be a whole number`,
		`attributes.sale_price.below: there is no attribute "prise"`,
		`shop.yaml:27: attributes.link.jq: not a jq program that can be run here: now is not available`,
		`shop.yaml:28: attributes.brand: is set twice`,
	} {
		assert.Contains(t, err.Error(), want)
	}
	for text, want := range map[string]string{
		"a: [":                      "shop.yaml:1: not YAML",
		"extends: magento":          `there is no preset "magento": use adobe, google`,
		"extends: shopify\n- x":     "not YAML",
		"item_id: \"{id}\"":         "has no attributes",
		"attributes: {title: name}": "a template of the item ids is required",
	} {
		_, err := mapping.Compile(mapping.Spec{File: "shop.yaml", Data: []byte(text)}, target("meta/PRODUCT_ITEM"))
		require.ErrorContains(t, err, want, text)
	}
	_, err = mapping.Compile(mapping.Spec{Preset: "google"}, target("meta/HOTEL"))
	require.ErrorContains(t, err, "the preset google cannot fill meta/HOTEL: it fills meta/PRODUCT_ITEM")
}

// TestRevision changes with all that changes the output, and with nothing of the record.
func TestRevision(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for i, spec := range []mapping.Spec{
		{Preset: "google"},
		{Preset: "pinterest"},
		{Preset: "google", Currency: "EUR"},
		{Preset: "google", Decimal: "comma"},
		{Preset: "google", Zone: "UTC"},
		{Preset: "google", Filter: "true"},
		{Preset: "google", ItemID: "{sku}"},
		{Preset: "google", Group: "parent"},
		{Preset: "google", Data: []byte("attributes: {brand: null}")},
	} {
		for _, to := range []string{"meta/PRODUCT_ITEM", "pinterest/RETAIL"} {
			m, err := mapping.Compile(spec, target(to))
			require.NoError(t, err)
			again, err := mapping.Compile(spec, target(to))
			require.NoError(t, err)
			assert.Equal(t, m.Revision(), again.Revision())
			other, known := seen[m.Revision()]
			assert.Falsef(t, known, "specs %d and %d share a revision", other, i)
			seen[m.Revision()] = i
		}
	}
}

// TestFilters: a field that is missing is null; what cannot be decided is a finding and
// does not make the item missing.
func TestFilters(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		filter, record string
		skipped        bool
		finding        string
	}{
		{`availability != "discontinued"`, `{}`, false, ""},
		{`availability != "discontinued"`, `{"availability": "discontinued"}`, true, ""},
		{`availability == null`, `{}`, false, ""},
		{`number(price) >= 10.0`, `{"price": "9.50"}`, true, ""},
		{`number(price) >= 10`, `{"price": 10}`, false, ""},
		{`number(price) >= 10`, `{"price": "ten"}`, false, mapping.KindFilter},
		{`number(price) >= 10`, `{}`, true, ""},
		{`has(record.brand) && brand == "Acme"`, `{"brand": "Acme"}`, false, ""},
		{`has(record.brand)`, `{}`, true, ""},
		{`record["custom label"] == "x"`, `{"custom label": "x"}`, false, ""},
		{`type == "simple"`, `{"type": "simple"}`, false, ""},
		{`tags.exists(t, t == "sale")`, `{"tags": ["new", "sale"]}`, false, ""},
		{`title.startsWith("A")`, `{"title": "Apple"}`, false, ""},
		{`title.startsWith("A")`, `{}`, false, mapping.KindFilter},
		{`price < 10`, `{"price": "9"}`, false, mapping.KindFilter},
		{`quantity`, `{"quantity": "3"}`, false, mapping.KindFilter},
		{`tags.all(a, tags.all(b, tags.all(c, a + b + c != "")))`, `{"tags": [` + strings.Repeat(`"x",`, 199) + `"x"]}`, false, mapping.KindFilter},
	} {
		m, err := mapping.Compile(mapping.Spec{Data: []byte("attributes: {brand: brand}"), ItemID: "{id}", Filter: each.filter}, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err, each.filter)
		record := decoded(t, each.record)
		record["id"] = "1"
		item, findings := m.Map(record)
		assert.Equal(t, each.skipped, item.Skipped, "%s of %s", each.filter, each.record)
		assert.Equal(t, "1", item.ID)
		if each.finding == "" {
			assert.Empty(t, findings, each.filter)
			continue
		}
		require.Len(t, findings, 1, each.filter)
		assert.Equal(t, each.finding, findings[0].Kind)
		assert.Equal(t, mapping.Error, findings[0].Severity)
	}
}

func decoded(tb testing.TB, text string) (record map[string]any) {
	tb.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(tb, decoder.Decode(&record))
	return record
}

// TestNoDollars: whatever rule makes a price, it is not sent without a currency, which
// Pinterest would take for dollars.
func TestNoDollars(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{
		"attributes: {price: price}", `attributes: {price: {template: "{price}"}}`, "attributes: {price: {from: price, as: number}}",
		"attributes: {price: {from: price, as: json}}", "attributes: {price: {jq: .price}}", "jq: '{price: .price}'", "attributes: {price: {constant: 9.99}}",
		"attributes: {price: {from: price, as: price}}", `attributes: {price: {from: price, replace: {pattern: "9", with: "8"}}}`,
	} {
		for _, value := range []string{`"19.99"`, `19.99`} {
			record := decoded(t, `{"id": "1", "price": `+value+`}`)
			m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Data: []byte(rule)}, target("pinterest/RETAIL"))
			require.NoError(t, err)
			item, findings := m.Map(record)
			require.Len(t, findings, 1, rule)
			assert.Equal(t, mapping.KindCurrency, findings[0].Kind)
			assert.Equal(t, mapping.Error, findings[0].Severity)
			assert.Equal(t, `{}`, string(item.Attributes))

			m, err = mapping.Compile(mapping.Spec{ItemID: "{id}", Currency: "EUR", Data: []byte(rule)}, target("pinterest/RETAIL"))
			require.NoError(t, err)
			item, findings = m.Map(record)
			assert.Empty(t, findings, rule)
			assert.Regexp(t, `^\{"price":"[0-9.]+ EUR"\}$`, string(item.Attributes))
		}
	}
}

// TestNUL: JSON can hold the character, and Postgres cannot: one such text must not stop all
// the items of a shop.
func TestNUL(t *testing.T) {
	t.Parallel()
	m := compiled(t, `item_id: "{id}"
group: group
attributes: {title: title, price: {constant: 5 EUR}}
`)
	item, findings := m.Map(map[string]any{"id": "1", "group": "g\x00", "title": "a\x00b"})
	require.Empty(t, findings)
	require.Equal(t, "g\uFFFD", item.Group)
	require.JSONEq(t, `{"title": "a\uFFFDb", "price": "5 EUR"}`, string(item.Attributes))

	item, findings = m.Map(map[string]any{"id": "1\x00", "title": "a"})
	require.Empty(t, item.ID)
	require.Len(t, findings, 1)
	require.Equal(t, mapping.KindItemID, findings[0].Kind)
	require.Equal(t, mapping.Error, findings[0].Severity)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m := compiled(t, "item_id: \"{id}\"\nattributes:\n  title: name\n  price: {from: price, as: price}\n")
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	_, err := m.Check(dir)
	require.ErrorContains(t, err, "has no samples")
	write("good.input.json", `{"id": "1", "name": "Mug", "price": "5 EUR"}`)
	_, err = m.Check(dir)
	require.ErrorContains(t, err, "good.input.json has no good.expected.json")
	write("good.expected.json", `{"item_id": "1", "attributes": {"title": "Mug", "price": "5 EUR"}}`)
	write("more.yaml", `- name: wrong price
  input: {id: 2, name: Cup, price: 7 USD}
  expected: {item_id: "2", group: g, attributes: {title: Cup, price: 7 EUR, brand: Acme}}
- name: bare price
  input: {id: "3", name: Cup, price: 7}
  expected: {item_id: "3", findings: [{kind: CURRENCY, field: price}]}
- name: unexpected error
  input: {id: "4", price: 7}
  expected: {item_id: "4"}
`)
	outcomes, err := m.Check(dir)
	require.NoError(t, err)
	require.Len(t, outcomes, 4)
	assert.Empty(t, outcomes[0].Differences)
	assert.Equal(t, "more: wrong price", outcomes[1].Name)
	assert.Equal(t, []string{
		`group: expected "g", got ""`,
		`attributes.brand: expected "Acme", got nothing`,
		`attributes.price: expected "7 EUR", got "7 USD"`,
	}, outcomes[1].Differences)
	assert.Empty(t, outcomes[2].Differences)
	require.Len(t, outcomes[3].Differences, 1)
	assert.Contains(t, outcomes[3].Differences[0], "findings: not expected: error CURRENCY of price")
	write("typo.expected.json", `{"item": "1"}`)
	write("typo.input.json", `{}`)
	_, err = m.Check(dir)
	require.ErrorContains(t, err, `unknown field "item"`)
}

// anything is a value as readers and webhooks give them.
func anything() *rapid.Generator[any] {
	return rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(rapid.SampledFrom([]string{"", " ", "1.234", "15.00 USD", "in stock", "https://a.example/a,b.jpg", "<p>x", "US:CA::5 EUR", "2026-01-01/2026-02-01", "\xff", "a/b", "\x00\u2028"}), func(s string) any { return s }),
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.SampledFrom([]json.Number{"0", "-1", "1e400", "12345678901234567890", "1.5", ""}), func(n json.Number) any { return n }),
			rapid.Just[any](nil),
			rapid.Map(rapid.SliceOfN(anything(), 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom(names), anything(), 0, 3), func(m map[string]any) any { return m }),
		)
	})
}

var names = []string{
	"id", "sku", "title", "name", "price", "sale_price", "compare_at_price", "regular_price", "availability", "in_stock", "inventory_quantity", "image", "image_link", "images",
	"additional_image_link", "shipping", "address", "url", "value", "tag", "tags", "guest_rating", "attributes", "options", "option", "sale_price_effective_date",
	"date_on_sale_from", "mileage", "custom_number_0", "latitude", "type", "status", "description", "link", "categories", "qty", "manage_stock", "hotel_id", "vehicle_id",
	"neighborhood", "country", "service", "main_image", "condition", "item_group_id",
}

// TestAnyRecord: whatever the record, each preset gives valid JSON, the same each time, and
// leaves the record as it was.
func TestAnyRecord(t *testing.T) {
	t.Parallel()
	var mappings []*mapping.Mapping
	for _, preset := range mapping.Presets() {
		for _, to := range mapping.Fills(preset) {
			m, err := mapping.Compile(mapping.Spec{Preset: preset, Currency: "EUR", Zone: "UTC", Filter: "true"}, target(to))
			require.NoError(t, err)
			mappings = append(mappings, m)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.MapOfN(rapid.SampledFrom(names), anything(), 0, 20).Draw(t, "record")
		before := fmt.Sprintf("%#v", record)
		m := rapid.SampledFrom(mappings).Draw(t, "mapping")
		item, findings := m.Map(record)
		again, same := m.Map(record)
		assert.Equal(t, item, again)
		assert.Equal(t, findings, same)
		assert.Equal(t, before, fmt.Sprintf("%#v", record))
		if !item.Skipped && !json.Valid(item.Attributes) && item.Attributes != nil {
			t.Fatalf("not JSON: %s", item.Attributes)
		}
		if item.ID == "" {
			assert.NotEmpty(t, findings)
		}
	})
}

// TestZeros: Postgres takes no zeros, so that none leaves a mapping; an id that has lost a
// character may be that of another item.
func TestZeros(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(mapping.Spec{ItemID: "{id}", Group: "group", Data: []byte(
		"attributes: {title: title}\njq: '{(.name // \"color\"): .color}'")}, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	item, findings := m.Map(map[string]any{"id": "1", "group": "a\x00b", "title": "c\x00d", "name": "e\x00f", "color": "g\x00"})
	require.Empty(t, findings)
	require.Equal(t, "a\uFFFDb", item.Group)
	require.JSONEq(t, "{\"e\uFFFDf\":\"g\uFFFD\",\"title\":\"c\uFFFDd\"}", string(item.Attributes))
	for _, id := range []string{"a\x00b", "a\xffb", "a\uFFFDb"} {
		item, findings := m.Map(map[string]any{"id": id, "title": "T"})
		require.Empty(t, item.ID, "%q", id)
		require.Equal(t, mapping.KindItemID, findings[0].Kind)
		require.Equal(t, mapping.Error, findings[0].Severity)
	}
}

// BenchmarkMap: rules alone (google), filters and conditions (shopify), and two jq programs
// beside them (woocommerce).
func BenchmarkMap(b *testing.B) {
	for _, name := range []string{"google", "shopify", "adobe", "woocommerce"} {
		b.Run(name, func(b *testing.B) {
			given := readRecords(b, "testdata/records/"+name+"-products.json")
			m, err := mapping.Compile(mapping.Spec{Data: []byte(given.Mapping)}, target("meta/PRODUCT_ITEM"))
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				m.Map(given.Records[0])
			}
		})
	}
}

// TestNumbersInFilters: feeds hold prices with their currency.
func TestNumbersInFilters(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(mapping.Spec{Preset: "google", Filter: `number(price) >= 10.0`}, target("meta/PRODUCT_ITEM"))
	require.NoError(t, err)
	for price, want := range map[any]string{
		"24.00 EUR": "in", "9,99 €": "out", "9.99": "out", "10": "in", "1.234,56 EUR": "in", "": "out", json.Number("12"): "in",
		"1.234 EUR": "undecided", "free": "undecided", nil: "out", "-5": "out", "1e3": "in", "+12": "in", "1.234": "out",
		"nan": "undecided", "NaN": "undecided", "inf": "undecided", "-Inf": "undecided", "Infinity": "undecided", "0x1p9": "undecided", "1_000": "undecided",
		"1e999": "undecided", "12 XXX": "undecided",
	} {
		item, findings := m.Map(map[string]any{"id": "1", "price": price})
		got := "in"
		if item.Skipped {
			got = "out"
		}
		for _, finding := range findings {
			if finding.Kind == mapping.KindFilter {
				got = "undecided"
			}
		}
		require.Equal(t, want, got, "%v", price)
		require.Equal(t, "1", item.ID, "%v", price)
	}
}

// TestDecimalInFilters: a filter reads a price as the mapping does.
func TestDecimalInFilters(t *testing.T) {
	t.Parallel()
	for _, spec := range []mapping.Spec{
		{Preset: "google", Decimal: "comma", Filter: `number(price) >= 1000.0`},
		{Data: []byte("extends: google\nfilter: number(price) >= 1000.0\ndecimal: comma")},
		{Data: []byte("extends: google\ndecimal: comma\nattributes: {brand: {constant: dear, when: number(price) >= 1000.0}}")},
	} {
		m, err := mapping.Compile(spec, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err)
		for price, want := range map[any]bool{
			"1.234": true, "2.500 EUR": true, "1,234": false, "10.50": false, "1.5 EUR": false, "1,050.50 EUR": true, "-1.234": false,
			json.Number("1.234"): false, "1200": true,
		} {
			item, findings := m.Map(map[string]any{"id": "1", "price": price})
			for _, finding := range findings {
				require.NotContains(t, []string{mapping.KindFilter, mapping.KindCondition}, finding.Kind, "%v", price)
			}
			got := !item.Skipped
			if spec.Filter == "" && len(item.Attributes) > 0 && strings.Contains(string(spec.Data), "brand") {
				got = strings.Contains(string(item.Attributes), "dear")
			}
			require.Equal(t, want, got, "%v", price)
		}
	}
}

// TestOwnWords are added to those of the preset and win over them.
func TestOwnWords(t *testing.T) {
	t.Parallel()
	availability := func(rule, word string) string {
		m, err := mapping.Compile(mapping.Spec{Preset: "google", Data: []byte("attributes: {availability: " + rule + "}")}, target("meta/PRODUCT_ITEM"))
		require.NoError(t, err)
		item, _ := m.Map(map[string]any{"id": "1", "availability": word})
		text, _ := attributesOf(t, item)["availability"].(string)
		return text
	}
	const own = "{values: {auf Lager: in stock, Back_Order: out of stock}}"
	require.Equal(t, "in stock", availability(own, "auf lager"))
	require.Equal(t, "in stock", availability(own, "in_stock"))
	require.Equal(t, "available for order", availability(own, "backorder"), "another word of the preset")
	require.Equal(t, "out of stock", availability(own, "back order"))
	require.Equal(t, "in stock", availability("availability", "in stock"))
	const whole = "{from: availability, values: {auf Lager: in stock}}"
	require.Equal(t, "in stock", availability(whole, "auf lager"))
	require.Empty(t, availability(whole, "in_stock"), "a rule with a source is not the preset's")
}
