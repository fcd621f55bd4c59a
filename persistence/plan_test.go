package persistence_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// TestManyWaitingRowsEndInBatchesQuickly: rows that waited are updated when their
// batch is recorded, of which the server has no statistics yet. A plan that is good
// for a few rows, or for any number of them, takes minutes instead of milliseconds.
func TestManyWaitingRowsEndInBatchesQuickly(t *testing.T) {
	t.Parallel()
	const rows, batches, limit = 2000, 8, 10 * time.Second
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	waiting := make([]*catalog.Mutation, 0, rows*batches)
	for i := range rows * batches {
		waiting = append(waiting, ledgertest.Mutation(uint64(i+1), strconv.Itoa(i)))
	}
	first := ledgertest.Transaction(lease)
	first.Waiting = waiting
	require.NoError(t, store.Commit(t.Context(), lease, first))
	_, err := pool.Exec(t.Context(), `insert into courier.mutation (sequence, published_ns, received_at, day, lane, generation, operation,
			state, attempts, mutation_id, item_id)
		select 1000000 + i, 0, received_at, day, lane, generation, 2, 3, 0, i::text, i::text
		from courier.mutation, generate_series(1, 60000) i where sequence = 1`)
	require.NoError(t, err, "the rest of a busy day")
	for i := range batches {
		records := make([]catalog.Record, 0, rows)
		for _, m := range waiting[i*rows : (i+1)*rows] {
			m.HasWaitingRow = true
			records = append(records, ledgertest.Record(m))
		}
		tx := ledgertest.Transaction(lease)
		tx.Batches = []ledger.Batch{ledgertest.Batch(records...)}
		began := time.Now()
		require.NoError(t, store.Commit(t.Context(), lease, tx))
		require.Less(t, time.Since(began), limit, "batch %d", i)
	}
	// A clock says little on a busy machine: the server counts how it reached the rows.
	require.Eventually(t, func() bool {
		var lookedUp int
		err := pool.QueryRow(t.Context(), `select coalesce(sum(idx_scan), 0) from pg_stat_user_indexes
			where schemaname = 'courier' and indexrelname like 'mutation\_2%\_mutation\_id\_line\_sequence\_idx'`).Scan(&lookedUp)
		return err == nil && lookedUp >= rows*batches
	}, limit, 100*time.Millisecond, "each row was looked up by itself")
	left := 0
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from courier.waiting").Scan(&left))
	require.Zero(t, left)
	for _, connection := range pool.AcquireAllIdle(t.Context()) {
		planned := 0
		err = connection.QueryRow(t.Context(),
			"select coalesce(sum(generic_plans), 0) from pg_prepared_statements where cardinality(parameter_types) > 0").Scan(&planned)
		connection.Release()
		require.NoError(t, err)
		require.Zero(t, planned, "statements planned for any number of rows")
	}
}
