package persistence_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

// partitions is how many the tests' databases have.
const partitions = 8

func newPool(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	pool, err := persistence.Open(tb.Context(), persistence.PoolConfig{URL: url, MaxConns: 6})
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

func newStore(tb testing.TB, pool *pgxpool.Pool) *persistence.Store {
	tb.Helper()
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(tb, err)
	tb.Cleanup(store.Close)
	require.NoError(tb, store.EnsurePartitions(tb.Context(), partitions))
	return store
}

func newDatabase(tb testing.TB) (*persistence.Store, *pgxpool.Pool) {
	tb.Helper()
	pool := newPool(tb, persistencetest.Database(tb))
	return newStore(tb, pool), pool
}

// acquire makes the caller the owner of a partition, whoever had it.
func acquire(tb testing.TB, pool *pgxpool.Pool, partition int) ledger.Lease {
	tb.Helper()
	token := uuid.New()
	_, err := pool.Exec(context.Background(), "update courier.lease set token = $2, last_transaction = $2 where partition = $1", partition, token)
	require.NoError(tb, err)
	return ledger.Lease{Partition: partition, Token: token}
}

func statuses(tb testing.TB, pool *pgxpool.Pool) map[string]string {
	tb.Helper()
	rows, err := pool.Query(context.Background(), "select mutation_id, status from courier.mutation_status")
	require.NoError(tb, err)
	found := make(map[string]string)
	var id, status string
	_, err = pgx.ForEachRow(rows, []any{&id, &status}, func() error {
		require.NotContains(tb, found, id, "a mutation has one row")
		found[id] = status
		return nil
	})
	require.NoError(tb, err)
	return found
}

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness {
		t.Helper()
		store, pool := newDatabase(t)
		require.NoError(t, store.DropCursors(t.Context(), persistence.ItemsConsumer), "the consumers are those of the tests")
		return ledgertest.Harness{
			Store: store, Positions: store, Outbox: store, Leases: persistence.NewLeaseTable(pool), Partitions: partitions,
			Acquire:  func(t *testing.T, partition int) ledger.Lease { t.Helper(); return acquire(t, pool, partition) },
			Statuses: func(t *testing.T) map[string]string { t.Helper(); return statuses(t, pool) },
			People:   func(t *testing.T) ledgertest.People { t.Helper(); return people{t, store, pool} },
			Answers: func(t *testing.T, batch uuid.UUID) []string {
				t.Helper()
				rows, err := pool.Query(t.Context(), "select answer from courier.batch_answers where batch_id = $1 order by attempt nulls last", batch)
				require.NoError(t, err)
				found, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				return found
			},
		}
	})
}

// people read the views, do what commands do, and start and stop workers.
type people struct {
	t     *testing.T
	store *persistence.Store
	pool  *pgxpool.Pool
}

func (p people) Health(account string) (h ledger.AccountHealth) {
	p.t.Helper()
	var succeeded, since, next *time.Time
	err := p.pool.QueryRow(p.t.Context(), "select account, succeeded_at, failing_since, reason, next_try_at from courier.account_health where account = $1", account).
		Scan(&h.Account, &succeeded, &since, &h.Reason, &next)
	if errors.Is(err, pgx.ErrNoRows) {
		return h
	}
	require.NoError(p.t, err)
	h.SucceededAt, h.FailingSince, h.NextTry = orZero(succeeded), orZero(since), orZero(next)
	return h
}

func (p people) Strays(partition int) (lanes []ledger.StrayLane) {
	p.t.Helper()
	rows, err := p.pool.Query(p.t.Context(), `select account, catalog, catalog_type, problem, problem_since, invalid_at from courier.lane
		where partition = $1 and problem is not null order by account, catalog, catalog_type`, partition)
	require.NoError(p.t, err)
	var l ledger.StrayLane
	var since, invalid *time.Time
	_, err = pgx.ForEachRow(rows, []any{&l.Lane.Account, &l.Lane.Catalog, &l.Lane.Type, &l.Problem, &since, &invalid}, func() error {
		l.Since, l.InvalidAt = orZero(since), orZero(invalid)
		lanes = append(lanes, l)
		return nil
	})
	require.NoError(p.t, err)
	return lanes
}

func (p people) AskForRemoval(account string) {
	p.t.Helper()
	_, err := p.store.AskForRemoval(p.t.Context(), account)
	require.NoError(p.t, err)
}

// Configure starts a worker that says so, or ends it.
func (p people) Configure(account string, has bool) {
	p.t.Helper()
	worker := uuid.NewSHA1(uuid.Nil, []byte(account))
	leases := persistence.NewLeaseTable(p.pool)
	if !has {
		require.NoError(p.t, leases.Leave(p.t.Context(), worker))
		return
	}
	leases.Configure([]persistence.Account{{Name: account, Catalogs: []string{"us"}}})
	_, err := leases.Heartbeat(p.t.Context(), worker, "somebody")
	require.NoError(p.t, err)
}

func orZero(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC()
}
