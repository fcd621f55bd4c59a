package outcome_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/outcome"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// end records a batch of one mutation and its success.
func end(t *testing.T, store *persistence.Store, lease ledger.Lease, sequence uint64) {
	t.Helper()
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(sequence, "a")))
	tx := ledgertest.Transaction(lease)
	tx.Batches = []ledger.Batch{batch}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	tx = ledgertest.Transaction(lease)
	tx.Outcomes = []ledger.BatchOutcome{{BatchID: batch.ID, State: ledger.BatchCompleted, FinishedAt: ledgertest.At}}
	require.NoError(t, store.Commit(t.Context(), lease, tx))
}

func ids(page ledger.OutboxPage) (ids []string) {
	for i := range page.Outcomes {
		ids = append(ids, page.Outcomes[i].MutationID)
	}
	return ids
}

// TestReaderGoesOnAfterACrash: an owner that ends between its work and the cursor leaves
// the page to the next one; the one that was frozen meanwhile moves nothing.
func TestReaderGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	old := acquire(t, pool, 1)
	end(t, store, old, 1)
	first, err := outcome.Open(t.Context(), store, old, "events", ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := first.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"m1"}, ids(page))
	require.NoError(t, first.Done(t.Context()))
	end(t, store, old, 2)
	page, err = first.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"m2"}, ids(page))

	fresh := acquire(t, pool, 1)
	end(t, store, fresh, 3)
	second, err := outcome.Open(t.Context(), store, fresh, "events", ledger.OutboxLimit{Transactions: 1})
	require.NoError(t, err)
	require.ErrorIs(t, first.Done(t.Context()), ledger.ErrLeaseLost)
	for _, want := range []string{"m2", "m3"} {
		page, err = second.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{want}, ids(page))
		again, err := second.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, page, again, "until it is done")
		require.NoError(t, second.Done(t.Context()))
	}
	page, err = second.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, page.Outcomes)
}

// TestReaderInATransaction: what a consumer writes with the cursor is written once, also
// when two owners read the same page.
func TestReaderInATransaction(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	end(t, store, lease, 1)
	_, err := pool.Exec(t.Context(), "create table public.told (id text)")
	require.NoError(t, err)
	apply := func(r *outcome.Reader, page ledger.OutboxPage) error {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			for _, id := range ids(page) {
				if _, err := tx.Exec(t.Context(), "insert into public.told values ($1)", id); err != nil {
					return err
				}
			}
			return r.DoneIn(t.Context(), tx)
		})
		if err == nil {
			r.Committed()
		}
		return err
	}
	one, err := outcome.Open(t.Context(), store, lease, "items", ledger.OutboxLimit{})
	require.NoError(t, err)
	two, err := outcome.Open(t.Context(), store, lease, "items", ledger.OutboxLimit{})
	require.NoError(t, err)
	page, err := one.Read(t.Context())
	require.NoError(t, err)
	same, err := two.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, apply(one, page))
	require.ErrorIs(t, apply(two, same), ledger.ErrLeaseLost)
	page, err = one.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, page.Outcomes)
	var told int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from public.told").Scan(&told))
	require.Equal(t, 1, told)
}
