// Package rulestest is what tests of the tables of all platforms share. It needs no
// platform, so that tests inside of their packages may use it.
package rulestest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// FuzzTables holds whatever may come to the tables of a platform's catalog types:
// the same is found each time, and the level decides only what is done about it.
// Its arguments are an item id, attributes, the index of a table and an operation.
func FuzzTables(f *testing.F, tables []*rules.Table) {
	f.Helper()
	f.Fuzz(func(t *testing.T, id string, attributes []byte, which, operation uint8) {
		table := tables[int(which)%len(tables)]
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
