package pinterest

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// schema is as much of a schema of the OpenAPI file as the tables are held to.
type schema struct {
	Ref         string            `json:"$ref"`
	AllOf       []schema          `json:"allOf"`
	OneOf       []schema          `json:"oneOf"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
	Type        string            `json:"type"`
	Nullable    bool              `json:"nullable"`
	MaxLength   int               `json:"maxLength"`
	MinItems    int               `json:"minItems"`
	MaxItems    int               `json:"maxItems"`
	Enum        []string          `json:"enum"`
	Description string            `json:"description"`
}

type schemas map[string]schema

func openAPISchemas(t *testing.T) schemas {
	t.Helper()
	text, err := os.ReadFile("testdata/specification/openapi.json")
	require.NoError(t, err)
	// Only schemas with strings as their enumerations are of interest; others fail to
	// decode and are left out.
	var document struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(text, &document))
	all := schemas{}
	for name, raw := range document.Components.Schemas {
		var one schema
		if json.Unmarshal(raw, &one) == nil {
			all[name] = one
		}
	}
	return all
}

func (s schemas) resolve(one schema) schema {
	if one.Ref == "" {
		return one
	}
	return s[one.Ref[strings.LastIndexByte(one.Ref, '/')+1:]]
}

// properties are those of a schema with all that it is made of.
func (s schemas) properties(one schema) map[string]schema {
	one = s.resolve(one)
	all := maps.Clone(one.Properties)
	if all == nil {
		all = map[string]schema{}
	}
	for _, part := range one.AllOf {
		maps.Copy(all, s.properties(part))
	}
	return all
}

var jsonTypes = map[string]rules.Type{
	"string": rules.String, "number": rules.Number, "integer": rules.Integer, "boolean": rules.Boolean,
	"object": rules.Object, "array": rules.List,
}

func (s schemas) types(one schema) (types rules.Type) {
	one = s.resolve(one)
	for _, branch := range one.OneOf {
		types |= s.types(branch)
	}
	return types | jsonTypes[one.Type]
}

// TestTablesFitPinterestsSpecification holds every row to the OpenAPI file, and
// every property of the file to a row.
func TestTablesFitPinterestsSpecification(t *testing.T) {
	t.Parallel()
	all := openAPISchemas(t)
	mask := all["UpdateMaskFieldType"].Enum
	require.NotEmpty(t, mask)
	for _, test := range []struct {
		name           catalog.Type
		create, update string
		mask           []string
	}{
		{"RETAIL", "ItemAttributesRequest", "UpdatableItemAttributes", mask},
		{"HOTEL", "CatalogsHotelAttributes", "CatalogsUpdatableHotelAttributes", nil},
		{"CREATIVE_ASSETS", "CatalogsCreativeAssetsAttributes", "CatalogsUpdatableCreativeAssetsAttributes", nil},
	} {
		row := catalogTypes()[test.name]
		create, update := all.properties(all[test.create]), all.properties(all[test.update])
		require.NotEmpty(t, create)
		later := map[string]bool{"ai_disclosures": test.name == "RETAIL"} // of 5.28
		names := slices.DeleteFunc(row.table.Names(), func(name string) bool { return name == row.keys[0] || later[name] })
		require.ElementsMatch(t, slices.Collect(maps.Keys(create)), names)
		for name, property := range create {
			field := row.table.Field(name)
			_, updatable := update[name]
			require.Equal(t, updatable, !field.Has(rules.Fixed), "UPDATE of %s", name)
			require.Equal(t, slices.Contains(test.mask, name), field.Has(rules.Maskable), "mask of %s", name)
			requireRow(t, all, name, field, property)
		}
	}
}

func requireRow(t *testing.T, all schemas, name string, field *rules.Field, property schema) {
	t.Helper()
	require.NotEmpty(t, field.Source, name)
	require.Equal(t, property.Nullable, field.Has(rules.Nullable), "null of %s", name)
	require.Equal(t, all.types(property), field.Types, "types of %s", name)
	require.True(t, field.Has(rules.Enforced), "types of %s are of the schema", name)
	require.Equal(t, property.MaxLength > 0, field.Has(rules.EnforcedLength), "length of %s", name)
	requireProse(t, name, field, property.Description)
	if property.MaxLength > 0 {
		require.Equal(t, property.MaxLength, field.MaxLength, "length of %s", name)
	}
	for _, branch := range append(property.OneOf, property) {
		if branch.Items != nil {
			require.NotNil(t, field.Element, name)
			require.Equal(t, all.types(*branch.Items), field.Element.Types, "elements of %s", name)
			require.Equal(t, branch.MinItems, field.MinItems, name)
			require.Equal(t, branch.MinItems > 0 || branch.MaxItems > 0, field.Has(rules.EnforcedCount), name)
			if branch.MaxItems > 0 {
				require.Equal(t, branch.MaxItems, field.MaxItems, name)
			}
		}
	}
	members := all.properties(property)
	require.Len(t, field.Members, len(members), name)
	for i := range field.Members {
		member := &field.Members[i]
		require.Contains(t, members, member.Name)
		requireRow(t, all, name+"."+member.Name, member, members[member.Name])
	}
}

var (
	proseLength = regexp.MustCompile(`<= ([0-9,]+) characters`)
	proseValues = regexp.MustCompile(`(?s)Must be one of the\s+following\s+values(.*)`)
	proseValue  = regexp.MustCompile(`[‘'<]+([A-Za-z_ ]+?)[’'>]`)
	proseItems  = regexp.MustCompile(`Up to ten`)
)

// requireProse holds a row to what the description says in words: the file has
// most limits only there.
func requireProse(t *testing.T, name string, field *rules.Field, description string) {
	t.Helper()
	if found := proseLength.FindStringSubmatch(description); found != nil {
		limit, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
		require.NoError(t, err)
		have := field.MaxLength
		if field.Types == rules.List {
			have = field.Element.MaxLength
		}
		require.Equal(t, limit, have, "length of %s", name)
	}
	if proseItems.MatchString(description) {
		require.Equal(t, 10, field.MaxItems, name)
	}
	if found := proseValues.FindStringSubmatch(description); found != nil {
		named := proseValue.FindAllStringSubmatch(found[1], -1)
		values := make([]string, 0, len(named))
		for _, value := range named {
			values = append(values, value[1])
		}
		require.ElementsMatch(t, values, field.Values, "values of %s", name)
	}
}

func TestIncompleteItemsAreNamedInFull(t *testing.T) {
	t.Parallel()
	account, err := New(platform.Settings{
		Name: "acme", Token: func(context.Context) (string, error) { return "", nil }, Rules: platform.RulesStrict,
		Catalogs: map[string]setting.Values{"us": {"country": "US", "language": "en-US"}},
	})
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
	for _, test := range []struct {
		operation  catalog.Operation
		attributes string
		want       []string
	}{
		{catalog.Upsert, `{}`, []string{"title", "description", "link", "image_link", "price", "availability"}},
		{
			catalog.Create, `{"title":null,"description":"D","link":"x","image_link":[],"price":"1","availability":"IN STOCK"}`,
			[]string{"title", "title", "link", "image_link"},
		},
		{catalog.Update, `{"price":"cheap","image_link":"https://a/b","gtin":123,"id":"other"}`, []string{"price", "image_link", "gtin", "id"}},
	} {
		m := &catalog.Mutation{ItemID: "SKU-1", Operation: test.operation, Attributes: []byte(test.attributes)}
		problem, warnings := endpoint.Validate(m)
		require.NotNil(t, problem)
		require.Empty(t, warnings)
		fields := []string{strings.TrimPrefix(problem.Field, "attributes.")}
		for _, other := range problem.Others {
			fields = append(fields, strings.TrimPrefix(other.Field, "attributes."))
		}
		require.ElementsMatch(t, test.want, fields, test.attributes)
	}
}

// TestOrdinaryItemsAreClean: what the OpenAPI file gives as examples, and what
// producers send, breaks no rule.
func TestOrdinaryItemsAreClean(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       catalog.Type
		operation  catalog.Operation
		attributes string
	}{
		{"RETAIL", catalog.Update, `{"installment_price":"10:10.00 USD","shipping":"US:CA:Ground:0 USD","tax":"US:1025433:6.00:y",` +
			`"shipping_height":"12 in","shipping_weight":"3 kg","unit_pricing_measure":"10 ML","free_shipping_limit":"35 USD",` +
			`"sale_price_effective_date":"2025-01-01T00:00:00.000000Z/2025-01-07T00:00:00.000000Z","gtin":3234567890126,` +
			`"custom_number_0":10,"last_updated_time":1641483432072,"variant_names":["Color","Size"],"size_system":"us",` +
			`"average_review_rating":5,"ad_image_19_tag":"x","product_type":"Clothing > Women’s > Shirts"}`},
		{"RETAIL", catalog.Update, `{"shipping":":::0 USD","tax":"US:CA:0:","min_ad_price":"19.99USD","sale_price":"14.99"}`},
		{"HOTEL", catalog.Create, `{"name":"Inn","link":"https://a.example","main_image":{"link":"https://a.example/b.jpg","tag":["x"]},` +
			`"base_price":"100 USD","sale_price":"90 USD","latitude":42.1,"longitude":-71,"address":{"addr1":"1 Main","city":"Boston",` +
			`"region":"MA","country":"USA","postal_code":"02111"},"neighborhood":["Back Bay"],"guest_ratings":` +
			`{"score":9.1,"max_score":10,"number_of_reviewers":3,"rating_system":null}}`},
		{"CREATIVE_ASSETS", catalog.Upsert, `{"title":"T","link":"https://a.example","image_link":"https://a.example/b.jpg","visibility":"VISIBLE",` +
			`"ios_deep_link":"app://x"}`},
	} {
		row := catalogTypes()[test.name]
		findings := row.table.Check(&catalog.Mutation{
			ItemID: "1", Operation: test.operation, Attributes: []byte(test.attributes),
		}, platform.RulesStrict)
		problem, warnings := findings.Result(platform.RulesStrict)
		require.Nil(t, problem, "%s", test.attributes)
		require.Empty(t, warnings)
	}
}

func TestShippingAndTaxGroups(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "US:CA:0 USD", "US:CA:Ground:free", "XX:CA:Ground:0 USD", "US:CA:Ground:9.99 US"} {
		require.NotEmpty(t, shippingCost.Wrong(bad), bad)
	}
	for _, bad := range []string{"", "US:1:6", ":1:6:y", "US::6:y", "US:1:x:y", "US:1:600:y", "US:1:6:maybe"} {
		require.NotEmpty(t, taxRate.Wrong(bad), bad)
	}
}

// TestNothingIsMaskedButRetail: update_mask is part of the retail record only.
func TestNothingIsMaskedButRetail(t *testing.T) {
	t.Parallel()
	for name, row := range catalogTypes() {
		for _, attribute := range row.table.Names() {
			require.True(t, name == "RETAIL" || !row.canMask(attribute), "%s of %s", attribute, name)
		}
		for _, key := range row.keys {
			require.True(t, row.repeatsKey(key))
		}
	}
}

func TestAnOrdinaryItemCostsNoAllocation(t *testing.T) {
	e := retailEndpoint()
	m := &catalog.Mutation{ItemID: "SKU-1", Operation: catalog.Upsert, Attributes: benchmarkRecords(1)[0].Change.Attributes}
	problem, warnings := e.Validate(m)
	require.Nil(t, problem)
	require.Empty(t, warnings)
	require.Zero(t, testing.AllocsPerRun(100, func() { e.Validate(m) }))
}

// TestDoubtfulRows lists the rows on which Pinterest's own texts disagree. A row
// that joins them is a decision to be made here.
func TestDoubtfulRows(t *testing.T) {
	t.Parallel()
	doubtful := map[catalog.Type][]string{
		"RETAIL": {"item_id", "id", "gtin", "ai_disclosures"}, "HOTEL": {"hotel_id"}, "CREATIVE_ASSETS": {"creative_assets_id"},
		"LOCAL_INVENTORY": {"item_id", "availability"},
	}
	for name, row := range catalogTypes() {
		var have []string
		for _, field := range row.table.Fields {
			if field.Doubt != "" {
				have = append(have, field.Name)
			}
		}
		require.ElementsMatch(t, doubtful[name], have, name)
	}
}
