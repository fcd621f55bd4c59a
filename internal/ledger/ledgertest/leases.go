//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func rewind(t *testing.T, h Harness) {
	lease := h.Acquire(t, 1)
	for sequence := uint64(1); sequence <= 9; sequence += 2 {
		tx := Transaction(lease)
		tx.Batches = []ledger.Batch{Batch(Record(Mutation(sequence, "a")))}
		tx.Recorded, tx.Anchor = []ledger.Range{{First: sequence, Last: sequence}}, Anchor(sequence)
		commit(t, h, lease, tx)
	}
	find := func(generation int64, sequence uint64) (uint64, bool) {
		found, ok, err := h.Positions.RecordedAtOrBefore(t.Context(), 1, generation, sequence)
		require.NoError(t, err)
		if ok {
			require.Equal(t, Mutation(found.Position.Sequence, "a").ID, found.MessageID)
			require.True(t, Mutation(found.Position.Sequence, "a").PublishedAt.Equal(found.Time))
		}
		return found.Position.Sequence, ok
	}
	newest, ok := find(0, 8)
	require.True(t, ok)
	require.Equal(t, uint64(7), newest)
	_, ok = find(0, 0)
	require.False(t, ok)
	_, ok, err := h.Positions.RecordedAtOrBefore(t.Context(), 0, 0, 100)
	require.NoError(t, err)
	require.False(t, ok, "another partition's")

	generation, err := h.Positions.Rewind(t.Context(), lease, *Anchor(5), []ledger.Range{{First: 4, Last: 7}})
	require.NoError(t, err)
	require.Positive(t, generation)
	r := resume(t, h, lease)
	require.Equal(t, catalog.Position{Generation: generation, Sequence: 5}, r.Anchor.Position)
	require.Equal(t, []ledger.Range{{First: 6, Last: 7}}, r.Recorded)
	newest, ok = find(generation, 9)
	require.True(t, ok)
	require.Equal(t, uint64(7), newest, "what came after it in the generation before is of another one")
	newest, ok = find(generation, 8)
	require.True(t, ok)
	require.Equal(t, uint64(7), newest, "what stays recorded above it is of this history too")

	m := Mutation(7, "a")
	m.Position.Generation = generation
	tx := Transaction(lease)
	tx.Batches = []ledger.Batch{Batch(Record(m))}
	tx.Anchor = &ledger.Anchor{Position: m.Position, Time: m.PublishedAt, MessageID: m.ID}
	commit(t, h, lease, tx)
	positions, err := h.Positions.Positions(t.Context())
	require.NoError(t, err)
	require.Len(t, positions, h.Partitions)
	require.Equal(t, m.Position, positions[1].Position)
	require.Zero(t, positions[0].Position)

	h.Acquire(t, 1)
	_, err = h.Positions.Rewind(t.Context(), lease, *Anchor(1), nil)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
}

// After a stream was restored only the partitions that it touched begin a new
// generation, so that another partition's messages may come to have the very
// positions of messages that are gone.
func twoHistories(t *testing.T, h Harness) {
	gone, later := h.Acquire(t, 0), h.Acquire(t, 1)
	first, second := Mutation(7, "a"), Mutation(7, "b")
	second.ID, second.Lane.Account = "m8", "other"
	for lease, m := range map[ledger.Lease]*catalog.Mutation{gone: first, later: second} {
		tx := Transaction(lease)
		tx.Waiting = []*catalog.Mutation{m}
		commit(t, h, lease, tx)
		m.HasWaitingRow = true
	}
	tx := Transaction(later)
	tx.Invalid = []ledger.InvalidMutation{{Mutation: second, Problem: catalog.Problem{Reason: catalog.InvalidJSON, Text: "x"}}}
	commit(t, h, later, tx)
	require.Equal(t, map[string]string{"m7": "waiting", "m8": "invalid"}, h.Statuses(t))
	batch := record(t, h, gone, Record(first))
	finish(t, h, gone, batch)
	require.Equal(t, map[string]string{"m7": "succeeded", "m8": "invalid"}, h.Statuses(t))
}

// beat is one heartbeat.
func beat(t *testing.T, h Harness, worker uuid.UUID) *ledger.LeaseView {
	t.Helper()
	view, err := h.Leases.Heartbeat(t.Context(), worker, "a worker")
	require.NoError(t, err)
	require.Len(t, view.Leases, h.Partitions)
	for number, row := range view.Leases {
		require.Equal(t, number, row.Partition)
	}
	return view
}

// counter is the worker's own.
func counter(t *testing.T, view *ledger.LeaseView, worker uuid.UUID) int64 {
	t.Helper()
	for _, row := range view.Workers {
		if row.ID == worker {
			return row.Counter
		}
	}
	t.Fatalf("there is no worker %s", worker)
	return 0
}

func claim(t *testing.T, h Harness, c ledger.LeaseClaim) (lease ledger.Lease, took bool) {
	t.Helper()
	c.Token = uuid.New()
	each, err := h.Leases.Take(t.Context(), []ledger.LeaseClaim{c})
	require.NoError(t, err)
	require.Len(t, each, 1)
	return ledger.Lease{Partition: c.Row.Partition, Token: c.Token}, each[0]
}

// own makes the worker the owner of partition 2.
func own(t *testing.T, h Harness, worker uuid.UUID) ledger.Lease {
	t.Helper()
	lease, took := claim(t, h, ledger.LeaseClaim{Row: beat(t, h, worker).Leases[2], Worker: worker})
	require.True(t, took)
	return lease
}

func takeFree(t *testing.T, h Harness) {
	one, two := uuid.New(), uuid.New()
	row := beat(t, h, one).Leases[2]
	require.Nil(t, row.Owner)
	lease, took := claim(t, h, ledger.LeaseClaim{Row: row, Worker: one})
	require.True(t, took)
	_, took = claim(t, h, ledger.LeaseClaim{Row: row, Worker: two})
	require.False(t, took, "it is not free any more")
	row = beat(t, h, two).Leases[2]
	require.Equal(t, one, *row.Owner)
	require.Equal(t, lease.Token, *row.Token)
	commit(t, h, lease, Transaction(lease))

	again, took := claim(t, h, ledger.LeaseClaim{Row: row, Worker: one})
	require.True(t, took, "the owner takes it again")
	require.ErrorIs(t, h.Store.Commit(t.Context(), lease, Transaction(lease)), ledger.ErrLeaseLost)
	require.NoError(t, h.Leases.Free(t.Context(), one, lease), "under the old token nothing happens")
	require.NotNil(t, beat(t, h, two).Leases[2].Owner)
	require.NoError(t, h.Leases.Free(t.Context(), one, again))
	require.Nil(t, beat(t, h, two).Leases[2].Owner)
}

func takeExpired(t *testing.T, h Harness) {
	one, two := uuid.New(), uuid.New()
	lease := own(t, h, one)
	view := beat(t, h, two)
	still := ledger.LeaseClaim{Row: view.Leases[2], Worker: two, Registered: true, Counter: counter(t, view, one)}
	beat(t, h, one)
	_, took := claim(t, h, still)
	require.False(t, took, "a heartbeat came in between")
	still.Counter++
	fresh, took := claim(t, h, still)
	require.True(t, took)
	require.ErrorIs(t, h.Store.Commit(t.Context(), lease, Transaction(lease)), ledger.ErrLeaseLost)
	commit(t, h, fresh, Transaction(fresh))
	_, took = claim(t, h, still)
	require.False(t, took, "it is another's now")
	require.NoError(t, h.Leases.Forget(t.Context(), one, still.Counter+1))
	counter(t, beat(t, h, two), one)
	require.NoError(t, h.Leases.Forget(t.Context(), one, still.Counter))
	require.Len(t, beat(t, h, two).Workers, 1)
}

func takeOrphan(t *testing.T, h Harness) {
	one, two, three := uuid.New(), uuid.New(), uuid.New()
	own(t, h, one)
	view := beat(t, h, two)
	orphan := ledger.LeaseClaim{Row: view.Leases[2], Worker: two}
	_, took := claim(t, h, orphan)
	require.False(t, took, "its owner has a row")
	require.NoError(t, h.Leases.Forget(t.Context(), one, counter(t, view, one)))
	counter(t, beat(t, h, three), one)
	require.NoError(t, h.Leases.Leave(t.Context(), one))
	require.Nil(t, beat(t, h, three).Leases[2].Owner)
}

func handOver(t *testing.T, h Harness) {
	one, two, three := uuid.New(), uuid.New(), uuid.New()
	lease := own(t, h, one)
	row := beat(t, h, two).Leases[2]
	require.NoError(t, h.Leases.Ask(t.Context(), two, row))
	beat(t, h, three)
	require.NoError(t, h.Leases.Ask(t.Context(), three, row))
	require.Equal(t, two, *beat(t, h, one).Leases[2].WantedBy, "the first who asked")
	commit(t, h, lease, Transaction(lease))

	require.NoError(t, h.Leases.Release(t.Context(), one, lease, uuid.New()))
	require.ErrorIs(t, h.Store.Commit(t.Context(), lease, Transaction(lease)), ledger.ErrLeaseLost)
	row = beat(t, h, two).Leases[2]
	require.Equal(t, two, *row.Owner)
	require.Nil(t, row.WantedBy)
	_, took := claim(t, h, ledger.LeaseClaim{Row: row, Worker: two})
	require.True(t, took)
	require.NoError(t, h.Leases.Release(t.Context(), one, lease, uuid.New()), "twice is harmless")
	require.Equal(t, two, *beat(t, h, one).Leases[2].Owner)
}

func handNothing(t *testing.T, h Harness) {
	one, two := uuid.New(), uuid.New()
	lease := own(t, h, one)
	row := beat(t, h, two).Leases[2]
	require.NoError(t, h.Leases.Ask(t.Context(), two, row))
	require.NoError(t, h.Leases.Drain(t.Context(), two))
	require.NoError(t, h.Leases.Release(t.Context(), one, lease, uuid.New()))
	require.Nil(t, beat(t, h, one).Leases[2].Owner)
}

func leave(t *testing.T, h Harness) {
	one, two := uuid.New(), uuid.New()
	lease := own(t, h, one)
	row := beat(t, h, two).Leases[2]
	require.NoError(t, h.Leases.Ask(t.Context(), two, row))
	require.NoError(t, h.Leases.Leave(t.Context(), two))
	view := beat(t, h, one)
	require.Nil(t, view.Leases[2].WantedBy)
	require.Len(t, view.Workers, 1)
	require.NoError(t, h.Leases.Leave(t.Context(), one))
	require.NoError(t, h.Leases.Release(t.Context(), one, lease, uuid.New()))
	require.Nil(t, beat(t, h, two).Leases[2].Owner)
}
