package quota

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// TestWhatHoldsACallUp: a quota, the pace, the platform's wish or the breaker, not a guess.
func TestWhatHoldsACallUp(t *testing.T) {
	t.Parallel()
	names := []string{"meta/catalog/1/batch", "meta/app/0123456789abcdef"}
	for _, c := range []struct {
		want string
		do   func(s *Scopes, slot *Slot)
	}{
		{"the quota of meta/app is used up", func(_ *Scopes, slot *Slot) {
			slot.Release(&platform.Error{Scope: platform.ScopeQuota, BlockedScope: names[1], RetryAfter: time.Hour}, nil)
		}},
		{"the platform asked to wait", func(_ *Scopes, slot *Slot) {
			slot.Release(&platform.Error{Scope: platform.ScopePlatform, RetryAfter: time.Hour}, nil)
		}},
		{"the platform asked to wait", func(s *Scopes, slot *Slot) {
			slot.Release(nil, nil)
			s.learn(names, []ledger.ScopeState{{Scope: names[0], BlockedUntil: time.Now().Add(time.Hour)}}, time.Now())
		}},
		{"requests are spread to keep within the quota of meta/catalog/1/batch", func(_ *Scopes, slot *Slot) {
			slot.Release(nil, []platform.Quota{{Scope: names[0], Limit: 4, Remaining: 1, UsedPercent: -1, Window: time.Hour}})
		}},
		{"the platform failed several times in a row, so that calls rest for some seconds", func(s *Scopes, slot *Slot) {
			for range breakerFailures {
				slot.Release(&platform.Error{Scope: platform.ScopePlatform}, nil)
				slot, _ = s.Acquire("a", names, 5, make(chan struct{}, 1))
			}
			require.Nil(t, slot)
		}},
	} {
		s := NewScopes(nil, slog.New(slog.DiscardHandler))
		s.mu.Lock()
		for _, name := range names {
			s.get(name)
		}
		s.mu.Unlock()
		s.learn(names, nil, time.Now())
		slot, _ := s.Acquire("a", names, 5, make(chan struct{}, 1))
		require.NotNil(t, slot)
		c.do(s, slot)
		require.Equal(t, c.want, s.Holds("a", names))
	}
}
