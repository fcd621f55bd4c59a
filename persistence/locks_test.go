package persistence_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// hoard holds every advisory lock that anything of ours ever waited for, as any role
// that may connect can.
func hoard(t *testing.T, url string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close(context.Background())) })
	for _, name := range []string{"courier.ensure_day", "courier.schema", "courier.index_day"} {
		_, err = connection.Exec(t.Context(), "select pg_advisory_lock(hashtext($1))", name)
		require.NoError(t, err)
	}
	const goose = 5887940537704921958 // lock.DefaultLockID
	_, err = connection.Exec(t.Context(), "select pg_advisory_lock($1)", int64(goose))
	require.NoError(t, err)
}

// TestAdvisoryLocksHoldUpNothing: neither migrations nor days nor indexes.
func TestAdvisoryLocksHoldUpNothing(t *testing.T) {
	t.Parallel()
	url := persistencetest.Database(t)
	hoard(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := persistence.Migrate(ctx, url)
	require.NoError(t, err)
	pool := newPool(t, url)
	store := newStore(t, pool)
	oldDay(t, store, acquire(t, pool, 0), 1)
	_, err = store.Retain(ctx, persistence.RetentionPolicy{Keep: 90 * 24 * time.Hour})
	require.NoError(t, err)
	var indexed int
	require.NoError(t, pool.QueryRow(ctx, `select count(*) from pg_indexes where schemaname = 'courier' and indexname like '%\_by\_item'`).Scan(&indexed))
	require.Equal(t, 1, indexed)
}

// TestMigrationsWaitForEachOther: many at once, from nothing, and all find the schema.
func TestMigrationsWaitForEachOther(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	var all sync.WaitGroup
	failures := make(chan error, 4)
	for range cap(failures) {
		all.Go(func() {
			_, err := persistence.Migrate(t.Context(), url)
			failures <- err
		})
	}
	all.Wait()
	for range cap(failures) {
		require.NoError(t, <-failures)
	}
	_, err := persistence.CheckSchema(t.Context(), url)
	require.NoError(t, err)
}

// TestInventedLanesAreForgotten: once nothing refers to them. Lanes that are used, or
// that anything still refers to, stay; so do lanes whose id a process has in memory.
func TestInventedLanesAreForgotten(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	lanes := func() (n int) {
		require.NoError(t, pool.QueryRow(context.Background(), "select count(*) from courier.lane").Scan(&n))
		return n
	}
	age := func(days int) {
		_, err := pool.Exec(context.Background(), "update courier.lane set used_on = used_on - $1::int", days)
		require.NoError(t, err)
	}
	retain := func(at time.Time) int64 {
		report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: at})
		require.NoError(t, err)
		return report.Lanes
	}
	now, err := store.Clock(t.Context())
	require.NoError(t, err)
	const invented = 200
	for i := range invented {
		m := ledgertest.Mutation(uint64(i+1), "x")
		m.Lane, m.ReceivedAt = catalog.Lane{Account: fmt.Sprintf("nobody-%d", i), Catalog: "c", Type: "RETAIL"}, now
		commit(t, store, lease, func(tx *ledger.Transaction) {
			tx.Invalid = []ledger.InvalidMutation{{Mutation: m, Problem: catalog.Problem{Reason: catalog.UnknownAccount}}}
		})
	}
	waiting := ledgertest.Mutation(invented+1, "w")
	waiting.Lane, waiting.ReceivedAt = catalog.Lane{Account: "waits", Catalog: "c", Type: "RETAIL"}, now
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{waiting} })
	versioned := catalog.Lane{Account: "versions", Catalog: "c", Type: "RETAIL"}
	commit(t, store, lease, func(tx *ledger.Transaction) {
		tx.Versions = []ledger.ItemVersion{{Key: catalog.ItemKey{Lane: versioned, ItemID: "i"}, Version: 1, MutationID: "m"}}
	})
	require.Equal(t, invented+2, lanes())

	require.Zero(t, retain(now), "today's")
	age(10)
	require.Zero(t, retain(now), "there are rows and dead letters of them")
	age(100)
	_, err = pool.Exec(context.Background(), "delete from courier.dead_letter; delete from courier.mutation where state = 2")
	require.NoError(t, err)
	require.EqualValues(t, invented, retain(now))
	require.Equal(t, 2, lanes(), "what waits, and what has a version, keeps its lane")

	// A process that looked the lane up lately need not fear: its look keeps it.
	fresh := newStore(t, pool)
	m := ledgertest.Mutation(invented+9, "y")
	m.Lane, m.ReceivedAt = catalog.Lane{Account: "nobody-0", Catalog: "c", Type: "RETAIL"}, now
	refuse := &ledger.Transaction{ID: uuid.New(), Partition: 0, Invalid: []ledger.InvalidMutation{{Mutation: m, Problem: catalog.Problem{Reason: catalog.UnknownAccount}}}}
	require.NoError(t, fresh.Commit(t.Context(), acquire(t, pool, 0), refuse))
	require.Zero(t, retain(now))
	require.Contains(t, statuses(t, pool), m.ID)
}
