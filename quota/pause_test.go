package quota_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestABlockIsSavedBeforeItsCallIsSaidToHaveEnded: whoever draws on the scope next must
// not call into it, however this process ends.
func TestABlockIsSavedBeforeItsCallIsSaidToHaveEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := ledgermodel.New()
		scopes := quota.NewScopes(store, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { scopes.Run(ctx) })
		wake := make(chan struct{}, 1)
		slot, _ := scopes.Acquire("shop", []string{"a"}, 8, wake)
		require.Nil(t, slot)
		<-wake
		slot, _ = scopes.Acquire("shop", []string{"a"}, 8, wake)
		var down atomic.Bool
		down.Store(true)
		store.SetHook(func(_ context.Context, call ledgermodel.Call, _ ledgermodel.Stage) error {
			if call == ledgermodel.CallSaveScopes && down.Load() {
				return errors.New("the database is away")
			}
			return nil
		})
		time.AfterFunc(time.Second, func() { down.Store(false) })
		began := time.Now()
		slot.Heard(t.Context(), &platform.Error{Scope: platform.ScopeQuota, RetryAfter: time.Minute}, nil)
		require.GreaterOrEqual(t, time.Since(began), time.Second, "it tries until the store takes it")
		saved, err := store.Scopes(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Len(t, saved, 1)
		require.Equal(t, began.Add(time.Minute), saved[0].BlockedUntil)
		slot.Release(nil, nil)
		require.Equal(t, began.Add(time.Minute), scopes.BlockedUntil([]string{"a"}), "what was heard is not learnt again")
		cancel()
		running.Wait()
	})
}

// TestSavePause ends with a success, a permanent refusal, or the context.
func TestSavePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		for name, test := range map[string]struct {
			answers []error
			calls   int
			err     error
		}{
			"at once":                {[]error{nil}, 1, nil},
			"after failures":         {[]error{away, away, nil}, 3, nil},
			"refused permanently":    {[]error{away, ledger.ErrRejected}, 2, ledger.ErrRejected},
			"until there is no time": {nil, 7, away}, // 0, 50, 150, 350, 750, 1550, 3150 ms
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			calls := 0
			err := quota.SavePause(ctx, func(context.Context) error {
				calls++
				if calls > len(test.answers) {
					return away
				}
				return test.answers[calls-1]
			})
			cancel()
			require.ErrorIs(t, err, test.err, name)
			require.Equal(t, test.calls, calls, name)
		}
	})
}

// TestCancelledSlot: a call that was not made uses up nothing.
func TestCancelledSlot(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		told := []platform.Quota{{Scope: "a", Limit: 4, Remaining: 4, Window: time.Hour, Reset: time.Hour, UsedPercent: -1}}
		slot, _ := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		slot.Release(nil, told)
		for range 20 {
			slot, _ = scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
			require.NotNil(t, slot)
			slot.Cancel()
		}
		require.Zero(t, scopes.Calls("shop").UnderWay)
	})
}

// BenchmarkAcquire is what a call costs in slots and quotas, on two scopes with a limit
// each.
func BenchmarkAcquire(b *testing.B) {
	scopes := quota.NewScopes(ledgermodel.New(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { scopes.Run(ctx) })
	wake := make(chan struct{}, 1)
	names := []string{"a", "b"}
	scopes.Acquire("shop", names, 8, wake)
	<-wake
	quotas := []platform.Quota{
		{Scope: "a", Limit: 1 << 30, Remaining: 1 << 30, Window: time.Minute, UsedPercent: -1},
		{Scope: "b", Limit: 1 << 30, Remaining: 1 << 30, Window: time.Hour, UsedPercent: -1},
	}
	b.ReportAllocs()
	for b.Loop() {
		slot, _ := scopes.Acquire("shop", names, 8, wake)
		require.NotNil(b, slot)
		slot.Release(nil, quotas)
	}
	cancel()
	running.Wait()
}
