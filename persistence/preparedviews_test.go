package persistence_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// TestViewsPreparedBeforeThereWereRows: a client that keeps a prepared statement without
// parameters keeps the plan of its first use, until the tables are analyzed again. What a
// view costs then may grow with its rows, and not with their square. Tables without
// statistics are what a new installation has in its first minute.
func TestViewsPreparedBeforeThereWereRows(t *testing.T) {
	t.Parallel()
	const lines = 1500
	store, pool := newDatabase(t)
	queries := map[string]string{"waiting": "select reason from courier.mutation_status where status = 'waiting'"}
	rows, err := pool.Query(t.Context(), "select viewname::text from pg_views where schemaname = 'courier'")
	require.NoError(t, err)
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(views), 15)
	for _, view := range views {
		queries[view] = "select * from courier." + view
	}
	lease := acquire(t, pool, 0)
	next := uint64(0)
	change := func(item string) *catalog.Mutation {
		next++
		return ledgertest.Mutation(next, item)
	}
	first := ledgertest.Batch(ledgertest.Record(change("first")))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{first} }) // makes the partitions of the day
	connection, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer connection.Release()
	for name, query := range queries {
		_, err := connection.Exec(t.Context(), "prepare "+name+" as "+query)
		require.NoError(t, err)
		_, err = connection.Exec(t.Context(), "execute "+name)
		require.NoError(t, err)
	}

	commit(t, store, lease, func(tx *ledger.Transaction) {
		for i := range lines {
			m := change(fmt.Sprintf("bad%d", i))
			m.Position = catalog.Position{Sequence: 2, Line: i + 1}
			tx.Invalid = append(tx.Invalid, ledger.InvalidMutation{Mutation: m, Problem: catalog.Problem{Reason: catalog.BadKey, Text: "because"}})
		}
	})
	batchOf := func(item string) ledger.Batch {
		records := make([]catalog.Record, 0, lines)
		for i := range lines {
			records = append(records, ledgertest.Record(change(fmt.Sprint(item, i))))
		}
		return ledgertest.Batch(records...)
	}
	failed := batchOf("failed")
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{failed} })
	commit(t, store, lease, func(tx *ledger.Transaction) {
		outcome := ledger.BatchOutcome{
			BatchID: failed.ID, Lane: failed.Lane, CreatedAt: failed.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Failed: lines,
		}
		for i := range failed.Records {
			outcome.Exceptions = append(outcome.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Reason: catalog.Refused, Errors: []ledger.Issue{{Code: "7"}}, Constituents: failed.Records[i].Constituents,
			})
		}
		tx.Outcomes = []ledger.BatchOutcome{outcome}
	})
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batchOf("item")} })
	commit(t, store, lease, func(tx *ledger.Transaction) {
		for i := range lines {
			tx.Waiting = append(tx.Waiting, change(fmt.Sprintf("item%d", i)))
		}
	})
	_, err = pool.Exec(t.Context(), "insert into courier.worker (id, name, seen_at) values (gen_random_uuid(), 'a', now() + interval '1 hour')")
	require.NoError(t, err, "without a worker nothing else is a reason to wait")

	for name := range queries {
		plan := executed(t, connection, "execute "+name)
		require.Less(t, plan.read(), 8.0*4*lines, "rows that %s reads: %+v", name, plan)
	}
}
