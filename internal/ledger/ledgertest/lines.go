//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// line is a mutation of a pack. All lines of a pack have the time and the id of its message.
func line(sequence uint64, number int, item string) *catalog.Mutation {
	m := Mutation(sequence, item)
	m.Position.Line, m.ID = number, fmt.Sprintf("m%d/%d", sequence, number)
	return m
}

// partsOfAPack: of one message some lines are in a batch, some wait, one is refused, one is
// stale. Each has a row of its own, and what is recorded is known by line.
func partsOfAPack(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	tx := Transaction(lease)
	tx.Batches = []ledger.Batch{Batch(Record(line(5, 1, "a"), line(5, 2, "a")), Record(line(5, 4, "b")))}
	waiting := []*catalog.Mutation{line(5, 5, "c"), line(5, 6, "d"), line(5, 8, "e"), line(6, 1, "f"), Mutation(7, "g")}
	tx.Waiting = append(tx.Waiting, waiting...)
	tx.Invalid = []ledger.InvalidMutation{{Mutation: line(5, 3, "a"), Problem: catalog.Problem{Reason: catalog.InvalidJSON, Text: "no JSON"}}}
	tx.Stale = []ledger.StaleVersion{{Mutation: line(5, 7, "a"), SupersededBy: "m5/2"}}
	tx.Recorded = []ledger.Range{{First: 5, Last: 5, LastLine: 8}, {First: 6, Last: 7, FirstLine: 1}}
	commit(t, h, lease, tx)
	again := Transaction(lease)
	again.Batches = []ledger.Batch{Batch(Record(line(5, 10, "z")))}
	again.Recorded = []ledger.Range{{First: 5, Last: 5, FirstLine: 10}}
	commit(t, h, lease, again)
	require.Equal(t, map[string]string{
		"m5/1": "superseded", "m5/2": "submitted", "m5/3": "invalid", "m5/4": "submitted", "m5/5": "waiting", "m5/6": "waiting",
		"m5/7": "superseded", "m5/8": "waiting", "m5/10": "submitted", "m6/1": "waiting", "m7": "waiting",
	}, h.Statuses(t))

	r := resume(t, h, lease)
	for number, recorded := range map[int]bool{1: true, 8: true, 9: false, 10: true, 11: true} {
		held := false
		for _, known := range r.Recorded {
			held = held || known.Holds(catalog.Position{Sequence: 5, Line: number})
		}
		require.Equal(t, recorded, held, "line %d", number)
	}
	require.Len(t, r.Open, 2)
	require.Equal(t, 2, r.Open[0].Records[0].Constituents[1].Position.Line)

	page := func(after catalog.Position) (ids []string) {
		for { // page by page, as an engine reads
			found, err := h.Store.Waiting(t.Context(), Lane, after, 2)
			require.NoError(t, err)
			for _, m := range found.Mutations {
				ids, after = append(ids, m.ID), m.Position
			}
			if !found.More {
				return ids
			}
		}
	}
	require.Equal(t, []string{"m5/5", "m5/6", "m5/8", "m6/1", "m7"}, page(catalog.Position{}))
	require.Equal(t, []string{"m5/6", "m5/8", "m6/1", "m7"}, page(catalog.Position{Sequence: 5, Line: 5}))
	require.Equal(t, []string{"m5/5", "m5/6", "m5/8", "m6/1", "m7"}, page(line(5, 5, "c").Position.Before()))
	require.Equal(t, []string{"m7"}, page(Mutation(7, "g").Position.Before()))

	for _, m := range waiting {
		m.HasWaitingRow = true
	}
	tx = Transaction(lease)
	tx.Batches = []ledger.Batch{Batch(Record(waiting[1]), Record(waiting[4]))}
	commit(t, h, lease, tx)
	require.Equal(t, []string{"m5/5", "m5/8", "m6/1"}, page(catalog.Position{}), "a line goes without its neighbours")
	require.Equal(t, "submitted", h.Statuses(t)["m5/6"])

	finish(t, h, lease, r.Open[0].Batch)
	outcomes := unfolded(t, h, 0).Outcomes
	at := map[int]ledger.OutcomeStatus{}
	for _, o := range outcomes {
		require.Equal(t, uint64(5), o.Position.Sequence)
		at[o.Position.Line] = o.Status
	}
	require.Equal(t, map[int]ledger.OutcomeStatus{
		1: ledger.OutcomeSuperseded, 2: ledger.OutcomeSucceeded, 3: ledger.OutcomeInvalid, 4: ledger.OutcomeSucceeded, 7: ledger.OutcomeSuperseded,
	}, at)
}

// oneIDInAllLines: lines that bear one id are mutations of their own.
func oneIDInAllLines(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	var all []*catalog.Mutation
	tx := Transaction(lease)
	for number := 1; number <= 200; number++ {
		m := line(5, number, fmt.Sprint("item ", number))
		m.ID = "the same"
		all = append(all, m)
	}
	tx.Waiting = all
	commit(t, h, lease, tx)
	tx = Transaction(lease)
	records := make([]catalog.Record, 0, len(all))
	for _, m := range all[:100] {
		m.HasWaitingRow = true
		records = append(records, Record(m))
	}
	batch := Batch(records...)
	tx.Batches = []ledger.Batch{batch}
	for _, m := range all[100:] {
		m.HasWaitingRow = true
		tx.Invalid = append(tx.Invalid, ledger.InvalidMutation{Mutation: m, Problem: catalog.Problem{
			Reason: catalog.InvalidValue, Text: fmt.Sprint("line ", m.Position.Line),
		}})
	}
	commit(t, h, lease, tx)
	finish(t, h, lease, batch)
	seen := map[int]bool{}
	for _, o := range unfolded(t, h, 0).Outcomes {
		number := o.Position.Line
		require.False(t, seen[number])
		seen[number] = true
		require.Equal(t, fmt.Sprint("item ", number), o.ItemID)
		if number <= 100 {
			require.Equal(t, ledger.OutcomeSucceeded, o.Status)
		} else {
			require.Equal(t, ledger.OutcomeInvalid, o.Status)
			require.Equal(t, fmt.Sprint("line ", number), o.Errors[0].Message)
		}
	}
	require.Len(t, seen, 200)
}

// versionsOfLines: of equal versions in one pack the later line's is kept, and a delete ends
// those of the lines before it.
func versionsOfLines(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	m := line(5, 2, "a")
	set := func(number int, version int64) {
		tx := Transaction(lease)
		m := line(5, number, "a")
		tx.Waiting = []*catalog.Mutation{m}
		tx.Versions = []ledger.ItemVersion{{Key: m.Key(), Version: version, MutationID: m.ID, Position: m.Position}}
		commit(t, h, lease, tx)
	}
	known := func() (catalog.Position, bool) {
		versions, err := h.Store.NewestVersions(t.Context(), []catalog.ItemKey{m.Key()})
		require.NoError(t, err)
		version, ok := versions[m.Key()]
		return version.Position, ok
	}
	set(2, 7)
	set(4, 7)
	set(3, 7)
	position, ok := known()
	require.True(t, ok)
	require.Equal(t, catalog.Position{Sequence: 5, Line: 4}, position)
	reset := func(number int) {
		batch := record(t, h, lease, Record(line(6, number, "a")))
		tx := Transaction(lease)
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, Lane: Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: At, Succeeded: 1,
			ResetVersions: []ledger.ItemVersion{{Key: m.Key(), Version: 7, Position: catalog.Position{Sequence: 5, Line: number}}},
		}}
		commit(t, h, lease, tx)
	}
	reset(3)
	_, ok = known()
	require.True(t, ok, "it was set behind the delete")
	reset(4)
	_, ok = known()
	require.False(t, ok)
}
