package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// A batch of one record that is refused as a whole: the refusal is the record's own
// where it is certain that no copy of it was taken, and nobody's where it is not.
func TestRefusedBatchOfOneRecord(t *testing.T) {
	t.Parallel()
	maybeApplied := func() *platform.Error {
		return &platform.Error{Scope: platform.ScopeBatch, Ambiguous: true, HTTPStatus: 400, Message: "perhaps not"}
	}
	t.Run("certainly refused", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.answers(answer{err: ofRecords()})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.finish(time.Hour)
			require.Equal(t, 1, w.posts(), "it would be refused again")
			require.Equal(t, ledgermodel.Failed, w.status()["m1"])
			require.Equal(t, catalog.Refused, w.store.DeadLetters()[0].Reason)
			l.stop()
		})
	})
	t.Run("perhaps taken", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.answers(answer{err: maybeApplied(), take: true, late: 4 * time.Minute})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
			sent := time.Now()
			w.upsert("x", `{"a":2}`)
			w.finish(time.Hour)
			require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":2}`}, w.platform.sent())
			require.GreaterOrEqual(t, w.platform.log()[1].at.Sub(sent), 5*time.Minute-time.Second)
			require.Equal(t, ledgermodel.Superseded, w.status()["m1"])
			w.requireState()
			l.stop()
		})
	})
	t.Run("perhaps taken each time", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(*post) answer { return answer{err: maybeApplied()} }
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.finish(6 * time.Hour)
			require.Equal(t, 3, w.posts(), "max_attempts")
			require.Equal(t, ledgermodel.Unconfirmed, w.status()["m1"])
			require.Equal(t, "perhaps not", w.row("m1").Errors[0].Message)
			l.stop()
		})
	})
	t.Run("refused when sent again after an ambiguous POST", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.answers(answer{err: ambiguous, take: true}, answer{err: refusal(nil)})
			l := w.start()
			w.change("x", catalog.Create, `{"a":1}`)
			w.finish(time.Hour)
			require.Equal(t, ledgermodel.Succeeded, w.status()["m1"], "the first copy may have been taken: it is asked once more")
			require.Equal(t, 3, w.posts())
			l.stop()
		})
	})
	t.Run("named when sent again after an ambiguous POST", func(t *testing.T) {
		scenario(t, func(w *world) {
			named := map[int]platform.Verdict{0: {Outcome: platform.Failed, Errors: []ledger.Issue{{Message: "no"}}}}
			w.answers(answer{err: ambiguous, take: true}, answer{err: refusal(named)}, answer{err: refusal(named)})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.finish(time.Hour)
			require.Equal(t, ledgermodel.Failed, w.status()["m1"], "the third refusal leaves no doubt")
			require.Equal(t, 3, w.posts())
			l.stop()
		})
	})
}

// TestUnconfirmedMergedRecord: each of its mutations is unconfirmed and can be
// replayed.
func TestUnconfirmedMergedRecord(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer { return answer{lost: true} }
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Update, `{"b":2}`)
		w.finish(6 * time.Hour)
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Unconfirmed}, w.status())
		letters := w.store.DeadLetters()
		require.Len(t, letters, 2)
		require.Equal(t, "m1", letters[0].Mutation.ID)
		require.Equal(t, "m2", letters[1].Mutation.ID)
		l.stop()
	})
}
