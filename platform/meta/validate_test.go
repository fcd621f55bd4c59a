package meta

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

// openAt opens a catalog of each edge with the level.
func openAt(t *testing.T, level platform.RuleLevel, edge string, name catalog.Type) platform.Endpoint {
	t.Helper()
	account, err := New(platform.Settings{
		Name: "acme", Rules: level, Token: func(context.Context) (string, error) { return "", nil },
		Catalogs: map[string]setting.Values{"products": {"catalog_id": "1", "endpoint": edge}},
	})
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("products", name)
	require.Nil(t, problem)
	return endpoint
}

type told struct {
	reason catalog.Reason
	field  string
}

// tellings are the problem with its others, and the warnings.
func tellings(problem *catalog.Problem, warnings []catalog.Problem) (refused, warned []told) {
	if problem != nil {
		for _, one := range append([]catalog.Problem{*problem}, problem.Others...) {
			refused = append(refused, told{one.Reason, one.Field})
		}
	}
	for _, one := range warnings {
		warned = append(warned, told{one.Reason, one.Field})
	}
	return refused, warned
}

// TestAllProblemsOfAnItemAreToldAtOnce: the item breaks a rule of each sort.
func TestAllProblemsOfAnItemAreToldAtOnce(t *testing.T) {
	t.Parallel()
	hard := []told{
		{catalog.NotClearable, "attributes.image"},
		{catalog.KeyMismatch, "attributes.origin_airport"},
		{catalog.UnsupportedOperation, "operation"},
		{catalog.InvalidValue, "localization"},
	}
	values := []told{{catalog.InvalidValue, "item_id"}, {catalog.InvalidValue, "attributes.price"}}
	unknown := []told{{catalog.UnknownAttribute, "attributes.seats"}}
	for level, want := range map[platform.RuleLevel][2][]told{
		platform.RulesWarn:   {hard[:2], append(values[:2:2], unknown...)},
		platform.RulesStrict: {append(hard[:2:2], values...), unknown},
		platform.RulesOff:    {hard[:2], nil},
	} {
		m := &catalog.Mutation{
			ItemID: "BOS/jfk", Operation: catalog.Update,
			Attributes: []byte(`{"price":"100","image":null,"seats":7,"origin_airport":"SFO"}`),
		}
		refused, warned := tellings(openAt(t, level, "", "FLIGHT").Validate(m))
		require.Equal(t, want[0], refused)
		require.Equal(t, want[1], warned)

		m = &catalog.Mutation{
			ItemID: "BOS/JFK", Operation: catalog.DeleteDiscontinued,
			Localization: catalog.Localization{Type: byLanguage, Value: "pl_PL"},
		}
		refused, warned = tellings(openAt(t, level, "", "FLIGHT").Validate(m))
		require.Equal(t, hard[2:], refused)
		require.Empty(t, warned)
	}
}

// TestLocalizedRecordsHaveRulesOfTheirOwn: only some fields, prices for countries
// only, app links whole, and nothing required.
func TestLocalizedRecordsHaveRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, value, attributes string
		want                    []told
	}{
		{byLanguage, "pl_PL", `{"title":"Lampa","image":[{"url":"https://example.com/pl.jpg"}]}`, nil},
		{byCountry, "GB", `{"price":"19.99 GBP","availability":"in stock"}`, nil},
		{byLanguage, "pl_PL", `{"price":"19.99 PLN"}`, []told{{catalog.InvalidValue, "attributes.price"}}},
		{byLanguageAndCountry, "en_XX|US", `{"price":"19.99 USD"}`, []told{{catalog.InvalidValue, "attributes.price"}}},
		{byLanguage, "pl_PL", `{"image_link":"https://example.com/pl.jpg"}`, []told{{catalog.InvalidValue, "attributes.image_link"}}},
		{byCountry, "GB", `{"gtin":"4006381333931"}`, []told{{catalog.InvalidValue, "attributes.gtin"}}},
		{byLanguage, "pl_PL", `{` + exampleAppLink + `}`, nil},
	} {
		m := &catalog.Mutation{
			ItemID: "SKU-1", Operation: catalog.Upsert, Attributes: []byte(test.attributes),
			Localization: catalog.Localization{Type: test.kind, Value: test.value},
		}
		refused, warned := tellings(openAt(t, platform.RulesStrict, localizedBatchEdge, "PRODUCT_ITEM").Validate(m))
		require.Equal(t, test.want, refused, test.attributes)
		require.Empty(t, warned)
		refused, warned = tellings(openAt(t, platform.RulesWarn, localizedBatchEdge, "PRODUCT_ITEM").Validate(m))
		require.Empty(t, refused)
		require.Equal(t, test.want, warned)
	}
}

// TestLegacyBatchTellsEachProblemOnce: what the dialect and the table both refuse.
func TestLegacyBatchTellsEachProblemOnce(t *testing.T) {
	t.Parallel()
	m := &catalog.Mutation{
		ItemID: "SKU-1", Operation: catalog.Update, Attributes: []byte(`{"title":null,"price":"24.99 USD","seats":null}`),
	}
	refused, _ := tellings(openAt(t, platform.RulesWarn, legacyBatchEdge, "PRODUCT_ITEM").Validate(m))
	require.ElementsMatch(t, []told{{catalog.NotClearable, "attributes.title"}, {catalog.NotClearable, "attributes.seats"}}, refused)
}

// TestLegacyFieldsHaveRows: what the older edge translates is checked as well.
func TestLegacyFieldsHaveRows(t *testing.T) {
	t.Parallel()
	for name := range legacyFields {
		require.NotNil(t, productItem().table.Field(name), name)
	}
}
