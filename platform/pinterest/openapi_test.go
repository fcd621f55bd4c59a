package pinterest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// specification loads the part of Pinterest's OpenAPI file that is about items.
func specification(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromFile("testdata/specification/openapi.json")
	require.NoError(t, err)
	return document
}

// branch names the schemas of a body and of its records. It is chosen by the
// operation, as the file's own oneOf lets a legacy body match several.
func branch(v variant, operation catalog.Operation) (body, record string) {
	if v.suite.Catalog.Text("body") == "legacy" {
		name := map[catalog.Operation]string{
			catalog.Create: "Create", catalog.Upsert: "Upsert", catalog.Update: "Update", catalog.Delete: "Delete",
			catalog.DeleteDiscontinued: "DeleteDiscontinued",
		}[operation]
		return "CatalogsItems" + name + "BatchRequest", "Item" + name + "BatchRecord"
	}
	kind := map[catalog.Type]string{"RETAIL": "Retail", "HOTEL": "Hotel", "CREATIVE_ASSETS": "CreativeAssets"}[v.suite.Type]
	name := map[catalog.Operation]string{
		catalog.Create: "Create", catalog.Upsert: "Upsert", catalog.Update: "Update", catalog.Delete: "Delete",
	}[operation]
	return "Catalogs" + kind + "BatchRequest", "Catalogs" + name + kind + "Item"
}

// attributesOf are attributes that the operation can carry in the variant.
func attributesOf(v variant, operation catalog.Operation) []string {
	s := v.suite
	switch operation {
	case catalog.Create, catalog.Upsert:
		return []string{s.Complete, `{"` + s.Clearable + `":null}`, " { } "}
	case catalog.Update:
		if s.NeverClears {
			return []string{s.Update, `{}`}
		}
		return []string{s.Update, `{}`, `{"price":"1 USD","sale_price":null,"gtin":"4006381333931"}`, `{"` + s.Clearable + `":null}`}
	default:
		return []string{""}
	}
}

// TestBodiesFitPinterestsSpecification encodes each operation of each type in each
// body, with and without a time and a catalog id.
func TestBodiesFitPinterestsSpecification(t *testing.T) {
	t.Parallel()
	document := specification(t)
	combinations := 0
	for _, v := range variants() {
		for _, timed := range []bool{false, true} {
			endpoint := v.endpointOf(t, func(c setting.Values) { c["last_updated_time"] = timed })
			for _, operation := range catalog.Operations() {
				problem, _ := endpoint.Validate(v.mutation(operation, attributesOf(v, operation)[0]))
				if problem != nil {
					require.Equal(t, catalog.UnsupportedOperation, problem.Reason)
					require.Equal(t, catalog.DeleteDiscontinued, operation)
					continue
				}
				combinations++
				t.Run(v.name+" "+operation.String(), func(t *testing.T) {
					t.Parallel()
					all := attributesOf(v, operation)
					records := make([]catalog.Record, 0, len(all))
					for i, attributes := range all {
						m := v.mutation(operation, attributes)
						m.ItemID = v.suite.ItemID(i)
						records = append(records, catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}})
					}
					v.checkBody(t, document, endpoint, operation, records)
				})
			}
		}
	}
	require.Equal(t, 2*(4+5+4+4), combinations)
}

// mutation is one with a time.
func (v variant) mutation(operation catalog.Operation, attributes string) *catalog.Mutation {
	m := &catalog.Mutation{ID: "m", ItemID: "A", Operation: operation, OccurredAt: time.UnixMilli(1641483432072)}
	if attributes != "" {
		m.Attributes, m.HasNull = []byte(attributes), hasNull(attributes)
	}
	return m
}

func hasNull(attributes string) bool {
	members := map[string]any{}
	if err := json.Unmarshal([]byte(attributes), &members); err != nil {
		return false
	}
	for _, value := range members {
		if value == nil {
			return true
		}
	}
	return false
}

func (v variant) checkBody(t *testing.T, document *openapi3.T, endpoint platform.Endpoint, operation catalog.Operation, records []catalog.Record) {
	t.Helper()
	bodySchema, recordSchema := branch(v, operation)
	for number := range 2 {
		body, err := endpoint.Encode(nil, endpoint.Group(operation), records, number)
		require.NoError(t, err)
		bound := endpoint.Overhead()
		for _, record := range records {
			bound += endpoint.RecordSize(record.Key, record.Change)
		}
		require.LessOrEqual(t, len(body), bound)
		var sent map[string]any
		require.NoError(t, json.Unmarshal(body, &sent))
		checkTop(t, document, bodySchema, sent)
		schema := document.Components.Schemas[recordSchema]
		require.NotNil(t, schema, recordSchema)
		for _, item := range sent["items"].([]any) {
			require.NoError(t, schema.Value.VisitJSON(item, openapi3.MultiErrors()), "%s: %v", recordSchema, item)
			checkNames(t, schema.Value, item.(map[string]any))
		}
	}
}

// checkNames wants no member that the record's schema does not name: the file lets
// others pass, and nobody says what they do.
func checkNames(t *testing.T, schema *openapi3.Schema, item map[string]any) {
	t.Helper()
	for name := range item {
		require.Contains(t, schema.Properties, name)
	}
}

func checkTop(t *testing.T, document *openapi3.T, name string, sent map[string]any) {
	t.Helper()
	top := document.Components.Schemas[name]
	require.NotNil(t, top, name)
	for member, value := range sent {
		property := top.Value.Properties[member]
		require.NotNil(t, property, "%s: unknown member %s", name, member)
		if member != "items" { // each by its own branch
			require.NoError(t, property.Value.VisitJSON(value), member)
		}
	}
	for _, required := range top.Value.Required {
		require.Contains(t, sent, required)
	}
}

// TestCountriesAndLanguagesAreThoseOfTheSpecification takes each value of the
// enumerations, and of all words of their forms no other.
func TestCountriesAndLanguagesAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	document := specification(t)
	enum := func(name string) []string {
		schema := document.Components.Schemas[name]
		require.NotNil(t, schema, name)
		values := make([]string, 0, len(schema.Value.Enum))
		for _, value := range schema.Value.Enum {
			values = append(values, value.(string))
		}
		return values
	}
	pairs := make([]string, 0, 26*26)
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			pairs = append(pairs, string(first)+string(second))
		}
	}
	valid := func(takes func(string) bool, words []string) (taken []string) {
		for _, word := range words {
			if takes(word) {
				taken = append(taken, word)
			}
		}
		return taken
	}
	require.Len(t, enum("Country"), 248)
	require.ElementsMatch(t, enum("Country"), valid(pinterest.ValidCountry, pairs))
	require.Len(t, enum("Language"), 61)
	require.ElementsMatch(t, enum("Language"), valid(pinterest.ValidLanguage, pairs))

	locales := make([]string, 0, len(pairs)*(len(pairs)+2))
	for _, language := range pairs {
		language = strings.ToLower(language)
		locales = append(locales, language, language+"-419")
		for _, country := range pairs {
			locales = append(locales, language+"-"+country)
		}
	}
	require.Len(t, enum("CatalogsLocale"), 46)
	require.ElementsMatch(t, enum("CatalogsLocale"), valid(pinterest.ValidLanguage, locales))
}

func TestAttributesOfTheSpecificationAreKnown(t *testing.T) {
	t.Parallel()
	document := specification(t)
	endpoint := openEndpoint(t, settings(), "us", "RETAIL")
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
