package persistence_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// manyRecords make a transaction large enough for COPY.
func manyRecords(first, n int) []catalog.Record {
	records := make([]catalog.Record, n)
	for i := range records {
		records[i] = ledgertest.Record(ledgertest.Mutation(uint64(first+i), fmt.Sprintf("item-%d", first+i)))
	}
	return records
}

func recording(lease ledger.Lease, records []catalog.Record) *ledger.Transaction {
	tx := ledgertest.Transaction(lease)
	tx.Batches = []ledger.Batch{ledgertest.Batch(records...)}
	last := records[len(records)-1].Newest().Position.Sequence
	tx.Recorded = []ledger.Range{{First: records[0].Newest().Position.Sequence, Last: last}}
	tx.Anchor = ledgertest.Anchor(last)
	return tx
}

func countRows(t *testing.T, pool *pgxpool.Pool, table string) int {
	t.Helper()
	var n int
	require.NoError(t, pool.QueryRow(context.Background(), "select count(*) from courier."+table).Scan(&n))
	return n
}

// An owner that is frozen inside COPY holds no lock that its successor needs, even
// for the very same rows, and writes nothing once it wakes up.
func TestFrozenOwnerDoesNotBlockItsSuccessor(t *testing.T) {
	t.Parallel()
	successor, pool := newDatabase(t)
	w := newWire()
	frozen := newWiredStore(t, pool, w)
	old := acquire(t, pool, 0)
	w.set(freezeCopy, old)
	result := make(chan error, 1)
	go func() { result <- frozen.Commit(context.Background(), old, recording(old, manyRecords(1, 3000))) }()
	<-w.frozen

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	fresh := acquire(t, pool, 0)
	require.NoError(t, successor.Commit(ctx, fresh, recording(fresh, manyRecords(1, 3000))))
	close(w.thaw)
	require.ErrorIs(t, <-result, ledger.ErrLeaseLost)
	require.Equal(t, 3000, countRows(t, pool, "mutation"))
	require.Equal(t, 1, countRows(t, pool, "batch"))
}

// A take-over in the middle of a commit waits for it, or makes it fail: never
// both succeed.
func TestFenceAndTakeOverExclude(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	for i := range 30 {
		lease := acquire(t, pool, 0)
		before := countRows(t, pool, "mutation")
		result := make(chan error, 1)
		go func() {
			result <- store.Commit(context.Background(), lease, recording(lease, manyRecords(1+i*200, 200)))
		}()
		acquire(t, pool, 0)
		after := countRows(t, pool, "mutation")
		if err := <-result; err != nil {
			require.ErrorIs(t, err, ledger.ErrLeaseLost)
		}
		require.Equal(t, after, countRows(t, pool, "mutation"), "nothing is written after the take-over")
		require.Contains(t, []int{before, before + 200}, after)
	}
}

func TestCommitInDoubt(t *testing.T) {
	t.Parallel()
	for _, size := range []int{3, 500} { // one flight, and COPY
		for name, f := range map[string]fault{"the answer is lost": dropAnswer, "the flight is lost": dropFlight} {
			t.Run(fmt.Sprintf("%s of %d", name, size), func(t *testing.T) {
				t.Parallel()
				_, pool := newDatabase(t)
				w := newWire()
				store := newWiredStore(t, pool, w)
				lease := acquire(t, pool, 0)
				// The first commit prepares the statements, so that the next is one flight.
				require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(1, size))))
				tx := recording(lease, manyRecords(1+size, size))
				w.set(f, lease)
				require.Error(t, store.Commit(t.Context(), lease, tx))
				require.NoError(t, store.Commit(t.Context(), lease, tx))
				require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(1+2*size, size))))
				require.Equal(t, 3*size, countRows(t, pool, "mutation"))
				require.Equal(t, 3, countRows(t, pool, "batch"))
			})
		}
	}
}

// A copy of a transaction that a broken connection delivers after it was repeated
// is not applied a second time.
func TestLateCopyOfATransaction(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	w := newWire()
	store := newWiredStore(t, pool, w)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(1, 3))))
	tx := recording(lease, manyRecords(4, 3))
	w.set(holdFlight, lease)
	require.Error(t, store.Commit(t.Context(), lease, tx))
	deliver := <-w.held
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	deliver()
	require.Equal(t, 6, countRows(t, pool, "mutation"))
	require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(7, 3))))
	require.Equal(t, 9, countRows(t, pool, "mutation"))
}

// A backend that is killed in the middle leaves nothing behind.
func TestKilledBackend(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	w := newWire()
	store := newWiredStore(t, pool, w)
	lease := acquire(t, pool, 0)
	tx := recording(lease, manyRecords(1, 2000))
	w.set(freezeCopy, lease)
	result := make(chan error, 1)
	go func() { result <- store.Commit(context.Background(), lease, tx) }()
	<-w.frozen
	require.Eventually(t, func() bool {
		tag, err := pool.Exec(context.Background(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and query ilike 'begin; copy courier.mutation%'`)
		return err == nil && tag.RowsAffected() == 1
	}, 10*time.Second, 5*time.Millisecond)
	close(w.thaw)
	require.Error(t, <-result)
	require.Zero(t, countRows(t, pool, "mutation"))
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	require.Equal(t, 2000, countRows(t, pool, "mutation"))
}

func TestFenceCodes(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	first, second := uuid.New(), uuid.New()
	fence := func(token, previous, this uuid.UUID) string {
		_, err := pool.Exec(t.Context(), "select courier.fence(0, $1, $2, $3, $4, $5, $6, $7, $8)", token, previous, this, nil, nil, nil, nil, nil)
		if err == nil {
			return ""
		}
		var problem *pgconn.PgError
		require.ErrorAs(t, err, &problem)
		return problem.Code
	}
	require.Equal(t, "CC001", fence(uuid.New(), lease.Token, first))
	require.Empty(t, fence(lease.Token, lease.Token, first))
	require.Equal(t, "CC002", fence(lease.Token, lease.Token, first))
	require.Equal(t, "CC003", fence(lease.Token, lease.Token, second))
	require.Empty(t, fence(lease.Token, first, second))
}

func TestPartitionsAreFixed(t *testing.T) {
	t.Parallel()
	store, _ := newDatabase(t)
	require.NoError(t, store.EnsurePartitions(t.Context(), partitions))
	require.ErrorContains(t, store.EnsurePartitions(t.Context(), partitions*2), "fixed at the first start")
	require.Error(t, store.EnsurePartitions(t.Context(), 0))
	positions, err := store.Positions(t.Context())
	require.NoError(t, err)
	require.Len(t, positions, partitions)
}

func TestRewind(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(1, 100))))

	at, ok, err := store.RecordedAtOrBefore(t.Context(), 0, 0, 60)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, *ledgertest.Anchor(60), at, "exactly as the stream said it")
	for _, later := range []uint64{101, 2_000, 100_000_000, math.MaxInt64, math.MaxUint64} {
		last, ok, err := store.RecordedAtOrBefore(t.Context(), 0, 0, later)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, *ledgertest.Anchor(100), last, "searched from %d", later)
	}
	_, ok, err = store.RecordedAtOrBefore(t.Context(), 1, 0, 60)
	require.NoError(t, err)
	require.False(t, ok, "another partition's messages say nothing")

	generation, err := store.Rewind(t.Context(), lease, at, []ledger.Range{{First: 50, Last: 70}, {First: 80, Last: 90}})
	require.NoError(t, err)
	require.Equal(t, int64(1), generation)
	resumption, err := store.Resume(t.Context(), lease)
	require.NoError(t, err)
	at.Position.Generation = 1
	require.Equal(t, at, resumption.Anchor)
	require.Equal(t, []ledger.Range{{First: 61, Last: 70}, {First: 80, Last: 90}}, resumption.Recorded)

	again := ledgertest.Mutation(65, "again")
	again.Position.Generation = 1
	tx := recording(lease, []catalog.Record{ledgertest.Record(again)})
	tx.Anchor.Position.Generation = 1
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	at, ok, err = store.RecordedAtOrBefore(t.Context(), 0, 1, 64)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, catalog.Position{Sequence: 64}, at.Position, "the search goes on in the generation before")
	at, ok, err = store.RecordedAtOrBefore(t.Context(), 0, 1, 100)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, again.Position, at.Position)
	stale := ledger.Lease{Partition: 0, Token: uuid.New()}
	_, err = store.Rewind(t.Context(), stale, at, nil)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
}

// A database that is restored from an older copy under a living owner is noticed:
// the owner must not write on top of what is gone.
func TestDatabasePutBackUnderTheOwner(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	store := newStore(t, pool)
	lease := acquire(t, pool, 0)
	first := recording(lease, manyRecords(1, 3))
	require.NoError(t, store.Commit(t.Context(), lease, first))
	resumption, err := store.Resume(t.Context(), lease)
	require.NoError(t, err)
	require.EqualValues(t, 1, resumption.Commits)
	require.NoError(t, store.Commit(t.Context(), lease, recording(lease, manyRecords(4, 3))))

	_, err = pool.Exec(t.Context(), "update courier.lease set last_transaction = $1, commits = 1 where partition = 0", first.ID)
	require.NoError(t, err)
	tx := recording(lease, manyRecords(7, 3))
	require.Error(t, store.Commit(t.Context(), lease, tx))
	require.ErrorIs(t, store.Commit(t.Context(), lease, tx), ledger.ErrLeaseLost)
	require.Equal(t, 6, countRows(t, pool, "mutation"))
}
