package pinterest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// specification loads the part of Pinterest's OpenAPI file that is about items.
func specification(t *testing.T) *openapi3.T {
	t.Helper()
	shared := os.Getenv("COURIER_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, "specs", "pinterest", "openapi.catalogs-items.json")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("Pinterest's OpenAPI file is not at %s; set COURIER_SHARED to the folder with specs/", path)
	}
	document, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	return document
}

// branches are the schemas of the records; which one applies is decided by the
// operation, as the file's own oneOf is too loose to.
var branches = map[catalog.Operation]string{
	catalog.Create: "CatalogsCreateRetailItem", catalog.Upsert: "CatalogsUpsertRetailItem",
	catalog.Update: "CatalogsUpdateRetailItem", catalog.Delete: "CatalogsDeleteRetailItem",
}

func TestBodiesFitPinterestsSpecification(t *testing.T) {
	t.Parallel()
	document := specification(t)
	suite := variants()[0].suite
	account, err := pinterest.New(settings())
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
	changes := []catalog.Change{
		{Operation: catalog.Create, Attributes: []byte(suite.Complete)},
		{Operation: catalog.Upsert, Attributes: []byte(`{"title":"T","sale_price":null}`), HasNull: true},
		{Operation: catalog.Update, Attributes: []byte(suite.Update)},
		{Operation: catalog.Update, Attributes: []byte(`{"price":"1 USD","sale_price":null,"gtin":"4006381333931"}`), HasNull: true},
		{Operation: catalog.Delete},
	}
	records := make([]catalog.Record, len(changes))
	for i, change := range changes {
		records[i] = catalog.Record{Key: catalog.ItemKey{ItemID: suite.ItemID(i)}, Change: change}
	}
	for variant := range 2 {
		body, err := endpoint.Encode(nil, "", records, variant)
		require.NoError(t, err)
		var sent map[string]any
		require.NoError(t, json.Unmarshal(body, &sent))
		checkTop(t, document, sent)
		for i, item := range sent["items"].([]any) {
			operation := records[(i+variant)%len(records)].Change.Operation
			schema := document.Components.Schemas[branches[operation]]
			require.NotNil(t, schema, branches[operation])
			require.NoError(t, schema.Value.VisitJSON(item, openapi3.MultiErrors()), "%v", item)
		}
	}
}

func checkTop(t *testing.T, document *openapi3.T, sent map[string]any) {
	t.Helper()
	top := document.Components.Schemas["CatalogsRetailBatchRequest"]
	require.NotNil(t, top)
	for name, value := range sent {
		property := top.Value.Properties[name]
		require.NotNil(t, property, "unknown member %s", name)
		if name != "items" { // each by its own branch
			require.NoError(t, property.Value.VisitJSON(value), name)
		}
	}
	for _, name := range top.Value.Required {
		require.Contains(t, sent, name)
	}
}

func TestCountriesOfTheSpecificationAreKnown(t *testing.T) {
	t.Parallel()
	document := specification(t)
	for name, valid := range map[string]func(string) bool{
		"Country": pinterest.ValidCountry, "Language": pinterest.ValidLanguage, "CatalogsLocale": pinterest.ValidLanguage,
	} {
		schema := document.Components.Schemas[name]
		require.NotNil(t, schema, name)
		require.NotEmpty(t, schema.Value.Enum)
		for _, value := range schema.Value.Enum {
			require.True(t, valid(value.(string)), value)
		}
	}
}

func TestAttributesOfTheSpecificationAreKnown(t *testing.T) {
	t.Parallel()
	document := specification(t)
	account, err := pinterest.New(settings())
	require.NoError(t, err)
	endpoint, _ := account.Endpoint("us", "RETAIL")
	masks := map[string]bool{}
	for _, value := range document.Components.Schemas["UpdateMaskFieldType"].Value.Enum {
		masks[value.(string)] = true
	}
	updatable := document.Components.Schemas["UpdatableItemAttributes"].Value.Properties
	for name := range document.Components.Schemas["ItemAttributesRequest"].Value.Properties {
		if name == "id" {
			continue // repeats the key
		}
		m := &catalog.Mutation{ItemID: "A", Operation: catalog.Update, HasNull: true, Attributes: []byte(`{"` + name + `":null}`)}
		problem, _ := endpoint.Validate(m)
		switch {
		case updatable[name] == nil:
			require.NotNil(t, problem, name)
			require.Equal(t, catalog.NotUpdatable, problem.Reason, name)
		case !masks[name]:
			require.NotNil(t, problem, name)
			require.Equal(t, catalog.NotClearable, problem.Reason, name)
		default:
			require.Nil(t, problem, name)
		}
	}
}
