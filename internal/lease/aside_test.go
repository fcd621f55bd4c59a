package lease_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// TestAWorkerThatIsNotFitStandsAside: it takes nothing, hands over what it has to the
// others, who then share without it, and comes back when it is fit.
func TestAWorkerThatIsNotFitStandsAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := ledgermodel.New()
		table.EnsurePartitions(2)
		var unfit atomic.Bool
		unfit.Store(true)
		k := lease.New(table, lease.Config{
			Worker: uuid.UUID{15: 1}, Partitions: 2, TTL: ttl, Interval: interval, DrainTimeout: time.Minute,
			Fit: func() bool { return !unfit.Load() },
		})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- k.Run(ctx) }()
		time.Sleep(3 * ttl)
		require.Empty(t, k.Acquired(), "it takes nothing")

		unfit.Store(false)
		held := []*lease.Holding{<-k.Acquired(), <-k.Acquired()}
		unfit.Store(true)
		for _, holding := range held {
			<-holding.HandOver()
			require.True(t, holding.MayWrite(), "until the release, or the end of the lease, it is the owner")
		}
		other, stopOther := keep(table, 2)
		defer stopOther()
		time.Sleep(interval)
		require.Empty(t, other.Acquired(), "not while they are held")
		for _, holding := range held {
			require.NoError(t, holding.Release(t.Context()))
		}
		got := []*lease.Holding{<-other.Acquired(), <-other.Acquired()}
		time.Sleep(3 * ttl)
		for _, holding := range got {
			select {
			case <-holding.HandOver():
				require.Fail(t, "nobody else wants it")
			default:
			}
		}
		require.Empty(t, k.Acquired())

		unfit.Store(false)
		asked := got[0]
		select {
		case <-got[0].HandOver():
		case <-got[1].HandOver():
			asked = got[1]
		}
		require.NoError(t, asked.Release(t.Context()))
		require.Equal(t, asked.Lease.Partition, (<-k.Acquired()).Lease.Partition)

		unfit.Store(true) // the process ends while it stands aside
		time.Sleep(interval)
		stop()
		for _, holding := range k.Holdings() {
			require.NoError(t, holding.Release(t.Context()))
		}
		require.NoError(t, <-ended)
	})
}

// TestHoldingsAreLostWhereNobodyHandsThemOver: a worker that is not fit and does not
// release in time loses what it has.
func TestHoldingsAreLostWhereNobodyHandsThemOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := ledgermodel.New()
		table.EnsurePartitions(1)
		var unfit atomic.Bool
		k := lease.New(table, lease.Config{
			Worker: uuid.UUID{15: 1}, Partitions: 1, TTL: ttl, Interval: interval, DrainTimeout: 2 * ttl,
			Fit: func() bool { return !unfit.Load() },
		})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- k.Run(ctx) }()
		held := <-k.Acquired()
		unfit.Store(true)
		<-held.Lost()
		require.False(t, held.MayWrite())
		unfit.Store(false)
		time.Sleep(ttl)
		require.Empty(t, k.Acquired(), "not before the lost one is released")
		require.NoError(t, held.Release(t.Context()))
		again := <-k.Acquired()
		require.NotEqual(t, held.Lease.Token, again.Lease.Token)
		stop()
		require.NoError(t, again.Release(t.Context()))
		require.NoError(t, <-ended)
	})
}
