package ledgertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func probed(t *testing.T, h Harness) {
	t.Helper()
	lease := h.Acquire(t, 0)
	for _, rows := range []uint64{1, 150} {
		tx := Transaction(lease)
		for i := range rows {
			tx.Waiting = append(tx.Waiting, Mutation(i+1, "a"))
		}
		tx.Anchor = Anchor(rows)
		require.NoError(t, prober(t, h).Probe(t.Context(), lease, tx))
		require.True(t, tx.Waiting[0].RecordedOn.IsZero())
		require.Empty(t, h.Statuses(t))
		require.Zero(t, resume(t, h, lease).Anchor.Position.Sequence)
	}
	ended := Transaction(lease) // a batch that begins and ends at once
	ended.Batches = []ledger.Batch{Batch(Record(Mutation(1, "a")))}
	ended.Outcomes = []ledger.BatchOutcome{{
		BatchID: ended.Batches[0].ID, Lane: Lane, CreatedAt: At, FinishedAt: At, State: ledger.BatchCompleted, Succeeded: 1,
		Exceptions: []ledger.RecordOutcome{{Result: ledger.Succeeded}},
	}}
	require.NoError(t, prober(t, h).Probe(t.Context(), lease, ended))
	require.Empty(t, h.Statuses(t))
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{Mutation(1, "a")}
	commit(t, h, lease, tx)
	require.Len(t, h.Statuses(t), 1)
	h.Acquire(t, 0)
	require.ErrorIs(t, prober(t, h).Probe(t.Context(), lease, Transaction(lease)), ledger.ErrLeaseLost)
}

func foundOut(t *testing.T, h Harness) {
	t.Helper()
	lease := h.Acquire(t, 0)
	tx := Transaction(lease)
	tx.Waiting = []*catalog.Mutation{Mutation(1, "a")}
	committed, err := prober(t, h).Committed(t.Context(), lease, tx)
	require.NoError(t, err)
	require.False(t, committed)
	commit(t, h, lease, tx)
	for range 2 {
		committed, err = prober(t, h).Committed(t.Context(), lease, tx)
		require.NoError(t, err)
		require.True(t, committed)
	}
	other := Transaction(lease)
	other.ID = uuid.New()
	committed, err = prober(t, h).Committed(t.Context(), lease, other)
	require.NoError(t, err)
	require.False(t, committed)
	commit(t, h, lease, other)
	h.Acquire(t, 0)
	_, err = prober(t, h).Committed(t.Context(), lease, tx)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
}

func prober(t *testing.T, h Harness) ledger.Prober {
	t.Helper()
	store, ok := h.Store.(ledger.Prober)
	require.True(t, ok)
	return store
}
