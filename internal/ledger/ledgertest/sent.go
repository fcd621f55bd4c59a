//nolint:thelper // these are tests, not helpers: a failure is where it happens
package ledgertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func sentAndMirrored(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	r := resume(t, h, lease)
	require.Zero(t, r.Sent)
	require.Empty(t, r.Noted)
	require.True(t, r.Knows(uuid.Nil), "nothing was ever sent")
	require.False(t, r.Knows(uuid.New()))

	first := Transaction(lease)
	batch := Batch(Record(Mutation(1, "a")))
	first.Batches = []ledger.Batch{batch}
	commit(t, h, lease, first)
	r = resume(t, h, lease)
	require.Equal(t, first.ID, r.Sent)
	require.Empty(t, r.Noted)
	require.False(t, r.Knows(uuid.Nil))

	waiting := Transaction(lease)
	waiting.Waiting = append(waiting.Waiting, Mutation(2, "b"))
	waiting.Noted = []uuid.UUID{first.ID}
	commit(t, h, lease, waiting)
	r = resume(t, h, lease)
	require.Equal(t, first.ID, r.Sent, "a waiting row announces nothing")
	require.Equal(t, []uuid.UUID{first.ID}, r.Noted)

	again := Transaction(lease)
	again.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: 2, At: At}}
	commit(t, h, lease, again)
	lease = h.Acquire(t, 0) // the next owner
	r = resume(t, h, lease)
	require.Equal(t, again.ID, r.Sent)
	require.Equal(t, []uuid.UUID{first.ID}, r.Noted, "what was known stays known")
	require.True(t, r.Knows(again.ID))
	require.True(t, r.Knows(first.ID), "its owner may have ended before it was noted")
	require.False(t, r.Knows(waiting.ID))

	tried := Transaction(lease)
	tried.Intents = []ledger.Intent{{BatchID: batch.ID, Attempt: 3, At: At}}
	tried.Noted = []uuid.UUID{first.ID, again.ID}
	commit(t, h, lease, tried)
	r = resume(t, h, lease)
	for _, id := range []uuid.UUID{first.ID, again.ID, tried.ID} {
		require.True(t, r.Knows(id), "the note of each may be the one that arrived")
	}

	claim := Transaction(lease)
	claim.Claims = true
	commit(t, h, lease, claim)
	require.Equal(t, claim.ID, resume(t, h, lease).Sent)
	require.Zero(t, resume(t, h, h.Acquire(t, 1)).Sent, "each partition has its own")
}

func verify(t *testing.T, h Harness) {
	lease := h.Acquire(t, 0)
	require.NoError(t, h.Store.Verify(t.Context(), lease))
	tx := Transaction(lease)
	tx.Waiting = append(tx.Waiting, Mutation(1, "a"))
	commit(t, h, lease, tx)
	require.NoError(t, h.Store.Verify(t.Context(), lease))
	next := h.Acquire(t, 0)
	require.ErrorIs(t, h.Store.Verify(t.Context(), lease), ledger.ErrLeaseLost)
	require.NoError(t, h.Store.Verify(t.Context(), next))
}
