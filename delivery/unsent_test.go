package delivery_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger/memory"
	"github.com/catalog-courier/catalog-courier/platform"
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
			w.until(time.Second, "the account is paused", func() bool { return len(w.alerts.list()) == 1 })
			odd.Store(true)
			w.until(time.Minute, "the probe fails", func() bool { return w.status()["m1"] == memory.Failed })
			require.Equal(t, []string{"acme refused true"}, w.alerts.list())
			odd.Store(false)
			w.upsert("y", `{"a":1}`)
			w.finish(time.Minute)
			require.Equal(t, []string{"acme refused true", "acme  false"}, w.alerts.list())
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
