package lease_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

var errDiskFull = errors.New("no space left on device")

// TestPartitionsThatCannotBeTaken: heartbeats get through and nothing is worked. That
// must not look well, nor fill the log.
func TestPartitionsThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	for _, call := range []ledgermodel.Call{ledgermodel.CallTake, ledgermodel.CallAsk} {
		t.Run(string(call), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				table := ledgermodel.New()
				table.EnsurePartitions(4)
				var full atomic.Bool
				table.SetHook(func(_ context.Context, called ledgermodel.Call, stage ledgermodel.Stage) error {
					if called == call && stage == ledgermodel.Before && full.Load() {
						return errDiskFull
					}
					return nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				first, second := &logged{}, &logged{}
				ended, keepers := make(chan struct{}, 2), 0
				run := func(log *logged, worker byte) *lease.Manager {
					k := lease.New(table, lease.Config{Worker: [16]byte{15: worker}, Partitions: 4, TTL: 5 * time.Second, DrainTimeout: time.Second, Logger: log.logger()})
					keepers++
					go func() {
						_ = k.Run(ctx) // tells of the last call only
						ended <- struct{}{}
					}()
					return k
				}
				if call == ledgermodel.CallAsk { // one has all, another asks for its share
					run(first, 1)
					<-time.After(20 * time.Second)
				}
				full.Store(true)
				unwell := run(second, 2)
				<-time.After(30 * time.Second)
				require.NoError(t, unwell.Healthy(), "it may pass")
				<-time.After(4 * time.Minute)
				require.ErrorIs(t, unwell.Healthy(), lease.ErrCannotShare)
				require.ErrorIs(t, unwell.Healthy(), errDiskFull)
				require.LessOrEqual(t, strings.Count(second.String(), "taking partitions or handing them over failed"), 6, "one a minute")

				full.Store(false)
				<-time.After(time.Minute)
				require.NoError(t, unwell.Healthy(), "it is over")
				cancel()
				for range keepers {
					<-ended
				}
			})
		})
	}
}
