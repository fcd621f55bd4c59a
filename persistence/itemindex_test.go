package persistence_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestItemsLeaveTheIndexOnceNoPlatformHasThem: those that a platform has stay, however old.
func TestItemsLeaveTheIndexOnceNoPlatformHasThem(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	commit(t, store, lease, func(tx *ledger.Transaction) { // it makes the lane
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))}
	})
	lane := ledgertest.Mutation(1, "a").Lane
	old, young := ledgertest.At.AddDate(0, 0, -31), ledgertest.At.AddDate(0, 0, -29)
	change := func(item string, at time.Time, operation catalog.Operation, status persistence.ItemStatus, succeeded catalog.Operation) persistence.ItemChange {
		c := persistence.ItemChange{
			Key: catalog.ItemKey{Lane: lane, ItemID: item}, Position: catalog.Position{Sequence: 2}, MutationID: "m", Operation: operation, Status: status, ChangedAt: at,
		}
		if succeeded != 0 {
			c.Succeeded = &persistence.ItemSuccess{Position: catalog.Position{Sequence: 1}, MutationID: "s", Operation: succeeded, At: at}
		}
		return c
	}
	update := persistence.ItemUpdate{
		Items: []persistence.ItemChange{
			change("deleted", old, catalog.Delete, persistence.ItemSucceeded, catalog.Delete),
			change("deleted lately", young, catalog.Delete, persistence.ItemSucceeded, catalog.Delete),
			change("fails to be deleted", old, catalog.Delete, persistence.ItemFailed, catalog.Upsert),
			change("live", old, catalog.Upsert, persistence.ItemSucceeded, catalog.Upsert),
			change("never there", old, catalog.Upsert, persistence.ItemFailed, 0),
		},
		Counts: []persistence.LaneCount{{Lane: lane, At: old, Arrived: 1}, {Lane: lane, At: young, Arrived: 1}},
	}
	require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, update, func(context.Context, pgx.Tx) error { return nil }))
	report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: ledgertest.At})
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Items)
	require.Equal(t, []string{"deleted lately", "fails to be deleted", "live"}, texts(t, pool, "select item_id from courier.item order by 1"))
	require.Equal(t, []string{"1 deleted", "1 failed", "1 succeeded"}, texts(t, pool, "select items || ' ' || state from courier.item_counts order by 1"))
	require.Equal(t, []string{"1"}, texts(t, pool, "select arrived::text from courier.lane_series"))

	// Whoever erases an item need not care for the counts.
	_, err = pool.Exec(t.Context(), "delete from courier.item where item_id = 'live'")
	require.NoError(t, err)
	require.Equal(t, []string{"1 deleted", "1 failed"}, texts(t, pool, "select items || ' ' || state from courier.item_counts order by 1"))
}

// TestNothingIsWrittenWithoutTheCursor: the rows and the cursor are one transaction.
func TestNothingIsWrittenWithoutTheCursor(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))}
	})
	update := persistence.ItemUpdate{Items: []persistence.ItemChange{{
		Key: catalog.ItemKey{Lane: ledgertest.Mutation(1, "a").Lane, ItemID: "a"}, MutationID: "m1", Operation: catalog.Upsert,
		Status: persistence.ItemSucceeded, ChangedAt: ledgertest.At,
	}}}
	err := store.IndexItems(t.Context(), ledgertest.At, update, func(context.Context, pgx.Tx) error { return ledger.ErrLeaseLost })
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
	require.Empty(t, texts(t, pool, "select item_id from courier.item"))
	require.Empty(t, texts(t, pool, "select items::text from courier.item_counts"))
}

func texts(t *testing.T, pool *pgxpool.Pool, query string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// failedChange is a failure as the index of items learns of it.
func failedChange(sequence uint64, item string, at time.Time) persistence.ItemUpdate {
	return persistence.ItemUpdate{Items: []persistence.ItemChange{{
		Key: catalog.ItemKey{Lane: ledgertest.Lane, ItemID: item}, Position: catalog.Position{Sequence: sequence}, MutationID: "m",
		Operation: catalog.Upsert, Status: persistence.ItemFailed, ChangedAt: at, ErrorCount: 1, Error: ledger.Issue{Code: "7"},
	}}}
}

func nothing(context.Context, pgx.Tx) error { return nil }

// awaitLock waits until a statement of the database waits for a lock.
func awaitLock(ctx context.Context, t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting bool
		err := pool.QueryRow(ctx, "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')").Scan(&waiting)
		return err == nil && waiting
	}, time.Minute, 5*time.Millisecond)
}

// TestDismissingAndIndexingAtOnce: whoever comes first, the item is no issue.
func TestDismissingAndIndexingAtOnce(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	for i, item := range []string{"a", "b"} {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(uint64(i+1), item))
	}
	var first []int64
	require.NoError(t, pool.QueryRow(t.Context(), "select array_agg(id) from courier.dead_letter where item_id = 'a'").Scan(&first))

	// The index is first: it ends while somebody dismisses.
	dismissed := make(chan error, 1)
	require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, failedChange(1, "a", ledgertest.At), func(ctx context.Context, _ pgx.Tx) error {
		go func() {
			_, err := store.DismissDeadLetters(context.WithoutCancel(ctx), first, "ana", "")
			dismissed <- err
		}()
		awaitLock(ctx, t, pool)
		return nil
	}))
	require.NoError(t, <-dismissed)

	// Somebody dismisses first, and commits while the index waits.
	indexed := make(chan error, 1)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "update courier.dead_letter set dismissed_at = now() where item_id = 'b'"); err != nil {
			return err
		}
		go func() {
			indexed <- store.IndexItems(t.Context(), ledgertest.At, failedChange(2, "b", ledgertest.At), nothing)
		}()
		awaitLock(t.Context(), t, pool)
		return nil
	}))
	require.NoError(t, <-indexed)
	require.Equal(t, []string{"a true", "b true"}, texts(t, pool, "select item_id || ' ' || dismissed::text from courier.indexed_items order by 1"))
	require.Equal(t, []string{"2 dismissed"}, texts(t, pool, "select items || ' ' || state from courier.item_counts"))
}

// TestAnIssueEndsWithAnEditOntoAnotherItem: a letter whose item id can be none is replaced by a
// change of another item, before the index comes to it or after; one that keeps its id is not.
func TestAnIssueEndsWithAnEditOntoAnotherItem(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	reasons := map[string]catalog.Reason{"late": catalog.BadKey, "early": catalog.KeyMismatch, "own": catalog.Refused}
	items := []string{"late", "early", "own"}
	for i, item := range items {
		fail(t, store, lease, ledger.Failed, reasons[item], ledgertest.Mutation(uint64(i+1), item))
	}
	index := func(i int) {
		require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, failedChange(uint64(i+1), items[i], ledgertest.At), nothing))
	}
	index(1)
	index(2)
	for _, letter := range newest(t, store, persistence.DeadLetterFilter{}) {
		marked, err := store.Replay(t.Context(), []persistence.DeadLetter{letter}, persistence.ReplayNote{By: "ana", ReplacedBy: "another"},
			func(_ context.Context, ids []int64) ([]int64, error) { return ids, nil })
		require.NoError(t, err)
		require.EqualValues(t, 1, marked)
	}
	index(0)
	require.Equal(t, []string{"early true", "late true", "own false"}, texts(t, pool, "select item_id || ' ' || dismissed::text from courier.indexed_items order by 1"))
}

// TestARemovedAccountLeavesNoIssues: neither those that the index has, nor those that it learns
// of after the removal; but what happens later is there.
func TestARemovedAccountLeavesNoIssues(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: ledgertest.Lane.Account}, {Name: "other"}}))
	for i, item := range []string{"a", "b"} {
		fail(t, store, lease, ledger.Failed, catalog.Refused, ledgertest.Mutation(uint64(i+1), item))
	}
	elsewhere := ledgertest.Mutation(3, "of another account")
	elsewhere.Lane.Account = "other"
	fail(t, store, lease, ledger.Failed, catalog.Refused, elsewhere)
	other := failedChange(3, elsewhere.ItemID, ledgertest.At)
	other.Items[0].Key.Lane = elsewhere.Lane
	good := failedChange(5, "good", ledgertest.At)
	good.Items[0].Status, good.Items[0].Error, good.Items[0].ErrorCount = persistence.ItemSucceeded, ledger.Issue{}, 0
	for _, update := range []persistence.ItemUpdate{failedChange(1, "a", ledgertest.At), good, other} {
		require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, update, nothing))
	}
	items := func() []string {
		return texts(t, pool, "select item_id from courier.indexed_items order by 1")
	}
	removed, err := store.EndRemoval(t.Context(), ledgertest.Lane.Account)
	require.NoError(t, err)
	require.False(t, removed, "nobody asked for it")
	require.Equal(t, []string{"a", "good", "of another account"}, items())
	beat(t, pool, "w", []persistence.Account{{Name: "other"}})
	_, err = store.AskForRemoval(t.Context(), ledgertest.Lane.Account)
	require.NoError(t, err)
	removed, err = store.EndRemoval(t.Context(), ledgertest.Lane.Account)
	require.NoError(t, err)
	require.True(t, removed)
	require.Equal(t, []string{"of another account"}, items())
	require.Equal(t, []string{"1 other failed"}, texts(t, pool, "select items || ' ' || account || ' ' || state from courier.item_counts"))

	require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, failedChange(2, "b", ledgertest.At), nothing))
	require.Equal(t, []string{"of another account"}, items(), "it became final before the removal")
	require.NoError(t, store.IndexItems(t.Context(), ledgertest.At, failedChange(4, "late", time.Now().Add(time.Minute)), nothing))
	require.Equal(t, []string{"late", "of another account"}, items())

	// What slipped in while the items were deleted goes with the next round of retention.
	_, err = pool.Exec(t.Context(), `insert into courier.item (changed_at, sequence, generation, lane, operation, status, item_id, mutation_id)
		select removed_at, 6, 0, id, 2, 1, 'slipped in', 'm' from courier.lane where removed_at is not null`)
	require.NoError(t, err)
	_, err = store.Retain(t.Context(), persistence.RetentionPolicy{At: ledgertest.At})
	require.NoError(t, err)
	require.Equal(t, []string{"late", "of another account"}, items())
}
