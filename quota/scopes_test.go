package quota_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// withScopes runs a test with scopes that are saved and read.
func withScopes(t *testing.T, test func(t *testing.T, scopes *quota.Scopes, wake chan struct{})) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		scopes := quota.NewScopes(ledgermodel.New(), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { scopes.Run(ctx) })
		wake := make(chan struct{}, 1)
		slot, again := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.Nil(t, slot, "nothing is known of the scopes yet")
		require.Zero(t, again)
		<-wake
		test(t, scopes, wake)
		cancel()
		running.Wait()
	})
}

func TestCallsAreSpreadWhenTheQuotaRunsShort(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		slot, _ := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		slot.Release(nil, []platform.Quota{{Scope: "a", Limit: 100, Remaining: 9, Window: time.Minute, Reset: 50 * time.Second, UsedPercent: -1}})
		slot, again := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.Nil(t, slot)
		require.InDelta(t, 5*time.Second, time.Until(again), float64(time.Second), "nine in fifty seconds")
		require.InDelta(t, 100, scopes.CallsPerMinute([]string{"a", "b"}), 0.1)
	})
}

// TestBreakerProbeThatWasNeverMade: a probe that is given back unused must not
// keep the breaker half open for ever.
func TestBreakerProbeThatWasNeverMade(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		away := &platform.Error{Scope: platform.ScopePlatform, Message: "gone"}
		for range 5 {
			slot, _ := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
			require.NotNil(t, slot)
			slot.Release(away, nil)
		}
		slot, again := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.Nil(t, slot, "open")
		for range 3 {
			time.Sleep(time.Until(again) + time.Millisecond)
			slot, _ = scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
			require.NotNil(t, slot, "a probe")
			second, _ := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
			require.Nil(t, second, "and no more")
			slot.Release(&platform.Error{Scope: platform.ScopeCaller, Message: "never made"}, nil)
			again = time.Now()
		}
		slot, _ = scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.NotNil(t, slot)
		slot.Release(nil, nil)
		slot, _ = scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.NotNil(t, slot, "closed again")
		slot.Release(nil, nil)
	})
}

func TestSlotGivenBackWakesWhoWaits(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		first, _ := scopes.Acquire("shop", []string{"a"}, 1, wake)
		other := make(chan struct{}, 1)
		second, again := scopes.Acquire("shop", []string{"a"}, 1, other)
		require.Nil(t, second)
		require.Zero(t, again)
		first.Release(nil, nil)
		<-other
	})
}

// A quota that is used up, with nobody saying until when, is left alone for a while.
func TestUsedUpQuotaIsLeftAlone(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		slot, _ := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		slot.Release(nil, []platform.Quota{{Scope: "b", Limit: -1, Remaining: -1, UsedPercent: 100}})
		slot, again := scopes.Acquire("shop", []string{"a", "b"}, 8, wake)
		require.Nil(t, slot)
		require.Positive(t, time.Until(again))
	})
}

// TestTroubleOfOneAccountOfAnApp: accounts that share a quota share nothing else. One
// whose calls hang takes none of the others' slots, and one whose calls fail opens
// nobody else's breaker.
func TestTroubleOfOneAccountOfAnApp(t *testing.T) {
	withScopes(t, func(t *testing.T, scopes *quota.Scopes, wake chan struct{}) {
		t.Helper()
		away := &platform.Error{Scope: platform.ScopePlatform, Message: "gone", RetryAfter: time.Hour}
		call := func(account string) *quota.Slot {
			slot, _ := scopes.Acquire(account, []string{account, "a"}, 8, wake)
			return slot
		}
		require.Nil(t, call("hangs"))
		require.Nil(t, call("fails"))
		require.Nil(t, call("well"), "its own scope is not read yet")
		<-wake
		for range 8 {
			if hanging := call("hangs"); hanging != nil {
				defer hanging.Release(away, nil)
			}
			if failing := call("fails"); failing != nil {
				failing.Release(away, nil)
			}
		}
		require.Nil(t, call("hangs"))
		require.Nil(t, call("fails"))
		for range 3 {
			slot := call("well")
			require.NotNil(t, slot)
			slot.Release(nil, nil)
		}
	})
}
