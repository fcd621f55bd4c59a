package persistence_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

func TestADatabaseHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	pool := newPool(t, persistencetest.Database(t))
	unstarted, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	defer unstarted.Close()
	nothing, err := unstarted.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.True(t, nothing.IsZero(), "before the first start")

	one, _ := newDatabase(t)
	other, _ := newDatabase(t)
	first, err := one.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, first.Installation)
	require.Empty(t, first.Stream)
	second, err := other.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.Installation, second.Installation, "clones of one template are told apart")
	require.NoError(t, one.EnsurePartitions(t.Context(), partitions))
	again, err := one.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again, "it stays")
}

// TestOneStreamIsBound: of workers that start at once, with different streams.
func TestOneStreamIsBound(t *testing.T) {
	t.Parallel()
	store, _ := newDatabase(t)
	const workers = 8
	var started sync.WaitGroup
	var mu sync.Mutex
	var bound []string
	for range workers {
		started.Go(func() {
			id := uuid.NewString()
			if err := store.BindStream(t.Context(), id); err == nil {
				mu.Lock()
				defer mu.Unlock()
				bound = append(bound, id)
			}
		})
	}
	started.Wait()
	require.Len(t, bound, 1)
	identity, err := store.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, bound[0], identity.Stream)
	require.NoError(t, store.BindStream(t.Context(), bound[0]), "the same again is harmless")
	require.ErrorIs(t, store.BindStream(t.Context(), uuid.NewString()), persistence.ErrOtherStream)
}

func TestAStreamIsAdoptedWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	former, next := uuid.NewString(), uuid.NewString()
	require.NoError(t, store.BindStream(t.Context(), former))
	require.ErrorIs(t, store.AdoptStream(t.Context(), "", next), persistence.ErrOtherStream, "guarded by what was judged")

	leases, worker := persistence.NewLeaseTable(pool), uuid.New()
	_, err := leases.Heartbeat(t.Context(), worker, "busy")
	require.NoError(t, err)
	err = store.AdoptStream(t.Context(), former, next)
	require.ErrorIs(t, err, persistence.ErrWorkersRunning)
	require.ErrorContains(t, err, "busy")
	_, err = pool.Exec(t.Context(), "UPDATE courier.worker SET seen_at = now() - interval '31 seconds'") // it was killed
	require.NoError(t, err)
	require.NoError(t, store.AdoptStream(t.Context(), former, next))
	identity, err := store.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, ledger.StreamIdentity{Stream: next, Installation: identity.Installation}, identity)
}
