package persistence_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// within is for how long the tests wait for what takes a moment.
const within = 30 * time.Second

// mutationOf is the suite's mutation in an account of the partition's own.
func mutationOf(partition int, sequence uint64) *catalog.Mutation {
	m := ledgertest.Mutation(sequence, fmt.Sprintf("item-%d", sequence))
	m.ID = fmt.Sprintf("p%d-%s", partition, m.ID)
	m.Lane.Account = fmt.Sprintf("account-%d", partition)
	return m
}

func recordingIn(lease ledger.Lease, first, n int) *ledger.Transaction {
	records := make([]catalog.Record, n)
	for i := range records {
		records[i] = ledgertest.Record(mutationOf(lease.Partition, uint64(first+i)))
	}
	tx := recording(lease, records)
	tx.Batches[0].Lane = records[0].Key.Lane
	return tx
}

// shared is a transaction of each of some partitions, and how each ended that was in a group.
type shared struct {
	store  *persistence.Store
	leases []ledger.Lease
	txs    []*ledger.Transaction
}

func newShared(t *testing.T, store *persistence.Store, pool *pgxpool.Pool, n, rows int) *shared {
	t.Helper()
	s := &shared{store: store}
	for partition := range n {
		s.leases = append(s.leases, acquire(t, pool, partition))
		s.txs = append(s.txs, recordingIn(s.leases[partition], 1, rows))
	}
	return s
}

// commit has all of them join a group, and returns how each ended.
func (s *shared) commit(t *testing.T, more ...func() error) []error {
	t.Helper()
	calls := make([]func() error, 0, len(s.txs)+len(more))
	for i, tx := range s.txs {
		calls = append(calls, func() error { return s.store.Commit(context.Background(), s.leases[i], tx) })
	}
	return inOneGroup(t, s.store, append(calls, more...)...)
}

// inOneGroup has calls join one group, but for those that end without one.
func inOneGroup(t require.TestingT, store *persistence.Store, calls ...func() error) []error {
	release := store.HoldGroups()
	results := make([]chan error, len(calls))
	for i, call := range calls {
		results[i] = make(chan error, 1)
		go func() { results[i] <- call() }()
	}
	require.Eventually(t, func() bool {
		ended := 0
		for _, result := range results {
			ended += len(result)
		}
		return store.WaitingForGroup()+ended == len(calls)
	}, within, time.Millisecond)
	release()
	errs := make([]error, len(calls))
	for i := range results {
		errs[i] = <-results[i]
	}
	return errs
}

// transactionsOf counts the transactions that wrote the lease rows of partitions below n.
func transactionsOf(t *testing.T, pool *pgxpool.Pool, n int) (transactions int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), "select count(distinct xmin::text) from courier.lease where partition < $1", n).Scan(&transactions)
	require.NoError(t, err)
	return transactions
}

func recordedIn(t *testing.T, pool *pgxpool.Pool, partition int) (rows int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), "select count(*) from courier.mutation where mutation_id like $1", fmt.Sprintf("p%d-%%", partition)).Scan(&rows)
	require.NoError(t, err)
	return rows
}

// TestRequestsShareATransaction: with few rows, and with enough of them for COPY.
func TestRequestsShareATransaction(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, 40} {
		t.Run(strconv.Itoa(rows)+" rows", func(t *testing.T) {
			t.Parallel()
			store, pool := newDatabase(t)
			s := newShared(t, store, pool, 6, rows)
			attempts := []ledger.Attempt{{BatchID: uuid.Must(uuid.NewV7()), Number: 1, Result: ledger.Accepted, Handles: []string{"h"}, At: ledgertest.At}}
			for _, err := range s.commit(t, func() error { return store.AppendAttempts(context.Background(), attempts) }) {
				require.NoError(t, err)
			}
			require.Equal(t, 1, transactionsOf(t, pool, 6))
			require.Equal(t, 6*rows, countRows(t, pool, "mutation"))
			require.Equal(t, 1, countRows(t, pool, "attempt"))
			for partition, lease := range s.leases {
				resumption, err := store.Resume(t.Context(), lease)
				require.NoError(t, err)
				require.Equal(t, uint64(rows), resumption.Anchor.Position.Sequence)
				require.Equal(t, s.txs[partition].ID, resumption.Sent)
				require.Len(t, resumption.Open, 1)
				require.False(t, s.txs[partition].Batches[0].Records[0].Newest().RecordedOn.IsZero())
			}
			require.Zero(t, store.Running())
		})
	}
}

// TestALoneRequestLeavesAtOnce: also while others are under way, up to a bound.
func TestALoneRequestLeavesAtOnce(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	s := newShared(t, store, pool, 1, 1)
	require.NoError(t, store.Commit(t.Context(), s.leases[0], s.txs[0]))
	require.Zero(t, store.Running())
	// And where transactions do not end, what waits for them goes on all the same.
	release := store.TakeGroups()
	defer release()
	require.NoError(t, store.Commit(t.Context(), s.leases[0], recordingIn(s.leases[0], 2, 1)))
}

// TestALostLeaseConcernsItsPartitionOnly.
func TestALostLeaseConcernsItsPartitionOnly(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	s := newShared(t, store, pool, 5, 2)
	for i, tx := range s.txs { // so that only the fence can tell
		require.NoError(t, store.Commit(t.Context(), s.leases[i], tx))
		s.txs[i] = recordingIn(s.leases[i], 3, 3)
	}
	acquire(t, pool, 2)
	for partition, err := range s.commit(t) {
		if partition == 2 {
			require.ErrorIs(t, err, ledger.ErrLeaseLost)
			require.Equal(t, 2, recordedIn(t, pool, partition), "nothing of it is written")
			require.True(t, s.txs[partition].Batches[0].Records[0].Newest().RecordedOn.IsZero(), "and it is not told to be")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 5, recordedIn(t, pool, partition))
	}
	require.Equal(t, 9, countRows(t, pool, "batch"))
}

// TestARefusedRowConcernsItsRequestOnly: of a transaction, and of an attempt.
func TestARefusedRowConcernsItsRequestOnly(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	_, err := pool.Exec(t.Context(), `alter table courier.mutation add constraint odd check (mutation_id <> 'p1-m2');
		alter table courier.attempt add constraint odd check (error <> 'odd')`)
	require.NoError(t, err)
	s := newShared(t, store, pool, 4, 3)
	odd := []ledger.Attempt{{BatchID: s.txs[0].Batches[0].ID, Number: 1, Result: ledger.Ambiguous, At: ledgertest.At, Error: "odd"}}
	even := []ledger.Attempt{{BatchID: s.txs[3].Batches[0].ID, Number: 1, Result: ledger.Ambiguous, At: ledgertest.At, Error: "even"}}
	errs := s.commit(t,
		func() error { return store.AppendAttempts(context.Background(), odd) },
		func() error { return store.AppendAttempts(context.Background(), even) })
	for i, err := range errs {
		if i == 1 || i == 4 {
			require.ErrorIs(t, err, ledger.ErrRejected)
			continue
		}
		require.NoError(t, err)
	}
	require.Zero(t, recordedIn(t, pool, 1))
	require.Equal(t, 9, countRows(t, pool, "mutation"))
	require.Equal(t, 1, countRows(t, pool, "attempt"))
	_, err = pool.Exec(t.Context(), "alter table courier.mutation drop constraint odd")
	require.NoError(t, err)
	require.NoError(t, store.Commit(t.Context(), s.leases[1], s.txs[1]), "the same transaction goes on")
	require.Equal(t, 3, recordedIn(t, pool, 1))
}

// TestAnAlreadyCommittedTransactionInAGroup: its repetition is told that it is committed, and
// the others are written.
func TestAnAlreadyCommittedTransactionInAGroup(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	s := newShared(t, store, pool, 3, 2)
	require.NoError(t, store.Commit(t.Context(), s.leases[1], s.txs[1]))
	for _, err := range s.commit(t) {
		require.NoError(t, err)
	}
	require.Equal(t, 6, countRows(t, pool, "mutation"))
}

// TestABrokenConnectionLeavesAllInDoubt: each finds out by itself, and nothing is written
// twice, whether the group arrived, did not, or arrives late.
func TestABrokenConnectionLeavesAllInDoubt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fault{"the answer is lost": dropAnswer, "the group is lost": dropFlight, "the group is late": holdFlight} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := newDatabase(t)
			w := newWire()
			store := newWiredStore(t, pool, w)
			s := newShared(t, store, pool, 4, 2)
			w.set(fault, s.leases[3])
			for _, err := range s.commit(t) {
				require.Error(t, err)
				require.NotErrorIs(t, err, ledger.ErrRejected)
				require.NotErrorIs(t, err, ledger.ErrLeaseLost)
			}
			for _, tx := range s.txs {
				require.True(t, tx.Batches[0].Records[0].Newest().RecordedOn.IsZero(), "nobody is told that it is stored")
			}
			commitAll := func(after string) {
				for i, tx := range s.txs {
					require.NoError(t, store.Commit(t.Context(), s.leases[i], tx), after)
				}
			}
			commitAll("repeated")
			if fault == holdFlight {
				(<-w.held)() // all of it fails at the first fence
			}
			for i := range s.txs {
				s.txs[i] = recordingIn(s.leases[i], 3, 1)
			}
			for _, err := range s.commit(t) {
				require.NoError(t, err, "and they join groups again")
			}
			require.Equal(t, 1, transactionsOf(t, pool, 4))
			require.Equal(t, 12, countRows(t, pool, "mutation"))
			require.Equal(t, 8, countRows(t, pool, "batch"))
			for _, lease := range s.leases {
				resumption, err := store.Resume(t.Context(), lease)
				require.NoError(t, err)
				require.Equal(t, int64(2), resumption.Commits)
			}
		})
	}
}

// TestWhatBreaksConnectionsBreaksNobodyElses: after a group without an answer each
// is written alone until one of its own works.
func TestWhatBreaksConnectionsBreaksNobodyElses(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	_, err := pool.Exec(t.Context(), `create function courier.cut() returns trigger language plpgsql as
		$$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
		create trigger cut after insert on courier.batch for each row when (new.partition = 1) execute function courier.cut()`)
	require.NoError(t, err)
	s := newShared(t, store, pool, 4, 2)
	for _, err := range s.commit(t) {
		require.Error(t, err)
	}
	require.Error(t, store.Commit(t.Context(), s.leases[1], s.txs[1]))
	release := store.HoldGroups()
	for _, i := range []int{0, 2, 3, 1} {
		err := store.Commit(t.Context(), s.leases[i], s.txs[i]) // it joins no group
		if i == 1 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
	}
	release()
	_, err = pool.Exec(t.Context(), "drop trigger cut on courier.batch")
	require.NoError(t, err)
	require.NoError(t, store.Commit(t.Context(), s.leases[1], s.txs[1]))
	require.Equal(t, 8, countRows(t, pool, "mutation"))
}

// TestALockedLeaseDelaysItsPartitionOnly.
func TestALockedLeaseDelaysItsPartitionOnly(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	s := newShared(t, store, pool, 4, 2)
	holder, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), "select from courier.lease where partition = 2 for update")
	require.NoError(t, err)
	release := store.HoldGroups()
	results := make([]chan error, len(s.txs))
	for i, tx := range s.txs {
		results[i] = make(chan error, 1)
		go func() { results[i] <- store.Commit(context.Background(), s.leases[i], tx) }()
	}
	require.Eventually(t, func() bool { return store.WaitingForGroup() == len(s.txs) }, within, time.Millisecond)
	release()
	for _, i := range []int{0, 1, 3} {
		require.NoError(t, <-results[i])
	}
	select {
	case err := <-results[2]:
		t.Fatalf("it got past the lock: %v", err)
	default:
	}
	require.NoError(t, holder.Rollback(t.Context()))
	require.NoError(t, <-results[2])
}

// TestACallerThatLeaves: while it waits for a group it is gone at once, and nothing of it is
// written; the others are.
func TestACallerThatLeaves(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	s := newShared(t, store, pool, 3, 1)
	for _, leaves := range []int{0, 2} { // the one that would write the group, and another
		release := store.HoldGroups()
		ctx, cancel := context.WithCancel(t.Context())
		results := make([]chan error, len(s.txs))
		for i, tx := range s.txs {
			results[i] = make(chan error, 1)
			given := context.Background()
			if i == leaves {
				given = ctx
			}
			go func() { results[i] <- store.Commit(given, s.leases[i], tx) }()
			require.Eventually(t, func() bool { return store.WaitingForGroup() == i+1 }, within, time.Millisecond)
		}
		cancel()
		require.ErrorIs(t, <-results[leaves], context.Canceled)
		require.Equal(t, len(s.txs)-1, store.WaitingForGroup())
		release()
		for i := range results {
			if i != leaves {
				require.NoError(t, <-results[i])
				s.txs[i] = recordingIn(s.leases[i], 2, 1)
			}
		}
		require.NoError(t, store.Commit(t.Context(), s.leases[leaves], s.txs[leaves]), "it can be repeated")
		s.txs[leaves] = recordingIn(s.leases[leaves], 2, 1)
	}
	require.Equal(t, 6, countRows(t, pool, "mutation"))
	require.Zero(t, store.Running())
}
