package sources_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// TestTheFeedChangesAfterACrash ends a run between publishing and keeping the states, and
// changes the feed before the next run: nothing of what was published may stay.
func TestTheFeedChangesAfterACrash(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	lamp := func(attributes map[string]any) map[string]record {
		return map[string]record{"a": {id: "a", attributes: attributes}, "z": {id: "z", attributes: map[string]any{"title": "Z"}}}
	}
	plain, sale := map[string]any{"title": "A"}, map[string]any{"title": "A", "sale_price": "5.25 USD"}
	none := lamp(nil)
	delete(none, "a")
	for name, versions := range map[string][3]map[string]record{
		"an item that was added is gone again":        {none, lamp(plain), none},
		"an item that was deleted is back":            {lamp(plain), none, lamp(plain)},
		"a change is taken back":                      {lamp(plain), lamp(map[string]any{"title": "B"}), lamp(plain)},
		"a sale that began is over":                   {lamp(plain), lamp(sale), lamp(plain)},
		"a sale that began is over, and more changed": {lamp(plain), lamp(sale), lamp(map[string]any{"title": "B"})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				h := newHistory(rt, store)
				h.own = false
				for i, model := range h.models {
					model.missing, model.runs, model.guard, model.mapping = difference.Delete, 1, difference.DefaultGuard, ""
					route := &h.source.Routes[i]
					route.Missing, route.MissingRuns, route.Guard = model.missing, model.runs, model.guard
				}
				h.records = versions[0]
				h.later()
				h.run(rt, 0)
				h.records, h.commitsLeft = versions[1], rapid.IntRange(0, 3).Draw(rt, "commits")
				h.later()
				_, err := h.runner("first").Run(context.Background(), h.source, run.Request{Trigger: "test"})
				require.ErrorIs(rt, err, errCrash)
				h.records, h.commitsLeft, h.now = versions[2], -1, h.now.Add(time.Hour)
				h.run(rt, 0)
				h.check(rt)
			})
		})
	}
}
