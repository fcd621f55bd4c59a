package persistence_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
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
