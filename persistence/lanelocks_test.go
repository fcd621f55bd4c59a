package persistence_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// TestTheIndexAndAnOwnerLockLanesInOneOrder: neither has to wait for the other's end, whatever
// order the lanes were made in.
func TestTheIndexAndAnOwnerLockLanesInOneOrder(t *testing.T) {
	t.Parallel()
	const lanes, rounds = 200, 60
	store, pool := newDatabase(t)
	lane := func(i int) catalog.Lane {
		return catalog.Lane{Account: fmt.Sprintf("account-%03d", i), Catalog: ledgertest.Lane.Catalog, Type: ledgertest.Lane.Type}
	}
	_, err := pool.Exec(t.Context(), `insert into courier.lane (partition, account, catalog, catalog_type)
		select 0, 'account-' || lpad(i::text, 3, '0'), $1, $2 from generate_series($3::int - 1, 0, -1) i`, ledgertest.Lane.Catalog, string(ledgertest.Lane.Type), lanes)
	require.NoError(t, err)
	var sequence uint64
	update := persistence.ItemUpdate{Items: changesOf(make([]int, lanes), 0, &sequence)}
	for i := range update.Items {
		update.Items[i].Key.Lane = lane(i)
	}
	ended := make(chan error, 1)
	go func() {
		for range rounds {
			if err := store.IndexItems(t.Context(), ledgertest.At, update, nothing); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	sequence = 0
	for range rounds {
		owner := newStore(t, pool) // it does not know the lanes
		lease := acquire(t, pool, 0)
		tx := ledgertest.Transaction(lease)
		for i := range lanes {
			sequence++
			m := ledgertest.Mutation(sequence, "a")
			m.Lane = lane(i)
			tx.Waiting = append(tx.Waiting, m)
		}
		require.NoError(t, owner.Commit(t.Context(), lease, tx))
	}
	require.NoError(t, <-ended)
}

// TestWhoLocksSeveralLanesLocksThemByName: who waits for the first has not locked the others yet,
// whatever order the lanes were made in. DeleteLanes waits for none.
func TestWhoLocksSeveralLanesLocksThemByName(t *testing.T) {
	t.Parallel()
	const account, partition = "acme", 0
	for name, change := range map[string]func(t *testing.T, store *persistence.Store, q *query.Queries, lease ledger.Lease) error{
		"strays": func(t *testing.T, store *persistence.Store, _ *query.Queries, lease ledger.Lease) error {
			t.Helper()
			var strays []ledger.StrayLane
			for _, name := range []string{"b", "a", "c"} {
				strays = append(strays, ledger.StrayLane{Lane: catalog.Lane{Account: account, Catalog: name, Type: "T"}, Problem: "unknown", Since: ledgertest.At})
			}
			return store.SaveStrays(t.Context(), lease, strays)
		},
		"a removal": func(t *testing.T, _ *persistence.Store, q *query.Queries, _ ledger.Lease) error {
			t.Helper()
			return q.RemoveLanes(t.Context(), account)
		},
		"old lanes": func(t *testing.T, _ *persistence.Store, q *query.Queries, _ ledger.Lease) error {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			deleted, err := q.DeleteLanes(ctx, query.DeleteLanesParams{Before: time.Now().AddDate(0, 0, 1), Lim: 10})
			require.Equal(t, int64(2), deleted, "all but the one that is in use")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			lease := acquire(t, pool, partition)
			_, err := pool.Exec(t.Context(), `insert into courier.lane (partition, account, catalog, catalog_type) values
				($1, $2, 'c', 'T'), ($1, $2, 'b', 'T'), ($1, $2, 'a', 'T')`, partition, account)
			require.NoError(t, err)
			holder, err := pool.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = holder.Rollback(context.Background()) }()
			_, err = holder.Exec(t.Context(), "select from courier.lane where catalog = 'a' for update")
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { ended <- change(t, store, query.New(pool), lease) }()
			if name == "old lanes" {
				require.NoError(t, <-ended)
				require.NoError(t, holder.Rollback(t.Context()))
				return
			}
			eventually(t, "it waits for the lane", func() bool {
				var waiting bool
				err := pool.QueryRow(t.Context(), "select exists (select from pg_locks where not granted and locktype in ('transactionid', 'tuple') and pid in (select pid from pg_stat_activity where datname = current_database()))").Scan(&waiting)
				return err == nil && waiting
			})
			_, err = holder.Exec(t.Context(), "select from courier.lane where catalog in ('b', 'c') for update nowait")
			require.NoError(t, err)
			require.NoError(t, holder.Rollback(t.Context()))
			require.NoError(t, <-ended)
		})
	}
}
