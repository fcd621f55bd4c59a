package delivery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestBodyThatIsNotSentIsNoAnswer: what fails before a POST says nothing about the
// account and takes nothing of its quota.
func TestBodyThatIsNotSentIsNoAnswer(t *testing.T) {
	t.Parallel()
	t.Run("a paused account stays paused", func(t *testing.T) {
		scenario(t, func(w *world) {
			var odd atomic.Bool
			w.platform.encode = func([]catalog.Record) {
				if odd.Load() {
					panic("odd")
				}
			}
			w.answers(answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(time.Second, "the account is paused", func() bool { return len(w.saved.changes()) == 1 })
			odd.Store(true)
			w.until(time.Minute, "the probe fails", func() bool { return w.status()["m1"] == ledgermodel.Failed })
			require.Equal(t, []string{"acme paused"}, w.saved.changes())
			odd.Store(false)
			w.upsert("y", `{"a":1}`)
			w.finish(time.Minute)
			require.Equal(t, []string{"acme paused", "acme active"}, w.saved.changes())
			l.stop()
		})
	})
	t.Run("the culprit is found without the quota", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(*post) answer {
				return answer{quotas: []platform.Quota{{Scope: "submit", Limit: 60, Remaining: 55, Window: time.Minute, UsedPercent: -1}}}
			}
			w.platform.encode = func(records []catalog.Record) {
				for i := range records {
					if containsPoison(records[i].Change.Attributes) {
						panic("odd")
					}
				}
			}
			l := w.start()
			w.upsert("before", `{"a":1}`)
			w.finish(time.Minute)
			for i := range 15 {
				w.upsert(fmt.Sprint("x", i), `{"a":1}`)
			}
			id := w.upsert("y", `{"poison":1}`)
			began := time.Now()
			w.finish(time.Hour)
			require.Less(t, time.Since(began), 15*time.Second, "a bisection that spends quota takes a minute")
			require.Equal(t, 5, w.posts())
			require.Equal(t, catalog.InternalError, w.row(id).Reason)
			l.stop()
		})
	})
}

// TestQuotaThatIsFreeSoonerThanExpected: a batch waits for a quota that is used up for an
// hour as far as is known. The next owner does not go by that expectation: another worker
// may have been told that the quota is free.
func TestQuotaThatIsFreeSoonerThanExpected(t *testing.T) {
	scenario(t, func(w *world) {
		scopes := quota.NewScopes(w.store, w.logger)
		l := w.startWith(scopes)
		w.platform.onPost = func(p *post) answer {
			return answer{quotas: []platform.Quota{
				{Scope: "submit", Limit: -1, Remaining: -1, UsedPercent: float64(min(p.number, 4)), Window: time.Hour},
			}}
		}
		for range 4 { // it is this worker's calls that use the quota up
			w.upsert("before", `{"a":1}`)
			w.finish(time.Minute)
		}
		sent := w.posts()
		slot, _ := scopes.Acquire("shop", []string{"submit"}, 100, make(chan struct{}, 1))
		require.NotNil(t, slot)
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallCommit && stage == ledgermodel.Before {
				time.Sleep(2 * time.Second) // the bubble's clock
			}
			return nil
		})
		w.upsert("x", `{"a":1}`)
		pass(time.Second) // its batch is about to be recorded
		slot.Release(&platform.Error{Scope: platform.ScopeQuota, HTTPStatus: 400}, []platform.Quota{
			{Scope: "submit", Limit: -1, Remaining: -1, UsedPercent: 100, Window: time.Hour},
		})
		pass(10 * time.Second)
		w.store.SetHook(nil)
		require.Equal(t, sent, w.posts())
		batches := w.store.Batches()
		attempts := batches[len(batches)-1].Attempts
		require.Len(t, attempts, 1)
		require.Equal(t, ledger.Unsent, attempts[0].Result)
		require.Greater(t, time.Until(attempts[0].NextAt), 2*time.Minute)
		l.crash()
		free := ledger.ScopeState{
			Scope: "submit", UpdatedAt: time.Now(),
			Quota: fmt.Appendf(nil, `{"told_at":%q,"used_percent":1,"window_seconds":3600}`, time.Now().UTC().Format(time.RFC3339Nano)),
		}
		require.NoError(t, w.store.SaveScopes(t.Context(), []ledger.ScopeState{free}))
		l = w.start()
		w.finish(time.Minute)
		l.stop()
	})
}
