package status_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// world is a ledger with one partition that the test owns.
type world struct {
	store *persistence.Store
	pool  *pgxpool.Pool
	lease ledger.Lease
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 6})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	require.NoError(t, store.EnsurePartitions(t.Context(), 2))
	token := uuid.New()
	_, err = pool.Exec(t.Context(), "update courier.lease set token = $1, last_transaction = $1 where partition = 0", token)
	require.NoError(t, err)
	return &world{store: store, pool: pool, lease: ledger.Lease{Partition: 0, Token: token}}
}

func (w *world) commit(t *testing.T, write func(tx *ledger.Transaction)) {
	t.Helper()
	tx := ledgertest.Transaction(w.lease)
	write(tx)
	require.NoError(t, w.store.Commit(t.Context(), w.lease, tx))
}

func (w *world) exec(t *testing.T, statement string, arguments ...any) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

func connect(t *testing.T, config *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
