package status_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/status"
)

// TestFollow: what ends is told once, whether its batch was there before or not, and what
// ended before is not told.
func TestFollow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	before := delivered(t, w)
	over := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(8, "h")))
	end := func(batch ledger.Batch) ledger.BatchOutcome {
		return ledger.BatchOutcome{BatchID: batch.ID, Lane: batch.Lane, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: 1}
	}
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{over} })
	w.commit(t, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{end(over)} })

	follower, err := reader.Follow(t.Context())
	require.NoError(t, err)
	next := func() (ids []string) {
		told, err := follower.Next(t.Context())
		require.NoError(t, err)
		for _, m := range told {
			ids = append(ids, m.ID+" "+m.Status)
		}
		return ids
	}
	require.Empty(t, next())
	finish(t, w, before)
	require.Equal(t, []string{"m1 superseded", "m2 succeeded", "m3 failed", "m4 succeeded"}, next())
	require.Empty(t, next(), "once")

	later := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(9, "i")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{later} })
	require.Empty(t, next(), "not ended")
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{end(later)}
		tx.Invalid = []ledger.InvalidMutation{{Mutation: ledgertest.Mutation(10, "j"), Problem: catalog.Problem{Reason: catalog.WrongType, Text: "no"}}}
	})
	require.Equal(t, []string{"m9 succeeded", "m10 invalid"}, next())
	require.Empty(t, next(), "once")
}

// TestFollowPastManyBatches: what ends is told however many batches the last minutes had.
func TestFollowPastManyBatches(t *testing.T) {
	t.Parallel()
	const many = 10_500
	w := newWorld(t)
	delivered(t, w)
	ids := make([]uuid.UUID, many)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	w.exec(t, `insert into courier.batch (id, created_at, finished_at, partition, lane, records, mutations, state, payload)
		select many.id, now(), now(), b.partition, b.lane, 0, 0, 'completed', '' from unnest($1::uuid[]) many(id), courier.batch b`, ids)
	follower, err := status.NewReader(w.pool, status.Config{}).Follow(t.Context())
	require.NoError(t, err)
	later := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(9, "i")))
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{later} })
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{BatchID: later.ID, Lane: later.Lane, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Succeeded: 1}}
	})
	told, err := follower.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Equal(t, "m9", told[0].ID)
}
