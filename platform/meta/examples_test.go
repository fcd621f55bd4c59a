package meta

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

// request is a record of one of Meta's examples.
type request struct {
	Method     string                     `json:"method"`
	RetailerID string                     `json:"retailer_id,omitempty"`
	Data       map[string]json.RawMessage `json:"data,omitempty"`
	AppLinks   json.RawMessage            `json:"applinks,omitempty"`
}

// body is an example, or what is sent.
type body struct {
	ItemType string    `json:"item_type,omitempty"`
	Requests []request `json:"requests"`
}

func readExample(t *testing.T, name string) (example body) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "examples", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &example))
	return example
}

func accountOf(t *testing.T, catalogs map[string]setting.Values) platform.Account {
	t.Helper()
	made, err := New(platform.Settings{Name: "acme", Token: tokenOf("t"), Catalogs: catalogs})
	require.NoError(t, err)
	return made
}

func endpointOf(t *testing.T, edge string, itemType catalog.Type) platform.Endpoint {
	t.Helper()
	found, problem := accountOf(t, map[string]setting.Values{
		"main": {"catalog_id": "1", "endpoint": edge},
	}).Endpoint("main", itemType)
	require.Nil(t, problem)
	return found
}

// encode checks the mutations and writes the body that carries them.
func encode(t *testing.T, e platform.Endpoint, mutations ...*catalog.Mutation) []byte {
	t.Helper()
	size := e.Overhead()
	records := make([]catalog.Record, len(mutations))
	for i, m := range mutations {
		problem, _ := e.Validate(m)
		require.Nil(t, problem)
		require.Equal(t, e.Group(mutations[0].Operation), e.Group(m.Operation), "one request")
		records[i] = catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}
		size += e.RecordSize(records[i].Key, records[i].Change)
	}
	text, err := e.Encode(nil, e.Group(mutations[0].Operation), records, 0)
	require.NoError(t, err)
	require.True(t, json.Valid(text), string(text))
	require.LessOrEqual(t, len(text), size)
	return text
}

// TestExamplesOfTheReference has producers publish what Meta's page Supported
// fields shows, and wants the page's own requests sent. The examples in testdata
// are repaired where the page's are not JSON; the FLIGHT one is cut off there in
// its UPDATE and completed here. UPDATE stands in them without allow_upsert, which
// is true by default: an UPSERT.
func TestExamplesOfTheReference(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/examples/*.json")
	require.NoError(t, err)
	require.Len(t, files, 8)
	for _, file := range files {
		name := filepath.Base(file)
		if name == "batch.json" {
			continue // in another dialect, see below
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			example := readExample(t, name)
			require.Equal(t, strings.ToUpper(strings.TrimSuffix(name, ".json")), example.ItemType)
			e := endpointOf(t, itemsBatchEdge, catalog.Type(example.ItemType))
			sent := encode(t, e, mutationsOf(t, e, example)...)
			require.True(t, gjson.GetBytes(sent, "allow_upsert").Bool())
			requireSent(t, example, sent)
		})
	}
}

func requireSent(t *testing.T, want body, sent []byte) {
	t.Helper()
	var have body
	require.NoError(t, json.Unmarshal(sent, &have))
	wanted, err := json.Marshal(want)
	require.NoError(t, err)
	had, err := json.Marshal(have)
	require.NoError(t, err)
	require.JSONEq(t, string(wanted), string(had))
}

// mutationsOf is what producers publish for the records: the key in item_id alone.
func mutationsOf(t *testing.T, e platform.Endpoint, example body) (mutations []*catalog.Mutation) {
	t.Helper()
	keys := e.(*endpoint).row.keys
	for _, request := range example.Requests {
		parts := make([]string, len(keys))
		for i, key := range keys {
			require.NoError(t, json.Unmarshal(request.Data[key], &parts[i]))
		}
		m := &catalog.Mutation{ItemID: parts[0], Operation: operationOf(t, request.Method)}
		if len(parts) > 1 {
			m.ItemID = catalog.JoinItemID(parts...)
		}
		if m.Operation != catalog.Delete {
			attributes := maps.Clone(request.Data)
			for _, key := range keys {
				delete(attributes, key)
			}
			encoded, err := json.Marshal(attributes)
			require.NoError(t, err)
			m.Attributes = encoded
		}
		mutations = append(mutations, m)
	}
	return mutations
}

func operationOf(t *testing.T, method string) catalog.Operation {
	t.Helper()
	if method == "UPDATE" {
		return catalog.Upsert
	}
	op, ok := catalog.ParseOperation(method)
	require.True(t, ok)
	return op
}

// TestExampleOfBatch publishes in the one shape what the page shows in the older
// dialect. The page has applinks beside the data; its own table of fields and the
// newer guide have it inside.
func TestExampleOfBatch(t *testing.T) {
	t.Parallel()
	example := readExample(t, "batch.json")
	example.Requests[1].Data["applinks"], example.Requests[1].AppLinks = example.Requests[1].AppLinks, nil
	sent := encode(t, endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM"),
		&catalog.Mutation{ItemID: "retailer-1", Operation: catalog.Delete},
		&catalog.Mutation{ItemID: "retailer-2", Operation: catalog.Create, Attributes: []byte(`{
			"availability":"in stock","brand":"Nike","google_product_category":"t-shirts","description":"product description",
			"image_link":"http://www.images.example.com/t-shirts/1.png","title":"product name","price":"10.00 USD",
			"shipping":[{"shipping_country":"US","shipping_region":"CA","shipping_service":"service",
				"shipping_price_value":"10","shipping_price_currency":"USD"}],
			"condition":"new","link":"http://www.images.example.com/t-shirts/1.png","item_group_id":"product-group-1",
			"applink":{"android_app_name":"Electronic Example Android","android_package":"com.electronic",
				"android_url":"example-android://electronic","ios_app_name":"Electronic Example iOS",
				"ios_app_store_id":"2222","ios_url":"example-ios://electronic"}}`)},
		&catalog.Mutation{ItemID: "retailer-3", Operation: catalog.Upsert, Attributes: []byte(`{"availability":"out of stock"}`)},
	)
	requireSent(t, example, sent)
}

// TestExampleOfTheMigration is the pair of equal requests in Meta's guide Migrate to
// the items_batch endpoint.
func TestExampleOfTheMigration(t *testing.T) {
	t.Parallel()
	sent := encode(t, endpointOf(t, legacyBatchEdge, "PRODUCT_ITEM"), &catalog.Mutation{
		ItemID: "product_123", Operation: catalog.Upsert, Attributes: []byte(`{
			"id":"product_123","item_group_id":"g1","price":"14 GBP","image_link":"http://website.com/image4.jpg",
			"additional_variant_attribute":"Scent:Fruity,Flavor:Apple",
			"applink":{"android_url":"a://b/c","android_package":"android.topwidgets","android_app_name":"TopWidgets",
				"ios_url":"d://e/f","ios_app_store_id":"123456","ios_app_name":"TopWidgets"},
			"google_product_category":"543586","link":"http://website.com/product.html","mpn":"twp123","sale_price":"11 GBP",
			"shipping":[{"shipping_country":"US","shipping_region":"CA","shipping_service":"Pick-up point",
				"shipping_price_value":"4.90","shipping_price_currency":"USD"}],
			"title":"Test Product Name"}`),
	})
	require.JSONEq(t, `{"allow_upsert":true,"requests":[{"method":"UPDATE","retailer_id":"product_123","data":{
		"retailer_product_group_id":"g1","price":1400,"currency":"GBP","image_url":"http://website.com/image4.jpg",
		"additional_variant_attributes":{"Scent":"Fruity","Flavor":"Apple"},
		"applinks":{"android":[{"url":"a://b/c","package":"android.topwidgets","app_name":"TopWidgets"}],
			"ios":[{"url":"d://e/f","app_store_id":123456,"app_name":"TopWidgets"}]},
		"category":"543586","url":"http://website.com/product.html","manufacturer_part_number":"twp123","sale_price":1100,
		"shipping":[{"country":"US","region":"CA","service":"Pick-up point","price_value":"4.90","price_currency":"USD"}],
		"name":"Test Product Name"}}]}`, string(sent))
}

// TestExampleOfLocalizedItems is the sample call of the reference, with the type in
// the upper case of its text.
func TestExampleOfLocalizedItems(t *testing.T) {
	t.Parallel()
	sent := encode(t, endpointOf(t, localizedBatchEdge, "PRODUCT_ITEM"), &catalog.Mutation{
		ItemID: "batch_api_product_123", Localization: catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"},
		Operation: catalog.Update, Attributes: []byte(`{"wrong_field_name":"Wrong field value","title":"Produkt"}`),
	})
	require.JSONEq(t, `{"item_type":"PRODUCT_ITEM","requests":[{"method":"UPDATE",
		"data":{"wrong_field_name":"Wrong field value","id":"batch_api_product_123","title":"Produkt"},
		"localization":{"type":"LANGUAGE","value":"pl_PL"}}]}`, string(sent))
}

func tokenOf(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}
