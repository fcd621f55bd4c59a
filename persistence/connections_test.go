package persistence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// TestAPoolerWithTooFewConnections lets sessions wait for their turn. A worker on it
// takes partitions and then records nothing.
func TestAPoolerWithTooFewConnections(t *testing.T) {
	t.Parallel()
	for size, enough := range map[int]bool{1: false, 3: false, 4: true, 8: true} {
		address := (&pooler{room: make(chan struct{}, size)}).start(t, persistencetest.Database(t))
		first, second := newPool(t, address), newPool(t, address)
		patience := time.Second / 2
		if enough {
			patience = 4 * time.Second // used up once, for what there is not; the first come sooner on a slow machine too
		}
		err := persistence.TryConnections(t.Context(), patience, 16, "courier.yaml:7", first, second)
		if enough {
			require.NoErrorf(t, err, "of %d", size)
		} else {
			failures := precondition.Failures{}
			require.ErrorAsf(t, err, &failures, "of %d", size)
			require.ErrorContains(t, err, "default_pool_size")
			require.ErrorContains(t, err, "courier.yaml:7")
			require.True(t, failures[0].Passing, "other sessions may end")
		}
		first.Close()
		second.Close()
	}
}
