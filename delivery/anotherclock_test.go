package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// TestTimesOfAnotherClockBindNobody: what a worker wrote whose clock was 95 days off
// makes the next one wait no longer than was meant.
func TestTimesOfAnotherClockBindNobody(t *testing.T) {
	t.Parallel()
	away := &platform.Error{Scope: platform.ScopePlatform, Operation: "POST", Message: "503"}
	for name, ahead := range map[string]time.Duration{"ahead": 95 * 24 * time.Hour, "behind": -95 * 24 * time.Hour} {
		for kind, result := range map[string]ledger.AttemptResult{
			"not taken": ledger.NotTaken, "ambiguous": ledger.Ambiguous, "accepted": ledger.Accepted,
		} {
			t.Run(kind+" by a clock "+name, func(t *testing.T) {
				scenario(t, func(w *world) {
					first := answer{err: away}
					if result != ledger.NotTaken {
						first = answer{stuck: true}
					}
					w.answers(first)
					l := w.start()
					id := w.upsert("x", `{"a":1}`)
					w.until(time.Minute, "it is sent", func() bool { return w.posts() == 1 })
					pass(time.Second)
					l.crash()

					at := time.Now().Add(ahead)
					attempt := ledger.Attempt{BatchID: w.row(id).BatchID, Number: 1, Result: result, At: at, NextAt: at.Add(time.Minute)}
					if result == ledger.Accepted {
						attempt.Handles = []string{"a handle that the platform does not know"}
					}
					require.NoError(t, w.store.AppendAttempts(t.Context(), []ledger.Attempt{attempt}))
					require.NoError(t, w.store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: "submit", BlockedUntil: at.Add(time.Hour), UpdatedAt: at}}))
					_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", Reason: "401", ResumesAt: at.Add(time.Minute)})
					require.NoError(t, err)

					w.answers()
					began := time.Now()
					next := w.start()
					w.finish(25 * time.Hour)
					require.Less(t, time.Since(began), 25*time.Hour)
					next.stop()
				})
			})
		}
	}
}
