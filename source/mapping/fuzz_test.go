package mapping_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/mapping"
)

// everyMapping is each preset for each destination, and one with each kind of rule.
func everyMapping(tb testing.TB) (found []*mapping.Mapping) {
	tb.Helper()
	for _, preset := range mapping.Presets() {
		for _, to := range mapping.Fills(preset) {
			m, err := mapping.Compile(mapping.Spec{Preset: preset, Currency: "EUR", Zone: "UTC"}, target(to))
			require.NoError(tb, err)
			found = append(found, m)
		}
	}
	return append(found, compiled(tb, `
item_id: "{id}{sku}"
group: item_group_id
store_view: de
currency: EUR
attributes:
  a: {from: [title, name], html: strip, replace: [{pattern: "(.)a", with: "$1$1b"}, {pattern: "^$", with: "x"}], case: title, cut: 50}
  b: {from: "images[].url", as: list, split: ",", most: 5, without: image_link}
  c: {from: image, object: {url: [url, value], more: {first: [{when: "url == null", constant: x}, {jq: "tojson"}]}}}
  d: {template: "{title}/{price}/{{"}
  e: {from: shipping, as: shipping_list}
  f: {from: sale_price_effective_date, as: window}
  g: {from: price, as: minor_price}
  h: {from: record, as: json}
  i: {jq: "[.[] | strings | gsub(\"[aeiou]\"; \"_\")] | join(\",\")", values: {x: y}, otherwise: keep}
  j: {from: gtin, as: gtin}
  k: {from: description, case: upper, html: strip}
jq: "{z: (.title // \"\" | test(\"a\")?)}"
`))
}

func checkItem(tb testing.TB, item mapping.Item, findings []mapping.Finding) {
	tb.Helper()
	if item.Attributes != nil && (!json.Valid(item.Attributes) || !utf8.Valid(item.Attributes)) {
		tb.Fatalf("not JSON: %q", item.Attributes)
	}
	if !utf8.ValidString(item.ID) || !utf8.ValidString(item.Group) {
		tb.Fatalf("not text: %q, %q", item.ID, item.Group)
	}
	failed := false
	for _, each := range findings {
		failed = failed || each.Severity == mapping.Error
		if !utf8.ValidString(each.Value) || len(each.Value) > 2000 || len(each.Rule) > 20_000 {
			tb.Fatalf("not a finding to show: %q", each)
		}
	}
	if item.ID == "" && !failed {
		tb.Fatalf("no id and no error")
	}
	if len(findings) > 60 {
		tb.Fatalf("%d findings", len(findings))
	}
}

// FuzzMap: whatever the record, an item is JSON, the same each time, and made in time.
func FuzzMap(f *testing.F) {
	files, err := filepath.Glob("testdata/records/*.json")
	require.NoError(f, err)
	for _, file := range files {
		for i, record := range readRecords(f, file).Records {
			data, err := json.Marshal(record)
			require.NoError(f, err)
			f.Add(uint8(i*7), data)
		}
	}
	f.Add(uint8(0), []byte(`{"id": "1", "price": "1.234,56 EUR", "shipping": "US:::5 USD,6", "store_views": {"de": {"title": "x"}}, "markets": {"a": 1}}`))
	mappings := everyMapping(f)
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		var record map[string]any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if decoder.Decode(&record) != nil {
			return
		}
		before, err := json.Marshal(record)
		require.NoError(t, err)
		m := mappings[int(which)%len(mappings)]
		start := time.Now()
		item, findings := m.Map(record)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("takes %s", took)
		}
		checkItem(t, item, findings)
		again, same := m.Map(record)
		assert.Equal(t, item, again)
		assert.Equal(t, findings, same)
		after, err := json.Marshal(record)
		require.NoError(t, err)
		assert.Equal(t, string(before), string(after), "the record was changed")
	})
}

// FuzzCompile: whatever the file, a mapping or problems come of it, in time; what compiles can
// map, and gives the same revision again.
func FuzzCompile(f *testing.F) {
	page, err := os.ReadFile("../../docs/mapping.md")
	require.NoError(f, err)
	for _, each := range block.FindAllStringSubmatch(string(page), -1) {
		if each[1] == "yaml" {
			f.Add([]byte(each[2]), "google", true)
		}
	}
	for _, preset := range mapping.Presets() {
		data, err := os.ReadFile("presets/" + preset + ".yaml")
		require.NoError(f, err)
		if _, part, ok := strings.Cut(string(data), "meta/PRODUCT_ITEM:\n"); ok {
			f.Add([]byte(part), preset, false)
		}
	}
	for _, program := range hostile[:20] {
		f.Add([]byte("item_id: \"{id}\"\njq: '"+program+"'\n"), "", true)
	}
	f.Add([]byte("item_id: \"{id}\"\nattributes: {a: &a {object: {x: &b {first: [*a, *a, *a]}, y: *b}}}\n"), "", true)
	record := readRecords(f, "testdata/records/google-products.json").Records[0]
	f.Fuzz(func(t *testing.T, data []byte, preset string, isMeta bool) {
		spec := mapping.Spec{File: "fuzz.yaml", Data: data, Preset: preset}
		to := target("pinterest/RETAIL")
		if isMeta {
			to = target("meta/PRODUCT_ITEM")
		}
		start := time.Now()
		m, err := mapping.Compile(spec, to)
		if err != nil {
			if text := err.Error(); text == "" || len(text) > 4<<20 {
				t.Fatalf("not an error to show: %d bytes", len(text))
			}
			return
		}
		again, err := mapping.Compile(spec, to)
		require.NoError(t, err)
		assert.Equal(t, m.Revision(), again.Revision())
		item, findings := m.Map(record)
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("takes %s", took)
		}
		if item.Attributes != nil && !json.Valid(item.Attributes) {
			t.Fatalf("not JSON: %q", item.Attributes)
		}
		for _, each := range findings {
			if !utf8.ValidString(each.Value) {
				t.Fatalf("not a finding to show: %q", each)
			}
		}
	})
}

// TestHugeValues: texts of 128 KiB that are made to be slow take time by their length
// only, in each place of each mapping.
func TestHugeValues(t *testing.T) {
	t.Parallel()
	size := 128 << 10
	if testing.Short() {
		size = 8 << 10
	}
	mappings := everyMapping(t)
	for _, unit := range []string{
		"x", " ", "<", "<b", "<b>", "</", "<script>", "<script></scrip", "<!--", "<!-- -->", "<p><div>", "&", "&amp;", "&#x", "&#xffffffff;", "\xff", "\xc3\x28", "é", "\u00a0", "\n",
		"1", "1.", "1,", "a:b:", "US:::5 EUR,", ",", "https://a.example/1,2,", "https://a,", "{", "[", "\"", "\\", "\x00", "/", "2026-11-27/", "-", "_", "E+1", "aA", "a\u0301", "İ", "\u2028",
	} {
		text := strings.Repeat(unit, size/len(unit))
		start := time.Now()
		for i, m := range mappings {
			if i%4 != len(unit)%4 && i != len(mappings)-1 {
				continue // each preset meets a quarter of the texts
			}
			record := map[string]any{}
			for _, name := range names {
				record[name] = text
			}
			record["id"] = "1"
			record["images"] = []any{map[string]any{"url": text}, text}
			item, findings := m.Map(record)
			if len(item.Attributes) > 200*size {
				t.Errorf("%q gives %d bytes", unit, len(item.Attributes))
			}
			checkItem(t, item, findings)
		}
		assert.Less(t, time.Since(start), 15*time.Second, "%q", unit)
	}
}

// TestHugeMappings: aliases and lists that multiply are refused.
func TestHugeMappings(t *testing.T) {
	t.Parallel()
	var laughs strings.Builder
	laughs.WriteString("item_id: \"{id}\"\nattributes:\n  a0: &a0 {object: {x: x}}\n")
	for i := 1; i < 6; i++ {
		laughs.WriteString("  a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " {first: [" + strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i-1))+", ", 500), ", ") + "]}\n")
	}
	for name, text := range map[string]string{
		"aliases":      laughs.String(),
		"patterns":     "item_id: \"{id}\"\nattributes:\n  a: {from: b, replace: [" + strings.Repeat("{pattern: 'a{999}', with: x}, ", 10_000) + "]}\n",
		"placeholders": "item_id: \"{id}\"\nattributes: {a: {template: \"" + strings.Repeat("{b}", 1000) + "\"}}\n",
		"problems":     "item_id: \"{id}\"\nattributes: {" + strings.Repeat("a: {}, ", 50_000) + "}\n",
		"depth":        "item_id: \"{id}\"\nattributes: {a: " + strings.Repeat("{first: [", 3000) + "b" + strings.Repeat("]}", 3000) + "}\n",
	} {
		start := time.Now()
		_, err := mapping.Compile(mapping.Spec{File: "shop.yaml", Data: []byte(text)}, target("meta/PRODUCT_ITEM"))
		var problems mapping.Problems
		require.ErrorAs(t, err, &problems, name)
		assert.LessOrEqual(t, len(problems), 200, name)
		assert.Less(t, time.Since(start), 20*time.Second, name)
	}
}
