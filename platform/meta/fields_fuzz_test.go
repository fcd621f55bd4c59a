package meta

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

// FuzzTables holds whatever may come to the tables of all types: the same is found
// each time, and the level decides only what is done about it.
func FuzzTables(f *testing.F) {
	f.Add("SKU-1", []byte(ordinaryProduct), uint8(0), uint8(catalog.Create))
	f.Add("BOS/JFK", []byte(ordinaryFlight), uint8(1), uint8(catalog.Update))
	f.Add("1", []byte(`{"applink":{"ios_url":1},"shipping":[{"shipping_price_value":1e9}],"sale_price_effective_date":"2026-01-01T/"}`), uint8(2), uint8(catalog.Upsert))
	f.Add("a%2Fb/c", []byte(`{"guest_rating":[{"score":"x"}],"available_dates_price_config":[{"rate":"1"}],"neighborhood":[[],{}]}`), uint8(3), uint8(catalog.Create))
	types := catalogTypes()
	names := slices.Sorted(maps.Keys(types))
	f.Fuzz(func(t *testing.T, id string, attributes []byte, which, operation uint8) {
		table := types[names[int(which)%len(names)]].table
		m := &catalog.Mutation{
			ItemID: id, Attributes: attributes,
			Operation: catalog.Operation(operation%uint8(catalog.DeleteDiscontinued)) + 1,
		}
		warn, strict := table.Check(m, platform.RulesWarn), table.Check(m, platform.RulesStrict)
		require.Equal(t, warn, strict)
		refused, warnings := strict.Result(platform.RulesStrict)
		kept, more := warn.Result(platform.RulesWarn)
		all, told := problems(refused)+len(warnings), problems(kept)+len(more)
		require.GreaterOrEqual(t, all, told, "warnings are bounded in bytes")
		require.Equal(t, all == 0, told == 0)
		off := table.Check(m, platform.RulesOff)
		hard, none := off.Result(platform.RulesOff)
		require.Equal(t, kept, hard)
		require.Empty(t, none)
		require.Equal(t, table.CheckLocalized(m, platform.RulesWarn, true), table.CheckLocalized(m, platform.RulesStrict, true))
	})
}

func problems(problem *catalog.Problem) int {
	if problem == nil {
		return 0
	}
	return 1 + len(problem.Others)
}
