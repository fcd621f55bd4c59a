package notice_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// openDatabase is a migrated database with two accounts.
func openDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	execute(t, pool, `INSERT INTO courier.account (name, platform) VALUES ('acme', 'meta'), ('beta', 'pinterest')`)
	return pool
}

func execute(t *testing.T, pool *pgxpool.Pool, statement string, arguments ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

func pauseAccount(t *testing.T, pool *pgxpool.Pool, account string) {
	t.Helper()
	execute(t, pool, `UPDATE courier.account SET state = 'paused', by_hand = true, reason = 'the token <expired>' WHERE name = $1`, account)
}

func resumeAccount(t *testing.T, pool *pgxpool.Pool, account string) {
	t.Helper()
	execute(t, pool, `UPDATE courier.account SET state = 'active', by_hand = false, reason = '' WHERE name = $1`, account)
}
