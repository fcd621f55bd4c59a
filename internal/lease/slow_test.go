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

// slowTable is a table each of whose calls takes as long as a slow commit.
func slowTable(partitions int, commit time.Duration) *ledgermodel.Store {
	table := ledgermodel.New()
	table.EnsurePartitions(partitions)
	table.SetHook(func(ctx context.Context, _ ledgermodel.Call, stage ledgermodel.Stage) error {
		if stage != ledgermodel.After { // it is written, and the answer comes with the end of the commit
			return ctx.Err()
		}
		timer := time.NewTimer(commit)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return table
}

// TestSlowCommitsKeepTheirLeases: with a lease of 5 s and commits of 2 s each partition
// is taken, and kept, by one worker and spread over two.
func TestSlowCommitsKeepTheirLeases(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ttl, commit time.Duration
		workers     int
	}{
		"5s and 2s":              {5 * time.Second, 2 * time.Second, 1},
		"5s and 2s, two workers": {5 * time.Second, 2 * time.Second, 2},
		"10s and 4s":             {10 * time.Second, 4 * time.Second, 1},
		"2s and 800ms":           {2 * time.Second, 800 * time.Millisecond, 2},
		"1s and 300ms":           {time.Second, 300 * time.Millisecond, 1},
		"10s and 5ms":            {10 * time.Second, 5 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const partitions = 64
				table := slowTable(partitions, test.commit)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				keepers, ended := make([]*lease.Manager, test.workers), make(chan struct{})
				for i := range keepers {
					keepers[i] = lease.New(table, lease.Config{
						Worker: uuid.UUID{15: byte(i + 1)}, Partitions: partitions, TTL: test.ttl, DrainTimeout: time.Minute,
					})
					go func() {
						_ = keepers[i].Run(ctx) // tells of the last call only
						ended <- struct{}{}
					}()
					go func() { // a worker that lets go of what it is asked for
						for {
							select {
							case h := <-keepers[i].Acquired():
								go release(context.WithoutCancel(ctx), h)
							case <-ctx.Done():
								return
							}
						}
					}()
				}
				<-time.After(2 * time.Minute)
				before := holdings(keepers)
				require.Len(t, before, partitions, "every partition is held, once")
				for range 120 {
					<-time.After(time.Second)
					require.NoError(t, keepers[0].Healthy())
					for _, h := range before {
						require.True(t, h.MayWrite(), "partition %d may be written for at any time", h.Lease.Partition)
					}
				}
				require.Equal(t, before, holdings(keepers), "and stays where it is")
				cancel()
				for range keepers {
					<-ended
				}
			})
		})
	}
}

// release lets go of a partition when it is asked for, or lost.
func release(ctx context.Context, h *lease.Holding) {
	select {
	case <-h.HandOver():
	case <-h.Lost():
	}
	_ = h.Release(ctx) // it expires otherwise
}

func holdings(keepers []*lease.Manager) map[int]*lease.Holding {
	held := map[int]*lease.Holding{}
	for _, k := range keepers {
		for _, h := range k.Holdings() {
			held[h.Lease.Partition] = h
		}
	}
	return held
}

// TestCommitsTooSlowForTheLease says so: what cannot be kept must not look well.
func TestCommitsTooSlowForTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := slowTable(4, 3*time.Second)
		log := &logged{}
		k := lease.New(table, lease.Config{Partitions: 4, TTL: 5 * time.Second, DrainTimeout: time.Second, Logger: log.logger()})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = k.Run(ctx) // tells of the last call only
		}()
		<-time.After(20 * time.Second)
		err := k.Healthy()
		require.ErrorIs(t, err, lease.ErrTooSlow)
		require.ErrorContains(t, err, "worker.lease_ttl")
		require.ErrorContains(t, err, "3s")
		require.Contains(t, log.String(), "raise worker.lease_ttl")
		table.SetHook(nil)
		<-time.After(20 * time.Second)
		require.NoError(t, k.Healthy(), "it is over")
		cancel()
		<-ended
	})
}

// TestNoHeartbeatGetsThrough is no health either.
func TestNoHeartbeatGetsThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := slowTable(4, time.Hour)
		k := lease.New(table, lease.Config{Partitions: 4, TTL: 5 * time.Second, DrainTimeout: time.Second})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = k.Run(ctx) // tells of the last call only
		}()
		require.NoError(t, k.Healthy(), "it has just begun")
		<-time.After(20 * time.Second)
		require.ErrorIs(t, k.Healthy(), lease.ErrTooSlow)
		cancel()
		<-ended
	})
}

// TestTakenWhileStandingStill: a worker stands still in the middle of taking, for so
// long that another takes the partition over. When it goes on it must not write, not
// even for a moment.
func TestTakenWhileStandingStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := ledgermodel.New()
		table.EnsurePartitions(1)
		thaw := make(chan struct{})
		var frozen atomic.Bool
		var beats atomic.Int64
		frozen.Store(true)
		table.SetHook(func(ctx context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			standing := ctx.Value(ownerKey{}) == nil && frozen.Load()
			again := standing && call == ledgermodel.CallHeartbeat && stage == ledgermodel.Before && beats.Add(1) > 1
			if again || standing && call == ledgermodel.CallTake && stage == ledgermodel.After {
				<-thaw // whatever becomes of ctx
				if call == ledgermodel.CallTake {
					<-time.After(3 * interval / 2) // heartbeats come before the answer
				}
				return nil
			}
			if call == ledgermodel.CallHeartbeat && stage == ledgermodel.Before {
				<-time.After(interval / 8)
			}
			return ctx.Err()
		})
		stuck, stop := keep(table, 1)
		defer stop()
		<-time.After(time.Millisecond)
		heir := lease.New(table, lease.Config{Worker: uuid.UUID{15: 2}, Partitions: 2, TTL: ttl, Interval: interval, DrainTimeout: time.Second})
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), ownerKey{}, true))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = heir.Run(ctx) // tells of the last call only
		}()
		got := <-heir.Acquired()
		frozen.Store(false)
		close(thaw)
		for range 200 {
			<-time.After(10 * time.Millisecond)
			require.True(t, got.MayWrite())
			for _, h := range stuck.Holdings() {
				require.False(t, h.MayWrite(), "both may write")
			}
		}
		cancel()
		<-ended
	})
}

// ownerKey marks the calls of the worker that does not stand still.
type ownerKey struct{}
