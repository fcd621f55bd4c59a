package persistence_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/migrations"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// member is a worker that drains at once.
type member struct {
	leases *lease.Manager
	stop   func()
}

const ttl = 1500 * time.Millisecond

// join starts a worker whose holdings are drained at once.
func join(t *testing.T, pool *pgxpool.Pool) *member {
	t.Helper()
	leases := lease.New(persistence.NewLeaseTable(pool), lease.Config{Partitions: partitions, TTL: ttl, Interval: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	ended := make(chan error, 1)
	group.Go(func() { ended <- leases.Run(ctx) })
	group.Go(func() {
		for {
			select {
			case holding := <-leases.Acquired():
				group.Go(func() {
					select {
					case <-holding.HandOver():
					case <-holding.Lost():
					}
					_ = holding.Release(context.Background()) // the lease expires otherwise
				})
			case err := <-ended:
				ended <- err
				return
			}
		}
	})
	m := &member{leases: leases}
	m.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
	})
	t.Cleanup(m.stop)
	return m
}

func (m *member) owns() int {
	n := 0
	for _, holding := range m.leases.Holdings() {
		if holding.MayWrite() {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 10*time.Millisecond, what)
}

func TestLeasesSpreadEvenly(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	first := join(t, pool)
	eventually(t, "one worker owns all", func() bool { return first.owns() == partitions })
	second := join(t, pool)
	eventually(t, "two share", func() bool { return first.owns() == partitions/2 && second.owns() == partitions/2 })
	third := join(t, pool)
	eventually(t, "three share", func() bool {
		return first.owns()+second.owns()+third.owns() == partitions && first.owns() <= 3 && second.owns() <= 3 && third.owns() >= 2
	})
	first.stop()
	eventually(t, "what a leaving worker released is taken", func() bool { return second.owns() == partitions/2 && third.owns() == partitions/2 })
	require.Equal(t, 2, countRows(t, pool, "worker"))
}

// A worker whose heartbeats stop loses its partitions: it stops writing first, and
// only then another takes them.
func TestStalledWorkerStopsBeforeItsSuccessorStarts(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	theirs, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	require.NoError(t, err)
	stalled := join(t, theirs)
	eventually(t, "it owns all", func() bool { return stalled.owns() == partitions })
	holdings := stalled.leases.Holdings()
	successor := lease.New(persistence.NewLeaseTable(pool), lease.Config{Partitions: partitions, TTL: ttl, Interval: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	theirs.Close() // from here on no heartbeat gets through
	go func() { ended <- successor.Run(ctx) }()
	taken := <-successor.Acquired()
	for _, holding := range holdings {
		require.False(t, holding.MayWrite(), "nobody may write with the old lease any more")
		require.False(t, time.Now().Before(holding.Deadline()))
	}
	require.True(t, taken.MayWrite())
	for _, holding := range holdings {
		select {
		case <-holding.Lost():
		case <-time.After(10 * time.Second):
			t.Fatal("the stalled worker did not notice")
		}
	}
	eventually(t, "the successor owns all", func() bool { return len(successor.Holdings()) == partitions })
	cancel() // first: a released partition would be taken again
	for _, holding := range successor.Holdings() {
		require.NoError(t, holding.Release(t.Context()))
	}
	require.NoError(t, <-ended)
}

// Partitions that are released without ever having been received are taken again
// and announced again; nobody listening must not stop the heartbeats.
func TestUnheardAcquisitionsDoNotStopTheHeartbeats(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	leases := lease.New(persistence.NewLeaseTable(pool), lease.Config{
		Partitions: partitions, TTL: ttl, Interval: 20 * time.Millisecond, DrainTimeout: 100 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- leases.Run(ctx) }()
	eventually(t, "it holds all", func() bool { return len(leases.Holdings()) == partitions })
	for _, holding := range leases.Holdings() {
		require.NoError(t, holding.Release(t.Context()))
	}
	beat := func() (counter int64) {
		require.NoError(t, pool.QueryRow(t.Context(), "select coalesce(max(counter), 0) from courier.worker").Scan(&counter))
		return counter
	}
	before := beat()
	eventually(t, "the heartbeats go on", func() bool { return beat() > before+3 })
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("it did not end")
	}
}

// A lease that was taken by force is lost at the next heartbeat, and fenced calls
// fail at once.
func TestTakenLeaseIsLost(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	m := join(t, pool)
	eventually(t, "it owns all", func() bool { return m.owns() == partitions })
	holding := m.leases.Holdings()[0]
	commit(t, store, holding.Lease, func(*ledger.Transaction) {})
	_, err := pool.Exec(t.Context(), "update courier.lease set owner = $2, token = $2 where partition = $1", holding.Lease.Partition, uuid.New())
	require.NoError(t, err)
	tx := ledgertest.Transaction(holding.Lease)
	require.ErrorIs(t, store.Commit(t.Context(), holding.Lease, tx), ledger.ErrLeaseLost)
	select {
	case <-holding.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("the loss was not noticed")
	}
	require.True(t, holding.Deadline().IsZero())
	eventually(t, "a partition of nobody alive is taken again", func() bool { return m.owns() == partitions })
}

// A hand-over waits for the drain and goes straight to who asked.
func TestHandOverWaitsForTheDrain(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	config := lease.Config{Partitions: partitions, TTL: ttl, Interval: 50 * time.Millisecond, DrainTimeout: 100 * time.Millisecond}
	owner := lease.New(persistence.NewLeaseTable(pool), config)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- owner.Run(ctx) }()
	held := make([]*lease.Holding, 0, partitions)
	for range partitions {
		held = append(held, <-owner.Acquired())
	}
	other := join(t, pool)
	asked := func() (n int) {
		for _, holding := range held {
			select {
			case <-holding.HandOver():
				n++
			default:
			}
		}
		return n
	}
	eventually(t, "half is asked back", func() bool { return asked() == partitions/2 })
	require.Zero(t, other.owns())
	for _, holding := range held {
		require.True(t, holding.MayWrite(), "until the release nothing changes")
	}
	for _, holding := range held {
		select {
		case <-holding.HandOver():
			require.NoError(t, holding.Release(t.Context()))
			require.NoError(t, holding.Release(t.Context()), "releasing again is harmless")
			require.False(t, holding.MayWrite())
		default:
		}
	}
	eventually(t, "the other owns half", func() bool { return other.owns() == partitions/2 })
	require.Equal(t, partitions/2, asked(), "and asks for no more")
	cancel() // what is not released within DrainTimeout is lost
	require.NoError(t, <-ended)
	eventually(t, "the other owns all", func() bool { return other.owns() == partitions })
}

func TestConcurrentMigrations(t *testing.T) {
	t.Parallel()
	url := persistencetest.Database(t)
	pool := newPool(t, url)
	_, err := pool.Exec(t.Context(), "drop schema courier cascade")
	require.NoError(t, err)
	_, err = persistence.CheckSchema(t.Context(), url)
	require.ErrorIs(t, err, persistence.ErrSchemaBehind)
	files, err := fs.Glob(migrations.Files, "*.sql")
	require.NoError(t, err)
	newest := 0
	_, err = fmt.Sscanf(files[len(files)-1], "%05d_", &newest)
	require.NoError(t, err)
	var group sync.WaitGroup
	results := make([]string, 6)
	for i := range results {
		group.Go(func() {
			version, err := persistence.Migrate(context.Background(), url)
			results[i] = fmt.Sprint(version, err)
		})
	}
	group.Wait()
	for _, result := range results {
		require.Equal(t, fmt.Sprintf("%d <nil>", newest), result)
	}
	version, err := persistence.CheckSchema(t.Context(), url)
	require.NoError(t, err)
	require.EqualValues(t, newest, version)
}
