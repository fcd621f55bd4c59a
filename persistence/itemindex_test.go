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
