package persistence_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestReplaysAtOncePublishEachLetterOnce, and a failed one leaves its letters to the next.
func TestReplaysAtOncePublishEachLetterOnce(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	const count = 20
	commit(t, store, lease, func(tx *ledger.Transaction) {
		for i := range count {
			tx.Invalid = append(tx.Invalid, ledger.InvalidMutation{
				Mutation: ledgertest.Mutation(uint64(i+1), string(rune('a'+i))), Problem: catalog.Problem{Reason: catalog.WrongType, Text: "x"},
			})
		}
	})
	list := func() []persistence.DeadLetter {
		letters, err := store.DeadLetters(t.Context(), persistence.DeadLetterFilter{States: persistence.LetterStates()})
		require.NoError(t, err)
		require.Len(t, letters, count)
		return letters
	}
	errStopped := errors.New("stopped")
	letters := list()
	ctx, cancel := context.WithCancel(t.Context())
	marked, err := store.Replay(ctx, letters, persistence.ReplayNote{}, func(_ context.Context, ids []int64) ([]int64, error) {
		require.Len(t, ids, count)
		cancel() // by a signal: what is published is marked all the same
		return ids[:1], errStopped
	})
	require.ErrorIs(t, err, errStopped)
	require.EqualValues(t, 1, marked)

	// All have the same list, as two processes that start at once have.
	for range 2 { // the second time all of them were replayed before
		letters = list()
		var mu sync.Mutex
		published := map[int64]int{}
		var replays sync.WaitGroup
		for range 3 {
			replays.Go(func() {
				_, err := store.Replay(t.Context(), letters, persistence.ReplayNote{By: "ana"}, func(_ context.Context, ids []int64) ([]int64, error) {
					mu.Lock()
					defer mu.Unlock()
					for _, id := range ids {
						published[id]++
					}
					return ids, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		replays.Wait()
		require.Len(t, published, count)
		for id, times := range published {
			require.Equal(t, 1, times, "dead letter %d", id)
		}
	}
}
