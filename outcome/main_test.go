package outcome_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m), natstest.ServersOwn()...) }

const partitions = 4

func newDatabase(t *testing.T) (*persistence.Store, *pgxpool.Pool) {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 6})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	require.NoError(t, store.EnsurePartitions(t.Context(), partitions))
	return store, pool
}

// acquire makes the caller the owner of a partition, whoever had it.
func acquire(t *testing.T, pool *pgxpool.Pool, partition int) ledger.Lease {
	t.Helper()
	token := uuid.New()
	_, err := pool.Exec(context.Background(), "update courier.lease set token = $2, last_transaction = $2 where partition = $1", partition, token)
	require.NoError(t, err)
	return ledger.Lease{Partition: partition, Token: token}
}
