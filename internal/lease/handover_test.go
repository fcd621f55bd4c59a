package lease_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ttl      = 4 * time.Second
	interval = ttl / 5
)

// keep runs a keeper until the test stops it.
func keep(table *ledgermodel.Store, number byte) (k *lease.Manager, stop func()) {
	k = lease.New(table, lease.Config{Worker: uuid.UUID{15: number}, Partitions: 2, TTL: ttl, Interval: interval, DrainTimeout: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = k.Run(ctx) // tells of the last call only
	}()
	return k, func() { cancel(); <-ended }
}

// TestHandOverIsNotFreed: while the release of a partition is on its way, the
// heartbeats of its owner go on. They must not free the row, as anybody could take it
// then: it goes to the worker that asked for it, long before a lease would expire.
func TestHandOverIsNotFreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := ledgermodel.New()
		table.EnsurePartitions(2)
		var freed atomic.Int64
		table.SetHook(func(ctx context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			switch {
			case call == ledgermodel.CallRelease && stage == ledgermodel.Before:
				<-time.After(ttl/2 - time.Millisecond) // as long as it may take
			case call == ledgermodel.CallFree && stage == ledgermodel.Before:
				freed.Add(1)
			}
			return ctx.Err()
		})
		owner, stopOwner := keep(table, 1)
		defer stopOwner()
		held := []*lease.Holding{<-owner.Acquired(), <-owner.Acquired()}
		heir, stopHeir := keep(table, 2)
		defer stopHeir()
		var asked *lease.Holding
		select {
		case <-held[0].HandOver():
			asked = held[0]
		case <-held[1].HandOver():
			asked = held[1]
		case <-time.After(ttl):
			require.Fail(t, "nobody asks for a share")
		}
		began := time.Now()
		require.NoError(t, asked.Release(t.Context()))
		released := time.Now()
		got := <-heir.Acquired()
		require.Equal(t, asked.Lease.Partition, got.Lease.Partition)
		require.NotEqual(t, asked.Lease.Token, got.Lease.Token)
		require.LessOrEqual(t, time.Since(released), interval+time.Second/10)
		require.Less(t, time.Since(began), ttl)
		require.Zero(t, freed.Load())
	})
}

// TestLostHoldingIsFreed: what is lost for want of heartbeats, and is slow to be
// released, is freed when the database is back, so that another need not wait.
func TestLostHoldingIsFreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := ledgermodel.New()
		table.EnsurePartitions(1)
		var away atomic.Bool
		var freed atomic.Int64
		table.SetHook(func(ctx context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if away.Load() && stage == ledgermodel.Before {
				<-ctx.Done()
				return ctx.Err()
			}
			if call == ledgermodel.CallFree && stage == ledgermodel.After {
				freed.Add(1)
			}
			return nil
		})
		owner, stop := keep(table, 1)
		defer stop()
		held := <-owner.Acquired()
		away.Store(true)
		<-held.Lost()
		synctest.Wait()
		away.Store(false)
		<-time.After(ttl)
		synctest.Wait()
		require.EqualValues(t, 1, freed.Load())
		require.NoError(t, held.Release(t.Context()))
		again := <-owner.Acquired()
		require.NotEqual(t, held.Lease.Token, again.Lease.Token)
	})
}
