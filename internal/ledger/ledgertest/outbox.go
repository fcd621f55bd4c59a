//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// unfolded is the outbox of partition 0 after a number, as one page.
func unfolded(t *testing.T, h Harness, after int64) ledger.OutboxPage {
	t.Helper()
	page, err := h.Outbox.Outcomes(t.Context(), 0, after, ledger.OutboxLimit{})
	require.NoError(t, err)
	require.False(t, page.More)
	return page
}

// ends are the statuses of outcomes by mutation; each must be there once.
func ends(t *testing.T, outcomes []ledger.Outcome) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, o := range outcomes {
		require.NotContains(t, found, o.MutationID, "each mutation becomes final once")
		found[o.MutationID] = string(o.Status)
	}
	return found
}

func outboxOfBatches(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	first, second := Mutation(1, "a"), Mutation(2, "a")
	second.Warnings = []catalog.Problem{{Reason: catalog.UnknownAttribute, Field: "x", Text: "nobody knows it"}}
	batch := record(t, h, lease, Record(first, second), Record(Mutation(3, "b")), Record(Mutation(4, "c"), Mutation(5, "c")), Record(Mutation(6, "d")))
	require.Empty(t, unfolded(t, h, 0).Outcomes, "a batch that is sent is not final, nor are those that it superseded")
	require.NoError(t, h.Store.AppendAttempts(t.Context(), []ledger.Attempt{
		{BatchID: batch.ID, Number: 1, Result: ledger.Accepted, Handles: []string{"h1", "h2"}, At: At},
	}))
	finish(t, h, lease, batch,
		ledger.RecordOutcome{
			Index: 1, Result: ledger.Failed, Constituents: batch.Records[1].Constituents, Reason: catalog.Refused,
			Errors: []ledger.Issue{{Code: "2", Attribute: "price", Message: "too low"}},
		},
		ledger.RecordOutcome{
			Index: 2, Result: ledger.Unconfirmed, Constituents: batch.Records[2].Constituents, Reason: catalog.Unconfirmed,
			Errors: []ledger.Issue{{Message: "no word"}},
		},
		ledger.RecordOutcome{Index: 3, Result: ledger.Succeeded, Warnings: []ledger.Issue{{Message: "hm"}}},
	)
	page := unfolded(t, h, 0)
	require.Equal(t, map[string]string{
		"m1": "superseded", "m2": "succeeded", "m3": "failed", "m4": "unconfirmed", "m5": "unconfirmed", "m6": "succeeded",
	}, ends(t, page.Outcomes))
	require.Equal(t, ledger.Outcome{
		Lane: Lane, MutationID: "m1", ItemID: "a", Operation: catalog.Upsert, Status: ledger.OutcomeSuperseded, SupersededBy: "m2",
		BatchID: batch.ID, Handle: "h1", Attempts: 1, PublishedAt: first.PublishedAt, ReceivedAt: first.ReceivedAt,
		FinishedAt: At.Add(time.Minute), Position: first.Position,
	}, page.Outcomes[0])
	require.Equal(t, []ledger.Issue{{Code: "unknown_attribute", Attribute: "x", Message: "nobody knows it"}}, page.Outcomes[1].Warnings)
	require.Equal(t, catalog.Refused, page.Outcomes[2].Reason)
	require.Equal(t, []ledger.Issue{{Code: "2", Attribute: "price", Message: "too low"}}, page.Outcomes[2].Errors)
	require.Equal(t, catalog.Unconfirmed, page.Outcomes[3].Reason)
	require.Empty(t, page.Outcomes[3].SupersededBy)
	require.Equal(t, []ledger.Issue{{Message: "hm"}}, page.Outcomes[5].Warnings)
	require.Empty(t, unfolded(t, h, page.To).Outcomes)
}

// outboxOfReturned: what goes back to waiting, or into a batch of the same transaction, is
// not final, whatever became of it when the outbox is read.
func outboxOfReturned(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	settled, back, again, half := Mutation(1, "a"), Mutation(2, "a"), Mutation(3, "b"), Mutation(4, "c")
	batch := record(t, h, lease, Record(settled, back), Record(again), Record(half))
	next := Batch(Record(half))
	tx := Transaction(lease)
	tx.Outcomes = []ledger.BatchOutcome{outcome(batch,
		ledger.RecordOutcome{Index: 0, Result: ledger.Returned, Constituents: []*catalog.Mutation{settled, back}, Settled: []*catalog.Mutation{settled}},
		ledger.RecordOutcome{Index: 1, Result: ledger.Returned, Constituents: []*catalog.Mutation{again}},
	)}
	tx.Batches = []ledger.Batch{next}
	commit(t, h, lease, tx)
	one := unfolded(t, h, 0)
	require.Equal(t, map[string]string{"m1": "succeeded"}, ends(t, one.Outcomes))

	for _, m := range []*catalog.Mutation{back, again} {
		m.HasWaitingRow, m.Attempts = true, 1
	}
	last := record(t, h, lease, Record(back), Record(again))
	finish(t, h, lease, last)
	finish(t, h, lease, next)
	require.Equal(t, map[string]string{"m1": "succeeded"}, ends(t, unfolded(t, h, 0).Outcomes[:1]))
	rest := unfolded(t, h, one.To)
	require.Equal(t, map[string]string{"m2": "succeeded", "m3": "succeeded", "m4": "succeeded"}, ends(t, rest.Outcomes))
	require.Equal(t, 2, rest.Outcomes[0].Attempts, "the one before, and this one")
	require.Len(t, unfolded(t, h, 0).Outcomes, 4, "each is told once, also of the batch that they were in before")
}

func outboxWithoutBatch(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	stored := Mutation(3, "a")
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{stored}
	commit(t, h, lease, tx)
	require.Empty(t, unfolded(t, h, 0).Outcomes, "what waits is not final")
	stored.HasWaitingRow = true
	tx = Transaction(lease)
	hostile := Mutation(1, "a\x00")
	hostile.ID, hostile.Localization = "m1\xff", catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
	problem := catalog.Problem{Reason: catalog.InvalidJSON, Field: "attributes", Text: "must be an object"}
	tx.Invalid = []ledger.InvalidMutation{{Mutation: hostile, Problem: problem}, {Mutation: stored, Problem: problem}}
	tx.Stale = []ledger.StaleVersion{{Mutation: Mutation(2, "a"), SupersededBy: "m9"}}
	commit(t, h, lease, tx)
	page := unfolded(t, h, 0)
	require.Equal(t, map[string]string{"m1\uFFFD": "invalid", "m2": "superseded", "m3": "invalid"}, ends(t, page.Outcomes))
	require.Equal(t, catalog.InvalidJSON, page.Outcomes[0].Reason)
	require.Equal(t, "a\uFFFD", page.Outcomes[0].ItemID)
	require.Equal(t, hostile.Localization, page.Outcomes[0].Localization)
	require.Equal(t, []ledger.Issue{{Code: "invalid_json", Attribute: "attributes", Message: "must be an object"}}, page.Outcomes[0].Errors)
	require.Equal(t, "m9", page.Outcomes[2].SupersededBy)
	require.Zero(t, page.Outcomes[2].Attempts)
}

// outboxPages: a page is bounded, and has at least one transaction.
func outboxPages(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	for i := range uint64(4) {
		batch := record(t, h, lease, Record(Mutation(2*i+1, "a")), Record(Mutation(2*i+2, "b")))
		finish(t, h, lease, batch)
	}
	read := func(after int64, limit ledger.OutboxLimit) ledger.OutboxPage {
		page, err := h.Outbox.Outcomes(t.Context(), 0, after, limit)
		require.NoError(t, err)
		return page
	}
	one := read(0, ledger.OutboxLimit{Mutations: 1})
	require.Len(t, one.Outcomes, 2)
	require.True(t, one.More)
	require.False(t, one.Oldest.IsZero())
	two := read(one.To, ledger.OutboxLimit{Mutations: 4})
	require.Len(t, two.Outcomes, 4)
	require.True(t, two.More)
	three := read(two.To, ledger.OutboxLimit{Transactions: 2})
	require.Len(t, three.Outcomes, 2)
	require.False(t, three.More)
	require.Equal(t, ledger.OutboxPage{To: three.To}, read(three.To, ledger.OutboxLimit{}))
	require.Empty(t, read(0, ledger.OutboxLimit{Transactions: 1}).Outcomes[2:])
}

func outboxCursors(t *testing.T, h Harness) {
	old := h.Acquire(t, 0)
	finish(t, h, old, record(t, h, old, Record(Mutation(1, "a"))))
	before, err := h.Outbox.OpenCursor(t.Context(), old, "one")
	require.NoError(t, err)
	page := unfolded(t, h, before)
	require.Len(t, page.Outcomes, 1, "a new consumer begins with what is still there")

	fresh := h.Acquire(t, 0)
	_, err = h.Outbox.OpenCursor(t.Context(), old, "one")
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
	require.ErrorIs(t, h.Outbox.MoveCursor(t.Context(), old, "one", before, page.To), ledger.ErrLeaseLost)
	again, err := h.Outbox.OpenCursor(t.Context(), fresh, "one")
	require.NoError(t, err)
	require.Equal(t, before, again, "nothing was moved")

	finish(t, h, fresh, record(t, h, fresh, Record(Mutation(2, "b"))))
	both := unfolded(t, h, before)
	other, err := h.Outbox.OpenCursor(t.Context(), fresh, "two")
	require.NoError(t, err)
	require.NoError(t, h.Outbox.MoveCursor(t.Context(), fresh, "one", before, both.To))
	require.ErrorIs(t, h.Outbox.MoveCursor(t.Context(), fresh, "one", before, both.To), ledger.ErrLeaseLost, "it is not there any more")
	require.ErrorIs(t, h.Outbox.MoveCursor(t.Context(), fresh, "nobody", 0, both.To), ledger.ErrLeaseLost)
	require.Len(t, unfolded(t, h, other).Outcomes, 2, "kept for the other consumer")
	require.NoError(t, h.Outbox.MoveCursor(t.Context(), fresh, "two", other, page.To))
	require.Len(t, unfolded(t, h, 0).Outcomes, 1, "what both have seen is deleted")
	require.NoError(t, h.Outbox.MoveCursor(t.Context(), fresh, "two", page.To, both.To))
	require.Empty(t, unfolded(t, h, 0).Outcomes)

	late, err := h.Outbox.OpenCursor(t.Context(), fresh, "three")
	require.NoError(t, err)
	finish(t, h, fresh, record(t, h, fresh, Record(Mutation(3, "c"))))
	require.Len(t, unfolded(t, h, late).Outcomes, 1)
	require.NoError(t, h.Outbox.DropCursors(t.Context(), "one"))
	require.NoError(t, h.Outbox.DropCursors(t.Context(), "two"))
	require.NoError(t, h.Outbox.MoveCursor(t.Context(), fresh, "three", late, unfolded(t, h, late).To))
	require.Empty(t, unfolded(t, h, 0).Outcomes, "nothing is kept for a consumer that was forgotten")
}

// outboxRefused: a transaction that is not committed leaves nothing, and one that is
// repeated leaves one row.
func outboxRefused(t *testing.T, h Harness) {
	old := h.Acquire(t, 0)
	batch := record(t, h, old, Record(Mutation(1, "a")))
	fresh := h.Acquire(t, 0)
	tx := Transaction(old)
	tx.Outcomes = []ledger.BatchOutcome{outcome(batch)}
	require.ErrorIs(t, h.Store.Commit(t.Context(), old, tx), ledger.ErrLeaseLost)
	require.Empty(t, unfolded(t, h, 0).Outcomes)
	tx = Transaction(fresh)
	tx.Outcomes = []ledger.BatchOutcome{outcome(batch)}
	commit(t, h, fresh, tx)
	commit(t, h, fresh, tx)
	require.Equal(t, map[string]string{"m1": "succeeded"}, ends(t, unfolded(t, h, 0).Outcomes))
}
