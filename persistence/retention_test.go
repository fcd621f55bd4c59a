package persistence_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// idOn is a batch id of another day.
func idOn(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	milliseconds := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(milliseconds >> (8 * (5 - i)))
	}
	return id
}

func TestRetentionDropsOnlyWhatIsFinal(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	at := ledgertest.At
	sequence := uint64(0)
	on := func(daysAgo int) (*catalog.Mutation, ledger.Batch) {
		sequence++
		received := at.AddDate(0, 0, -daysAgo)
		m := ledgertest.Mutation(sequence, "a")
		m.ReceivedAt = received
		batch := ledgertest.Batch(ledgertest.Record(m))
		batch.ID, batch.CreatedAt = idOn(received), received
		return m, batch
	}
	record := func(batch ledger.Batch, final bool) {
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
		if final {
			commit(t, store, lease, func(tx *ledger.Transaction) {
				tx.Outcomes = []ledger.BatchOutcome{{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: batch.CreatedAt}}
			})
		}
	}
	_, done := on(60)
	record(done, true)
	held, _ := on(50) // waits since then
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{held} })
	held.HasWaitingRow = true
	_, open := on(45)
	record(open, false)
	_, done = on(40)
	record(done, true)
	_, young := on(1)
	record(young, true)

	report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: at})
	require.NoError(t, err)
	require.Empty(t, report.Busy)
	var indexed []string
	require.NoError(t, pool.QueryRow(context.Background(), `select array_agg(tablename::text order by tablename) from pg_indexes
		where schemaname = 'courier' and indexname like '%\_by\_item'`).Scan(&indexed))
	require.Equal(t, []string{"mutation_20261003", "mutation_20261008"}, indexed, "days that are over, and stay")
	require.Equal(t, map[string]string{"m2": "waiting", "m3": "submitted", "m5": "succeeded"}, statuses(t, pool))
	require.Len(t, report.Kept, 2)
	require.Equal(t, 3, countRows(t, pool, "batch"), "batches as old as the oldest mutation left stay")

	// Once they are final they go too; a row that comes late finds a partition.
	batch := ledgertest.Batch(ledgertest.Record(held))
	record(batch, true)
	record(open2(open), false)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{BatchID: open.ID, State: ledger.BatchCompleted, FinishedAt: at}}
	})
	_, late := on(60)
	record(late, true)
	_, err = store.Retain(t.Context(), persistence.RetentionPolicy{At: at})
	require.NoError(t, err)
	left := statuses(t, pool)
	require.Equal(t, "succeeded", left["m5"])
	require.NotContains(t, left, "m2")
	require.NotContains(t, left, "m3")
	require.NotContains(t, left, "m6")
	var missing int
	require.NoError(t, pool.QueryRow(context.Background(), `select count(*) from courier.mutation m
		where m.batch_id is not null and not exists (select from courier.batch b where b.id = m.batch_id)`).Scan(&missing))
	require.Zero(t, missing, "no mutation outlives its batch")
}

// open2 is a second batch of the same day.
func open2(batch ledger.Batch) ledger.Batch {
	again := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(99, "z")))
	again.CreatedAt = batch.CreatedAt
	return again
}

func TestRetentionGivesWayToWriters(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	m := ledgertest.Mutation(1, "a")
	m.ReceivedAt = ledgertest.At.AddDate(0, 0, -60)
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Stale = []ledger.StaleVersion{{Mutation: m}} })
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select from courier.mutation limit 1")
	require.NoError(t, err)
	report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: ledgertest.At})
	require.NoError(t, err)
	require.Len(t, report.Busy, 1)
	require.NoError(t, tx.Rollback(t.Context()))
	report, err = store.Retain(t.Context(), persistence.RetentionPolicy{At: ledgertest.At})
	require.NoError(t, err)
	require.Contains(t, report.Dropped, "mutation_20260923")
}

func TestRetentionDeletesDeadLetters(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Invalid = []ledger.InvalidMutation{{Mutation: ledgertest.Mutation(1, "a"), Problem: catalog.Problem{Reason: catalog.BadKey}}}
	})
	report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: time.Now().AddDate(0, 0, 89)})
	require.NoError(t, err)
	require.Zero(t, report.DeadLetters)
	report, err = store.Retain(t.Context(), persistence.RetentionPolicy{At: time.Now().AddDate(0, 0, 91)})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.DeadLetters)
}

// TestRetentionOfTheOutbox: what all consumers have seen goes, what one has not seen stays,
// and what is as old as mutations that are not kept goes whoever has not seen it.
func TestRetentionOfTheOutbox(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	require.NoError(t, store.DropCursors(t.Context(), persistence.ItemsConsumer))
	lease := acquire(t, pool, 0)
	numbers := func() (numbers []int64) {
		require.NoError(t, pool.QueryRow(t.Context(), "select array_agg(number order by number) from courier.outcome").Scan(&numbers))
		return numbers
	}
	retain := func(at time.Time) int64 {
		report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: at})
		require.NoError(t, err)
		return report.Outcomes
	}
	for i := range uint64(3) {
		commit(t, store, lease, func(tx *ledger.Transaction) {
			tx.Stale = []ledger.StaleVersion{{Mutation: ledgertest.Mutation(i+1, "a"), SupersededBy: "m9"}}
		})
	}
	now := time.Now()
	require.Zero(t, retain(now), "a consumer may be about to start")
	require.Equal(t, []int64{1, 2, 3}, numbers())
	number, err := store.OpenCursor(t.Context(), lease, "events")
	require.NoError(t, err)
	require.Zero(t, retain(now.Add(24*time.Hour)), "it is kept for the consumer")
	_, err = pool.Exec(t.Context(), "update courier.outcome_cursor set number = 1")
	require.NoError(t, err)
	require.EqualValues(t, 1, retain(now), "it is left over, behind all cursors")
	require.NoError(t, store.MoveCursor(t.Context(), lease, "events", number+1, 2))
	require.Equal(t, []int64{3}, numbers())
	require.EqualValues(t, 1, retain(now.Add(31*24*time.Hour)))

	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Stale = []ledger.StaleVersion{{Mutation: ledgertest.Mutation(4, "a"), SupersededBy: "m9"}}
	})
	require.NoError(t, store.DropCursors(t.Context(), "events"))
	require.EqualValues(t, 1, retain(now.Add(2*time.Hour)), "nobody consumes it")
}
