package meta

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

func upsertOf(attributes string) *catalog.Mutation {
	m := &catalog.Mutation{ItemID: "A", Operation: catalog.Upsert, Attributes: []byte(attributes)}
	rawjson.Members(m.Attributes, func(member rawjson.Member) bool {
		m.HasNull = m.HasNull || member.Kind == rawjson.Null
		return true
	})
	return m
}

func TestAttributesInTheOlderDialect(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM")
	for _, pair := range [][2]string{
		{`{"title":"a\nb","link":"u","image_link":"i","mpn":"m"}`, `{"name":"a\nb","url":"u","image_url":"i","manufacturer_part_number":"m"}`},
		{`{"id":"A","color":"red","inventory":7}`, `{"color":"red","inventory":7}`},
		{`{"price":"4.90 USD"}`, `{"price":490,"currency":"USD"}`},
		{`{"price":"490 JPY"}`, `{"price":49000,"currency":"JPY"}`},
		{`{"price":"1.230 kwd"}`, `{"price":123,"currency":"KWD"}`},
		{`{"price":"0.5 USD","sale_price":"0.05 USD"}`, `{"price":50,"currency":"USD","sale_price":5}`},
		{`{"sale_price":"11 GBP"}`, `{"sale_price":1100,"currency":"GBP"}`},
		{`{"sale_price":null,"price":"1 USD"}`, `{"sale_price":"","price":100,"currency":"USD"}`},
		{`{"sale_price":""}`, `{"sale_price":""}`},
		{`{"color":null,"additional_image_link":null}`, `{"color":"","additional_image_urls":""}`},
		{`{"sale_price_effective_date":"2014-11-01T12:00-0300/2014-12-01T00:00-0300"}`, `{"sale_price_start_date":"2014-11-01T12:00-0300","sale_price_end_date":"2014-12-01T00:00-0300"}`},
		{`{"sale_price_effective_date":null}`, `{"sale_price_start_date":"","sale_price_end_date":""}`},
		{`{"additional_variant_attribute":"Scent: Fruity, Flavor:Apple"}`, `{"additional_variant_attributes":{"Scent":"Fruity","Flavor":"Apple"}}`},
		{`{"additional_variant_attribute":[{"variant_label":"a","variant_value":"b"}]}`, `{"additional_variant_attributes":{"a":"b"}}`},
		{`{"additional_variant_attribute":{"a":"b"}}`, `{"additional_variant_attributes":{"a":"b"}}`},
		{`{"applink":{"windows_phone_app_id":"64ec","ios_app_store_id":42,"iphone_app_store_id":"043"}}`, `{"applinks":{"ios":[{"app_store_id":42}],"iphone":[{"app_store_id":"043"}],"windows_phone":[{"app_id":"64ec"}]}}`},
		{`{"applink":{}}`, `{"applinks":{}}`},
		{`{"shipping":[]}`, `{"shipping":[]}`},
		{`{"shipping":null}`, `{"shipping":""}`},
	} {
		attributes, want := pair[0], pair[1]
		m := upsertOf(attributes)
		sent := encode(t, e, m)
		require.JSONEq(t, want, gjson.GetBytes(sent, "requests.0.data").Raw, attributes)
		require.Equal(t, "A", gjson.GetBytes(sent, "requests.0.retailer_id").Str)
	}
}

func TestWhatTheOlderDialectCannotSay(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM")
	for attributes, reason := range map[string]catalog.Reason{
		`{"price":"24.999 USD"}`:                          catalog.InvalidValue,
		`{"price":"1.234 KWD"}`:                           catalog.InvalidValue,
		`{"price":"24.99"}`:                               catalog.InvalidValue,
		`{"price":"24.99  USD"}`:                          catalog.InvalidValue,
		`{"price":"1,000 USD"}`:                           catalog.InvalidValue,
		`{"price":".5 USD"}`:                              catalog.InvalidValue,
		`{"price":"5. USD"}`:                              catalog.InvalidValue,
		`{"price":"-5 USD"}`:                              catalog.InvalidValue,
		`{"price":"24 US$"}`:                              catalog.InvalidValue,
		`{"price":2499}`:                                  catalog.InvalidValue,
		`{"price":""}`:                                    catalog.InvalidValue,
		`{"price":"1234567890123456 USD"}`:                catalog.InvalidValue,
		`{"sale_price":19.99}`:                            catalog.InvalidValue,
		`{"price":"2 USD","sale_price":"1 EUR"}`:          catalog.InvalidValue,
		`{"material":"wood"}`:                             catalog.InvalidValue,
		`{"image":[{"url":"https://example.com/a.jpg"}]}`: catalog.InvalidValue,
		`{"no_such":1}`:                                   catalog.InvalidValue,
		`{"image_link":null}`:                             catalog.NotClearable,
		`{"price":null}`:                                  catalog.NotClearable,
		`{"material":null}`:                               catalog.NotClearable,
		`{"sale_price_effective_date":"2014-11-01"}`:      catalog.InvalidValue,
		`{"sale_price_effective_date":"now/then"}`:        catalog.InvalidValue,
		`{"additional_variant_attribute":"Scent"}`:        catalog.InvalidValue,
		`{"additional_variant_attribute":"a:1,a:2"}`:      catalog.InvalidValue,
		`{"additional_variant_attribute":[{"a":"b"}]}`:    catalog.InvalidValue,
		`{"additional_variant_attribute":7}`:              catalog.InvalidValue,
		`{"applink":{"ios_class":"x"}}`:                   catalog.InvalidValue,
		`{"applink":{"symbian_url":"x"}}`:                 catalog.InvalidValue,
		`{"applink":"x"}`:                                 catalog.InvalidValue,
		`{"shipping":"US:CA:Ground:9.99 USD"}`:            catalog.InvalidValue,
		`{"shipping":[{"shipping_weight":"1"}]}`:          catalog.InvalidValue,
		`{"shipping":[{"country":"US"}]}`:                 catalog.InvalidValue,
		`{"shipping":["US"]}`:                             catalog.InvalidValue,
	} {
		m := upsertOf(attributes)
		problem, _ := e.Validate(m)
		require.NotNil(t, problem, attributes)
		require.Equal(t, reason, problem.Reason, attributes)
		require.Contains(t, problem.Field, "attributes.")
		_, err := e.Encode(nil, "", []catalog.Record{{Key: m.Key(), Change: m.Change()}}, 0)
		require.Error(t, err, "what was not refused must not be sent either: %s", attributes)
	}
	problem, _ := e.Validate(upsertOf(`{"material":"wood","price":"cheap","no_such":1,"color":"red"}`))
	require.Len(t, problem.Others, 2, "all at once")
}

// TestEveryOptionalFieldIsClearedInTheOlderDialect, also numbers and objects, which
// have no empty value in items_batch.
func TestEveryOptionalFieldIsClearedInTheOlderDialect(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM")
	for name, field := range legacyFields {
		for _, operation := range []catalog.Operation{catalog.Update, catalog.Upsert} {
			m := upsertOf(`{"` + name + `":null}`)
			m.Operation = operation
			problem, warnings := e.Validate(m)
			if field.required {
				require.NotNil(t, problem, name)
				require.Equal(t, catalog.NotClearable, problem.Reason, name)
				require.Empty(t, problem.Others, name)
				continue
			}
			require.Nil(t, problem, name)
			require.Empty(t, warnings, name)
			sent, err := e.Encode(nil, e.Group(operation), []catalog.Record{{Key: m.Key(), Change: m.Change()}}, 0)
			require.NoError(t, err)
			data := gjson.GetBytes(sent, "requests.0.data")
			require.Equal(t, `""`, data.Get(field.name).Raw, name)
			data.ForEach(func(_, value gjson.Result) bool {
				require.Equal(t, `""`, value.Raw, name)
				return true
			})
		}
	}
}

// TestAClearedSalePriceDoesNotHideItsCurrency: the sale price set the currency of
// the whole item, and clearing it does not put that back.
func TestAClearedSalePriceDoesNotHideItsCurrency(t *testing.T) {
	t.Parallel()
	update := func(attributes string) catalog.Change {
		m := upsertOf(attributes)
		m.Operation = catalog.Update
		return m.Change()
	}
	older := endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM").Rules()
	newer := endpointOf(t, itemsBatchEdge, "PRODUCT_ITEM").Rules()
	for _, c := range []struct {
		first, second string
		merges        bool
	}{
		{`{"sale_price":"5 EUR"}`, `{"sale_price":null}`, false},
		{`{"sale_price":"5 EUR"}`, `{"color":"red","sale_price":""}`, false},
		{`{"sale_price":"5 EUR"}`, `{"sale_price":"4 USD"}`, true},
		{`{"sale_price":"5 EUR"}`, `{"color":null}`, true},
		{`{"sale_price":null}`, `{"sale_price":null}`, true},
		{`{"color":"red"}`, `{"sale_price":null}`, true},
		{`{"sale_price":null}`, `{"sale_price":"5 EUR"}`, true},
	} {
		_, ok := older.Merge(update(c.first), update(c.second))
		require.Equal(t, c.merges, ok, c.second)
		_, ok = newer.Merge(update(c.first), update(c.second))
		require.True(t, ok, c.second)
	}
	_, ok := older.Merge(update(`{"sale_price":"5 EUR"}`), catalog.Change{Operation: catalog.Delete})
	require.True(t, ok)
}

// TestPricesOfTwoCurrenciesDoNotMerge: an item of batch has one currency, so a sale
// price in another one goes after the price.
func TestPricesOfTwoCurrenciesDoNotMerge(t *testing.T) {
	t.Parallel()
	e := endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM")
	merged := catalog.Change{Operation: catalog.Update, Attributes: []byte(`{"price":"2 EUR","color":"red","sale_price":"1 USD"}`)}
	first, rest := e.Split(merged)
	require.JSONEq(t, `{"price":"2 EUR","color":"red"}`, string(first.Attributes))
	require.JSONEq(t, `{"sale_price":"1 USD"}`, string(rest.Attributes))
	for _, part := range []catalog.Change{first, *rest} {
		_, none := e.Split(part)
		require.Nil(t, none)
	}
	for _, whole := range []string{`{"price":"2 USD","sale_price":"1 usd"}`, `{"sale_price":"1 USD"}`, `{"price":"2 EUR","sale_price":null}`, `{}`} {
		_, none := e.Split(catalog.Change{Operation: catalog.Update, Attributes: []byte(whole)})
		require.Nil(t, none, whole)
	}
}

// TestWhatGrowsStaysWithinItsBound writes everything that is longer in the older
// dialect, in one record.
func TestWhatGrowsStaysWithinItsBound(t *testing.T) {
	t.Parallel()
	m := upsertOf(`{"mpn":"","additional_image_link":[],"item_group_id":"","sale_price_effective_date":"2014-11-01/2014-12-01",` +
		`"price":"1 USD","shipping":[],"applink":{"ios_url":"","iphone_url":"",` +
		`"ipad_url":"","android_url":"","windows_phone_url":""}}`)
	record := catalog.Record{Key: m.Key(), Change: m.Change()}
	text, err := legacyBatch{}.appendRecord(nil, productItem(), &record)
	require.NoError(t, err)
	require.LessOrEqual(t, len(text), legacyBatch{}.recordSize(productItem(), record.Key, record.Change))

	labels := make([]string, maxVariants)
	for i := range labels {
		labels[i] = fmt.Sprintf(`\n%d:`, i) // written \u000a by Courier
	}
	m = upsertOf(`{"additional_variant_attribute":"x` + strings.Join(labels, `,x`) + `"}`)
	record.Change = m.Change()
	text, err = legacyBatch{}.appendRecord(nil, productItem(), &record)
	require.NoError(t, err)
	require.LessOrEqual(t, len(text), legacyBatch{}.recordSize(productItem(), record.Key, record.Change))
}

// TestTheOlderDialectKeepsAmounts: whatever the amount, hundredths are what is sent.
func TestTheOlderDialectKeepsAmounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(0, 99_999_999_999).Draw(t, "hundredths")
		text := fmt.Sprintf("%d.%02d USD", cents/100, cents%100)
		amount, currency, why := hundredths(rawjson.Member{Kind: rawjson.String, Text: text})
		require.Empty(t, why)
		require.Equal(t, "USD", currency)
		require.Equal(t, cents, amount, text)
	})
}

// FuzzLegacy holds what is accepted to what is promised: it is sent as valid JSON,
// no longer than announced, with no name that batch does not know.
func FuzzLegacy(f *testing.F) {
	for _, seed := range []string{
		`{"price":"24.99 USD","sale_price":"1 USD"}`, `{"additional_variant_attribute":"a\u0001:\"b\\,c:d"}`,
		`{"applink":{"ios_url":"a"},"shipping":[{"shipping_country":"US"}]}`, `{"\u0070rice":null,"color":null}`,
		`{"sale_price_effective_date":"2014-11-01T12:00-0300/2014-12-01T00:00-0300"}`, `{"title":{},"mpn":[1,{"a":null}]}`,
	} {
		f.Add(seed)
	}
	e := &endpoint{dialect: legacyBatch{}, row: productItem()}
	known := map[string]bool{"currency": true, "sale_price_end_date": true}
	for _, field := range legacyFields {
		known[field.name] = true
	}
	f.Fuzz(func(t *testing.T, attributes string) {
		object := map[string]json.RawMessage{}
		if json.Unmarshal([]byte(attributes), &object) != nil || object == nil {
			return
		}
		names := 0
		rawjson.Members([]byte(attributes), func(rawjson.Member) bool { names++; return true })
		if names != len(object) {
			return // no name stands twice: the decoder sees to it
		}
		m := upsertOf(attributes)
		if problem, _ := e.Validate(m); problem != nil {
			return
		}
		record := catalog.Record{Key: m.Key(), Change: m.Change()}
		text, err := e.Encode(nil, "", []catalog.Record{record}, 0)
		require.NoError(t, err)
		require.True(t, json.Valid(text), "%s", text)
		require.LessOrEqual(t, len(text), e.Overhead()+e.RecordSize(record.Key, record.Change))
		gjson.GetBytes(text, "requests.0.data").ForEach(func(name, _ gjson.Result) bool {
			require.True(t, known[name.Str], name.Str)
			return true
		})
	})
}
