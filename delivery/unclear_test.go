package delivery_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// unclear is the error of a POST with an answer that makes no sense.
func unclear() *platform.Error {
	return &platform.Error{Scope: platform.ScopePlatform, Ambiguous: true, Unclear: true, HTTPStatus: 200, Message: "not JSON"}
}

// TestAnswersThatMakeNoSense end as unconfirmed after max_attempts, each step stated;
// an outage between them only postpones.
func TestAnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	t.Run("to POSTs", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(p *post) answer {
				if p.number > 2 && p.number < 20 {
					return answer{err: ambiguous}
				}
				return answer{err: unclear()}
			}
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(24*time.Hour, "the third unclear answer", func() bool { return w.posts() == 20 })
			require.Equal(t, ledgermodel.Submitted, w.status()["m1"], "a copy may still be applied")
			w.finish(time.Hour)
			require.Equal(t, 20, w.posts())
			require.Equal(t, ledgermodel.Unconfirmed, w.status()["m1"])
			require.Equal(t, "not JSON", w.row("m1").Errors[0].Message)
			require.Contains(t, w.attempts(), "not JSON")
			l.stop()
		})
	})
	t.Run("to polls", func(t *testing.T) {
		scenario(t, func(w *world) {
			var outage atomic.Bool
			outage.Store(true)
			w.platform.onPoll = func(*taken) *platform.Error {
				return &platform.Error{Scope: platform.ScopePlatform, Unclear: !outage.Load(), Message: "not JSON"}
			}
			l := w.start()
			w.upsert("x", `{"a":1}`)
			pass(5 * time.Hour)
			require.Equal(t, 1, w.posts(), "an outage says nothing about the batch")
			outage.Store(false)
			pass(50 * time.Minute)
			require.Equal(t, 1, w.posts())
			w.finish(4 * time.Hour)
			require.Equal(t, 3, w.posts(), "max_attempts, each followed for poll.give_up")
			require.Equal(t, ledgermodel.Unconfirmed, w.status()["m1"])
			l.stop()
		})
	})
}
