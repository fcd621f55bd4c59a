package ledgermodel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

func waiting() *ledger.Transaction {
	m := &catalog.Mutation{ID: "m", ItemID: "x", Position: catalog.Position{Sequence: 1}, ReceivedAt: time.Unix(1, 0), HasWaitingRow: true}
	return &ledger.Transaction{
		ID: uuid.New(), Waiting: []*catalog.Mutation{m},
		Anchor: &ledger.Anchor{Position: m.Position},
	}
}

// TestLostAnswer: repeating a transaction that was committed does nothing.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	store := ledgermodel.New()
	lease := store.Acquire(0)
	lost := errors.New("lost")
	store.SetHook(func(_ context.Context, _ ledgermodel.Call, stage ledgermodel.Stage) error {
		if stage == ledgermodel.After {
			return lost
		}
		return nil
	})
	tx := waiting()
	require.ErrorIs(t, store.Commit(t.Context(), lease, tx), lost)
	store.SetHook(nil)
	require.NoError(t, store.Commit(t.Context(), lease, tx))
	require.Equal(t, 1, store.WaitingRows())
	require.NoError(t, store.Check())
}

func TestFence(t *testing.T) {
	t.Parallel()
	store := ledgermodel.New()
	old := store.Acquire(0)
	store.Acquire(0)
	require.ErrorIs(t, store.Commit(t.Context(), old, waiting()), ledger.ErrLeaseLost)
	require.Zero(t, store.WaitingRows())
	_, err := store.Resume(t.Context(), old)
	require.ErrorIs(t, err, ledger.ErrLeaseLost)
}

// TestFaults: a second row for one mutation does not go unnoticed.
func TestFaults(t *testing.T) {
	t.Parallel()
	store := ledgermodel.New()
	lease := store.Acquire(0)
	require.NoError(t, store.Commit(t.Context(), lease, waiting()))
	require.NoError(t, store.Check())
	require.NoError(t, store.Commit(t.Context(), lease, waiting()))
	require.ErrorContains(t, store.Check(), "recorded twice")
}
