package persistence_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// counting counts statements.
type counting struct{ statements atomic.Int64 }

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (c *counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestIdleOwnersAskTogether: owners of many partitions that ask at about the same time cost
// a question or two, and each of them still learns of a loss.
func TestIdleOwnersAskTogether(t *testing.T) {
	t.Parallel()
	url := persistencetest.Database(t)
	count := &counting{}
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: url, MaxConns: 4, Tracer: count})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store := newStore(t, pool)
	leases := make([]ledger.Lease, partitions)
	for i := range leases {
		leases[i] = acquire(t, pool, i)
		require.NoError(t, store.Verify(t.Context(), leases[i]), "a fresh lease looks for itself")
	}
	const rounds = 40
	before := count.statements.Load()
	for range rounds {
		for _, lease := range leases {
			require.NoError(t, store.Verify(t.Context(), lease))
		}
	}
	require.LessOrEqual(t, count.statements.Load()-before, int64(rounds*2), "of %d questions", rounds*partitions)

	// What another owner, or a copy of the database, made of a row is found at the second
	// question at the latest, and at each one after.
	_, err = pool.Exec(t.Context(), "update courier.lease set last_transaction = $1 where partition = 1", uuid.New())
	require.NoError(t, err)
	acquire(t, pool, 2)
	for _, lost := range []int{1, 2} {
		first := store.Verify(t.Context(), leases[lost])
		if first == nil {
			first = store.Verify(t.Context(), leases[lost])
		}
		require.ErrorIs(t, first, ledger.ErrLeaseLost)
		require.ErrorIs(t, store.Verify(t.Context(), leases[lost]), ledger.ErrLeaseLost)
	}
	require.NoError(t, store.Verify(t.Context(), leases[0]))
	require.NoError(t, store.Commit(t.Context(), leases[3], recordingIn(leases[3], 1, 1)))
	require.NoError(t, store.Verify(t.Context(), leases[3]), "also right after a commit of its own")
}
