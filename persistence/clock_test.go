package persistence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// oldDay records a batch that was final 60 days ago by the database's clock, and an
// old dead letter.
func oldDay(t *testing.T, store *persistence.Store, lease ledger.Lease, sequence uint64) {
	t.Helper()
	at, err := store.Clock(t.Context())
	require.NoError(t, err)
	m := ledgertest.Mutation(sequence, "a")
	m.ReceivedAt = at.AddDate(0, 0, -60)
	batch := ledgertest.Batch(ledgertest.Record(m))
	batch.ID, batch.CreatedAt = idOn(m.ReceivedAt), m.ReceivedAt
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Outcomes = []ledger.BatchOutcome{{
			BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: m.ReceivedAt, Failed: 1,
			Exceptions: []ledger.RecordOutcome{{Result: ledger.Failed, Reason: catalog.Refused, Constituents: []*catalog.Mutation{m}}},
		}}
	})
}

// TestRetentionSaysWhatItDrops: the day, how much was in it, and by which clocks.
func TestRetentionSaysWhatItDrops(t *testing.T) {
	t.Parallel()
	pool := newPool(t, persistencetest.Database(t))
	var log bytes.Buffer
	store, err := persistence.NewStore(pool, persistence.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	require.NoError(t, store.EnsurePartitions(t.Context(), partitions))
	oldDay(t, store, acquire(t, pool, 0), 1)
	report, err := store.Retain(t.Context(), persistence.RetentionPolicy{DeadLetters: 40 * 24 * time.Hour})
	require.NoError(t, err)
	require.Len(t, report.Dropped, 4)
	require.EqualValues(t, 1, report.DeadLetters)
	for _, words := range []string{"an old day was dropped", `"day":`, `"bytes":`, `"rows":`, `"database_clock":`, "old dead letters were deleted"} {
		require.Contains(t, log.String(), words)
	}
}

// TestRetentionDoubtsAClockThatJumped: all clocks say the same, and yet it cannot be.
// A doubt ends after a day in which nothing jumped again.
func TestRetentionDoubtsAClockThatJumped(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"the clock jumped ahead since the last run": `update courier.retention_clock set trusted_at = trusted_at - interval '95 days', seen_at = seen_at - interval '95 days'`,
		"there is a batch from the future": `select courier.start_day((now() + interval '95 days')::date);
			insert into courier.batch (id, created_at, partition, lane, records, mutations, payload)
			select (substr(courier.first_id((now() + interval '95 days')::date)::text, 1, 14) || '7000-8000-000000000001')::uuid, now(), 0, 1, 1, 1, ''`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			lease := acquire(t, pool, 0)
			do := func(statement string) {
				_, err := pool.Exec(context.Background(), statement)
				require.NoError(t, err)
			}
			_, err := store.Retain(t.Context(), persistence.RetentionPolicy{})
			require.NoError(t, err, "the first run")
			oldDay(t, store, lease, 1)
			do(change)
			for range 2 {
				report, err := store.Retain(t.Context(), persistence.RetentionPolicy{DeadLetters: 40 * 24 * time.Hour})
				require.ErrorIs(t, err, persistence.ErrClock)
				require.Empty(t, report.Dropped)
				require.Zero(t, report.DeadLetters)
				require.ErrorIs(t, store.ClockDoubt(t.Context()), persistence.ErrClock)
			}
			// Half a day passed, and the clock jumped once more: the day begins again.
			do(`update courier.retention_clock set doubted_since = doubted_since - interval '12 hours', seen_at = seen_at - interval '2 days'`)
			_, err = store.Retain(t.Context(), persistence.RetentionPolicy{})
			require.ErrorIs(t, err, persistence.ErrClock)
			do(`update courier.retention_clock set doubted_since = doubted_since - interval '23 hours'`)
			_, err = store.Retain(t.Context(), persistence.RetentionPolicy{})
			require.ErrorIs(t, err, persistence.ErrClock)
			do(`update courier.retention_clock set doubted_since = doubted_since - interval '2 hours'`)
			report, err := store.Retain(t.Context(), persistence.RetentionPolicy{DeadLetters: 40 * 24 * time.Hour})
			require.NoError(t, err)
			require.NotEmpty(t, report.Dropped)
			require.EqualValues(t, 1, report.DeadLetters)
			require.NoError(t, store.ClockDoubt(t.Context()))
			_, err = store.Retain(t.Context(), persistence.RetentionPolicy{})
			require.NoError(t, err, "what was confirmed is not doubted again")
		})
	}
}

// TestTheDroppingTransactionLooksAtTheClock: what was right when the run began may be
// wrong by the time a day is dropped.
func TestTheDroppingTransactionLooksAtTheClock(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	check := func(days int, ahead time.Duration) error {
		_, err := pool.Exec(context.Background(), `select courier.check_day_is_old((now() at time zone 'UTC')::date - $1::int, '30 days', now() + $2::interval, '2 minutes')`,
			days, ahead)
		return err
	}
	require.ErrorContains(t, check(60, 0), "doubted", "nobody has looked at the clock yet")
	_, err := pool.Exec(context.Background(), "select courier.look_at_clock('2 minutes')")
	require.NoError(t, err)
	require.NoError(t, check(60, 0))
	require.NoError(t, check(31, time.Minute))
	require.ErrorContains(t, check(30, 0), "not older")
	require.ErrorContains(t, check(-95, 0), "not older")
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute, 95 * 24 * time.Hour, -95 * 24 * time.Hour} {
		require.ErrorContains(t, check(60, ahead), "differ")
	}
}

// wrongClock is a clock that the store must not write times of.
type wrongClock struct {
	err    error
	theirs time.Time
}

func (c *wrongClock) Check() error      { return c.err }
func (c *wrongClock) Theirs() time.Time { return c.theirs }

// TestAWrongClockWritesNoTimes: not those that others go by; a handle is known all the
// same.
func TestAWrongClockWritesNoTimes(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	theirs := ledgertest.At
	clock := &wrongClock{theirs: theirs}
	store, err := persistence.NewStore(pool, persistence.Config{Clock: clock})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	lease := acquire(t, pool, 0)
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	batch.ID = idOn(theirs)
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })

	clock.err = errors.New("95 days ahead")
	late := theirs.AddDate(0, 0, 95)
	err = store.Commit(t.Context(), lease, &ledger.Transaction{ID: idOn(late), Partition: 0})
	require.ErrorIs(t, err, persistence.ErrClock)
	require.ErrorIs(t, err, ledger.ErrLeaseLost, "the engine stops")
	require.ErrorIs(t, store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: "s", BlockedUntil: late}}), persistence.ErrClock)
	_, err = store.SaveAccount(t.Context(), ledger.AccountState{Account: "a", State: "paused", ResumesAt: late})
	require.ErrorIs(t, err, persistence.ErrClock)
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{{
		BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, Handles: []string{"h"}, At: late, NextAt: late.Add(time.Minute),
	}}))
	var at, next time.Time
	require.NoError(t, pool.QueryRow(context.Background(), "select at, next_at from courier.attempt").Scan(&at, &next))
	require.True(t, theirs.Equal(at))
	require.True(t, theirs.Add(time.Minute).Equal(next))

	// Right again, with a batch that was made while it was wrong.
	clock.err = nil
	for _, days := range []int{95, -95, 3} {
		made := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(2, "b")))
		made.ID = idOn(theirs.AddDate(0, 0, days))
		err = store.Commit(t.Context(), lease, &ledger.Transaction{ID: idOn(theirs), Partition: 0, Batches: []ledger.Batch{made}})
		require.ErrorIs(t, err, persistence.ErrClock, "%d days", days)
		m := ledgertest.Mutation(3, "c")
		m.ReceivedAt = theirs.AddDate(0, 0, 3*days)
		err = store.Commit(t.Context(), lease, &ledger.Transaction{ID: idOn(theirs), Partition: 0, Waiting: []*catalog.Mutation{m}})
		require.ErrorIs(t, err, persistence.ErrClock, "%d days", days)
	}
}

// TestStreamMarks: what the stream had when the replay window began, by the database's
// clock alone.
func TestStreamMarks(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	mark := func(last uint64) uint64 {
		known, err := store.MarkStream(t.Context(), last, 24*time.Hour)
		require.NoError(t, err)
		return known
	}
	pass := func(by string) {
		_, err := pool.Exec(context.Background(), "update courier.stream_mark set at = at - $1::text::interval", by)
		require.NoError(t, err)
	}
	require.Zero(t, mark(100))
	require.Zero(t, mark(150))
	require.Equal(t, 1, countRows(t, pool, "stream_mark"), "not one for each look")
	pass("12 hours")
	require.Zero(t, mark(200))
	pass("13 hours")
	require.EqualValues(t, 100, mark(300))
	pass("12 hours")
	require.EqualValues(t, 200, mark(400))
	require.Equal(t, 3, countRows(t, pool, "stream_mark"), "older ones are gone")
	pass("-40 hours") // the clock was set back
	require.Zero(t, mark(400))
	pass("30 hours")
	require.Zero(t, mark(7), "another stream")
}
