package meta

import (
	"encoding/json"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// The types that other tests speak of.
func productItem() *catalogType { return catalogTypes()["PRODUCT_ITEM"] }

func flight() *catalogType { return catalogTypes()["FLIGHT"] }

// gatheredField is one line of what was gathered from Meta's pages.
type gatheredField struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	MaxLen   int      `json:"max_len"`
	Enum     []string `json:"enum"`
	Format   string   `json:"format"`
}

// gathered decodes one of the two files about Meta's fields.
func gathered(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "fields", file))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

var gatheredTypes = map[string]rules.Type{
	"string": rules.String, "integer": rules.Integer, "number": rules.Number, "array<string>": rules.List,
	"array<object>": rules.List, "object": rules.Object, "object<string>": rules.Object,
}

// elsewhere are rows that the item types' own tables do not have: they stand in the
// page on localized catalogs, or are fields of the older batch, alone.
var elsewhere = map[catalog.Type][]string{
	"PRODUCT_ITEM": append([]string{"short_description", "marked_for_product_launch"}, furtherNames()...), "FLIGHT": {"internal_label"}, "DESTINATION": {"internal_label"},
}

// furtherNames are those of other pages and programs of Meta.
func furtherNames() (names []string) {
	for _, field := range append(otherProductFields(), marketplaceFields()...) {
		names = append(names, field.Name)
	}
	return names
}

// forCountries can be localized for a country: Meta's page on localized catalogs has them
// among the fields of countries, and not in the list of the item type.
var forCountries = map[catalog.Type][]string{
	"PRODUCT_ITEM": {"status", "unit_price"}, "HOTEL": {"status"}, "HOME_LISTING": {"status"}, "VEHICLE": {"status"},
}

// TestTablesFitWhatWasGathered holds every row to the list of fields, and every
// line of the list to a row.
func TestTablesFitWhatWasGathered(t *testing.T) {
	t.Parallel()
	lists := map[string][]gatheredField{}
	gathered(t, "fields.json", &lists)
	delete(lists, "PRODUCT_ITEM_LEGACY_BATCH") // a dialect, not a type
	require.Len(t, lists, len(catalogTypes()))
	for name, row := range catalogTypes() {
		names := slices.Clone(elsewhere[name])
		for _, want := range lists[string(name)] {
			names = append(names, want.Name)
			field := row.table.Field(want.Name)
			require.NotNil(t, field, "%s of %s", want.Name, name)
			requireGathered(t, string(name)+"."+want.Name, field, want)
		}
		require.ElementsMatch(t, names, row.table.Names(), name)
	}
}

func requireGathered(t *testing.T, name string, field *rules.Field, want gatheredField) {
	t.Helper()
	require.NotEmpty(t, field.Source, name)
	if name != "PRODUCT_ITEM.image_link" { // required on one page, and image on another: one of them must be there
		require.Equal(t, want.Required, field.Required, "required: %s", name)
	}
	if longer := field.Source == catalogReference && field.Doubt != ""; longer {
		require.GreaterOrEqual(t, field.MaxLength, want.MaxLen, "length of %s", name)
	} else {
		require.Equal(t, want.MaxLen, field.MaxLength, "length of %s", name)
	}
	kind := gatheredTypes[want.Type]
	require.NotZero(t, kind, want.Type)
	if kind == rules.Integer && field.Doubt != "" {
		kind |= rules.Number
	}
	if field.Doubt == "" {
		require.Equal(t, kind, field.Types, "types of %s; another one needs a doubt", name)
	} else {
		require.NotZero(t, field.Types&kind, "types of %s", name)
	}
	if want.Format == "active|archived" {
		want.Enum = strings.Split(want.Format, "|")
	}
	values := field.Values
	if field.Element != nil {
		values = field.Element.Values
	}
	if field.Doubt == "" {
		require.ElementsMatch(t, want.Enum, values, "values of %s", name)
	} else {
		require.Subset(t, values, want.Enum, "values of %s", name)
	}
}

type extraLists struct {
	Keys        map[string][]string `json:"item_keys"`
	AppLink     []string            `json:"applink"`
	Together    []string            `json:"applink_localized_subset_all_required_together"`
	Localized   map[string][]string `json:"localized_fields"`
	CountryOnly []string            `json:"localized_country_only"`
	Shipping    []string            `json:"shipping_items_batch"`
}

func TestKeysFitWhatWasGathered(t *testing.T) {
	t.Parallel()
	var extra extraLists
	gathered(t, "further.json", &extra)
	keys := map[string][]string{}
	for name, row := range catalogTypes() {
		keys[string(name)] = row.keys
		for i, part := range row.keys {
			require.Equal(t, i+1, row.table.Field(part).Key)
		}
	}
	require.Equal(t, extra.Keys, keys)
}

func TestLocalizableFieldsFitWhatWasGathered(t *testing.T) {
	t.Parallel()
	var extra extraLists
	gathered(t, "further.json", &extra)
	for name, row := range catalogTypes() {
		want, wantCountry := slices.Clone(forCountries[name]), slices.Clone(forCountries[name])
		for _, field := range extra.Localized[string(name)] {
			field, _, _ = strings.Cut(field, " ") // "image (not image_link)"
			field = strings.Replace(field, "_0..4", "_{0..4}", 1)
			want = append(want, field)
			if slices.Contains(extra.CountryOnly, field) {
				wantCountry = append(wantCountry, field)
			}
		}
		require.ElementsMatch(t, want, namesOf(row.table.Fields, rules.Localizable), name)
		require.ElementsMatch(t, wantCountry, namesOf(row.table.Fields, rules.CountryOnly), name)
	}
}

func TestNestedMembersFitWhatWasGathered(t *testing.T) {
	t.Parallel()
	var extra extraLists
	gathered(t, "further.json", &extra)
	appLinks := productItem().table.Field("applink").Members
	require.ElementsMatch(t, extra.AppLink, namesOf(appLinks, 0))
	require.ElementsMatch(t, extra.Together, namesOf(appLinks, rules.RequiredTogether))
	require.ElementsMatch(t, extra.Shipping, namesOf(productItem().table.Field("shipping").Element.Members, 0))
}

// namesOf are the fields that have all the traits.
func namesOf(fields []rules.Field, traits rules.Trait) []string {
	names := make([]string, 0, len(fields))
	for _, field := range fields {
		if field.Has(traits) {
			names = append(names, field.Name)
		}
	}
	return names
}

// TestDoubtfulRows lists the rows on which sources contradict each other in a way
// that decides about an item. A row that joins them is a decision to be made here.
func TestDoubtfulRows(t *testing.T) {
	t.Parallel()
	doubtful := map[catalog.Type][]string{
		"PRODUCT_ITEM": {
			"title", "description", "availability", "condition", "image_link", "image", "brand", "additional_image_link",
			"additional_variant_attribute", "age_group", "color", "disabled_capabilities", "visibility", "internal_label", "inventory", "shipping", "marked_for_product_launch",
		},
		"HOTEL": {
			"image", "latitude", "longitude", "url", "margin_level", "sale_price", "star_rating", "internal_label",
		},
		"HOTEL_ROOM":  {"image", "margin_level", "status"},
		"FLIGHT":      {"image", "internal_label"},
		"DESTINATION": {"image", "latitude", "longitude", "price", "price_change", "internal_label"},
		"HOME_LISTING": {
			"image", "latitude", "longitude", "neighborhood", "num_baths", "num_beds", "num_units", "num_rooms", "price_change",
			"year_built", "parking_type",
		},
		"VEHICLE": {
			"year", "body_style", "address", "latitude", "longitude", "vin", "availability", "drivetrain",
		},
		"VEHICLE_OFFER":      {"year", "image"},
		"STORE_PRODUCT_ITEM": {"price", "sale_price", "pickup_timeline"},
		"APP_AND_SOFTWARE":   {"availability", "condition"},
		"MEDIA_TITLE":        {"availability", "condition"},
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

// TestOnlyOptionalStringsAndListsAreCleared names what has an empty value in two
// types, and holds all types to the rule.
func TestOnlyOptionalStringsAndListsAreCleared(t *testing.T) {
	t.Parallel()
	table := productItem().table
	for _, name := range []string{"brand", "sale_price", "image_link", "custom_label_4", "status", "additional_variant_attribute"} {
		require.Equal(t, rules.EmptyString, table.Cleared(name), name)
	}
	for _, name := range []string{"additional_image_link", "image", "internal_label", "shipping", "video", "disabled_capabilities"} {
		require.Equal(t, rules.EmptyList, table.Cleared(name), name)
	}
	for _, name := range []string{"id", "title", "price", "applink", "custom_number_0", "inventory", "user_rating", "importer_address", "unheard_of"} {
		require.Empty(t, table.Cleared(name), name)
	}
	require.Empty(t, flight().table.Cleared("image"), "required there")
	for name, row := range catalogTypes() {
		for _, field := range row.table.Fields {
			optional := !field.Required || field.AlternativeTo != ""
			if field.Cleared == rules.Null {
				require.Equal(t, itemAPI, field.Source, "no other page says null")
				continue
			}
			require.Equal(t, optional && field.Types&(rules.String|rules.List) != 0, field.Clearable(), "%s of %s", field.Name, name)
		}
	}
}

// all are a problem and its others.
func all(problem *catalog.Problem) iter.Seq[catalog.Problem] {
	return func(yield func(catalog.Problem) bool) {
		if problem != nil && yield(*problem) {
			slices.Values(problem.Others)(yield)
		}
	}
}

// TestOnlyCreateAsksForAllRequiredFields: an UPSERT of an item that exists changes no
// more than it names.
func TestOnlyCreateAsksForAllRequiredFields(t *testing.T) {
	t.Parallel()
	for name, row := range catalogTypes() {
		id := strings.TrimSuffix(strings.Repeat("ABC/", len(row.keys)), "/")
		required := map[string]bool{}
		for _, field := range row.table.Fields {
			if field.Required && field.Key == 0 {
				required["attributes."+field.Name] = true
			}
		}
		for _, op := range []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete} {
			findings := row.table.Check(&catalog.Mutation{ItemID: id, Operation: op, Attributes: []byte(`{}`)}, platform.RulesStrict)
			problem, _ := findings.Result(platform.RulesStrict)
			missing := map[string]bool{}
			for one := range all(problem) {
				require.Equal(t, catalog.MissingField, one.Reason)
				missing[one.Field] = true
			}
			if op == catalog.Create {
				require.Equal(t, required, missing, name)
			} else {
				require.Empty(t, slices.Collect(maps.Keys(missing)), "%s of %s", op, name)
			}
		}
	}
}
