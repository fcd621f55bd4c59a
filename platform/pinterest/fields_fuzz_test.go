package pinterest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

const completeRetailItem = `{"title":"A lamp","description":"Gives light","link":"https://example.com/lamp",` +
	`"image_link":["https://example.com/lamp.jpg"],"price":"24.99 USD","availability":"in stock"}`

// FuzzTables holds whatever may come to the tables of all types: the same is found
// each time, and the level decides only what is done about it.
func FuzzTables(f *testing.F) {
	f.Add("SKU-1", []byte(completeRetailItem), uint8(0), uint8(catalog.Upsert))
	f.Add("SKU-1", []byte(`{"price":"24.9999USD","gtin":4006381333931,"image_link":["a","b"],"shipping":":::x","tax":"US:1:x:"}`), uint8(0), uint8(catalog.Create))
	f.Add("h", []byte(`{"guest_ratings":{"score":null},"main_image":{"link":1,"tag":[1]},"latitude":91,"address":[]}`), uint8(1), uint8(catalog.Update))
	f.Add("c", []byte(`{"visibility":"gone","ios_deep_link":":","hotel_id":"\u0063"}`), uint8(2), uint8(catalog.Delete))
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
	})
}

func problems(problem *catalog.Problem) int {
	if problem == nil {
		return 0
	}
	return 1 + len(problem.Others)
}
