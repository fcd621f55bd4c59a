package sources_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// fixed is a history without the choices that others draw.
func fixed(t *testing.T, rt *rapid.T) *history {
	t.Helper()
	h := newHistory(rt, openStore(t))
	h.own = false
	for i, model := range h.models {
		model.missing, model.runs, model.guard, model.mapping = difference.Delete, 1, difference.DefaultGuard, ""
		route := &h.source.Routes[i]
		route.Missing, route.MissingRuns, route.Guard = model.missing, model.runs, model.guard
	}
	for _, id := range ids {
		h.records[id] = record{id: id, attributes: map[string]any{"title": id}}
	}
	return h
}

// TestDuplicatesAreNotSentAgain: of several records with one id the last counts, in each run.
func TestDuplicatesAreNotSentAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := fixed(t, rt)
		h.extra = []record{{id: "a", attributes: map[string]any{"title": "last"}}}
		for range 2 {
			h.later()
			h.run(rt, 0)
		}
		h.later()
		_, result := h.run(rt, 0)
		require.Zero(rt, result.Published)
	})
}

// TestASnapshotCountsOnce: a snapshot that is read again after a crash is not two in a row.
func TestASnapshotCountsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := fixed(t, rt)
		h.later()
		h.run(rt, 0)
		for i := range h.models {
			h.models[i].runs, h.source.Routes[i].MissingRuns = 2, 2
		}
		delete(h.records, "a")
		h.later()
		h.commitsLeft = 3 // the first route has counted it
		_, err := h.runner("first").Run(t.Context(), h.source, run.Request{Trigger: "test"})
		require.Error(rt, err)
		h.commitsLeft = -1
		_, err = h.runner("first").Run(t.Context(), h.source, run.Request{Trigger: "test"})
		require.NoError(rt, err)
		require.Contains(rt, h.sims[0].Items(catalogKey, historyLanes[0].Type), "a", "one snapshot lacked it")
	})
}
