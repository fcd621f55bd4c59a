package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// atOnce has the platform process a batch before it answers the POST. Any poll is a fault.
func (w *world) atOnce() { w.platform.atOnce, w.platform.poll = true, nil }

// attempt is the only POST of the only batch.
func (w *world) attempt() ledger.Attempt {
	batches := w.store.Batches()
	require.Len(w.t, batches, 1)
	require.Len(w.t, batches[0].Attempts, 1)
	return batches[0].Attempts[0]
}

func TestFinalAnswer(t *testing.T) {
	t.Parallel()
	t.Run("all succeed", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.atOnce()
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.upsert("y", `{"a":1}`)
			w.finish(time.Second)
			require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded}, w.status())
			require.Equal(t, 1, w.posts())
			require.Equal(t, ledger.Accepted, w.attempt().Result)
			require.Empty(t, w.attempt().Handles)
			w.upsert("x", `{"a":2}`)
			w.finish(time.Second)
			w.requireState()
			l.stop()
		})
	})
	t.Run("one item is rejected", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.atOnce()
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.upsert("y", `{"bad":1}`)
			w.finish(time.Second)
			require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Failed}, w.status())
			require.Equal(t, "bad is refused", w.row("m2").Errors[0].Message)
			require.Equal(t, 1, w.posts())
			w.requireState()
			l.stop()
		})
	})
	t.Run("an item is not named", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.atOnce()
			w.platform.onPost = func(p *post) answer {
				return answer{silent: func(i int) bool { return p.records[i].Key.ItemID == "y" }}
			}
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.upsert("y", `{"a":1}`)
			w.finish(time.Hour)
			require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Unconfirmed}, w.status())
			require.Equal(t, []string{`x UPSERT {"a":1}; y UPSERT {"a":1}`, `y UPSERT {"a":1}`, `y UPSERT {"a":1}`}, w.platform.sent())
			l.stop()
		})
	})
	t.Run("the answer is lost", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.atOnce()
			w.answers(answer{err: ambiguous, take: true})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(time.Minute, "it is sent again", func() bool { return w.posts() == 2 })
			w.upsert("x", `{"a":2}`)
			pass(4 * time.Minute)
			require.Equal(t, 2, w.posts(), "the first copy may still be applied")
			require.Equal(t, ledgermodel.Waiting, w.status()["m2"])
			w.finish(2 * time.Minute)
			require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Succeeded}, w.status())
			require.Equal(t, 3, w.posts())
			w.requireState()
			l.stop()
		})
	})
}

// TestFinalAnswerIsFinishedByADrain: there is nothing to leave to the next owner.
func TestFinalAnswerIsFinishedByADrain(t *testing.T) {
	scenario(t, func(w *world) {
		w.atOnce()
		w.answers(answer{latency: 10 * time.Second})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
		l.stop()
		require.True(t, w.done())
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
	})
}

// TestCrashBeforeAFinalAnswerIsRecorded leaves a POST that nobody knows the end of, as
// any other.
func TestCrashBeforeAFinalAnswerIsRecorded(t *testing.T) {
	scenario(t, func(w *world) {
		w.atOnce()
		l := w.start()
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, _ ledgermodel.Stage) error {
			if call == ledgermodel.CallAppendAttempts {
				return errKilled
			}
			return nil
		})
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
		l.kill()
		w.upsert("x", `{"a":2}`)
		l = w.start()
		w.until(time.Minute, "it is sent again", func() bool { return w.posts() == 2 })
		pass(4 * time.Minute)
		require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":1}`}, w.platform.sent(), "the newer change waits for settle")
		w.finish(2 * time.Minute)
		require.Equal(t, 3, w.posts())
		w.requireState()
		l.stop()
	})
}

// TestCrashAfterAFinalAnswerIsRecorded: the next owner ends the batch by the recorded
// verdicts. Nothing is sent again but what the answer did not name, or refused for now.
func TestCrashAfterAFinalAnswerIsRecorded(t *testing.T) {
	scenario(t, func(w *world) {
		w.atOnce()
		w.platform.onPost = func(p *post) answer {
			return answer{
				silent: func(i int) bool { return p.number == 1 && p.records[i].Key.ItemID == "unnamed" },
				judge: func(i int, _ *catalog.Record) *platform.Verdict {
					if p.number == 1 && p.records[i].Key.ItemID == "later" {
						return &platform.Verdict{Outcome: platform.Retryable}
					}
					return nil
				},
			}
		}
		l := w.start()
		recorded := false
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if recorded {
				return errKilled
			}
			recorded = call == ledgermodel.CallAppendAttempts && stage == ledgermodel.After
			return nil
		})
		for _, item := range []string{"x", "unnamed", "later"} {
			w.upsert(item, `{"a":1}`)
		}
		w.upsert("y", `{"bad":1}`)
		pass(time.Second)
		require.Equal(t, 1, w.posts())
		l.kill()
		require.Equal(t, ledger.Accepted, w.attempt().Result)
		require.Empty(t, w.attempt().Handles)
		require.Equal(t, ledgermodel.Submitted, w.status()["m1"])
		began := time.Now()
		l = w.start()
		w.until(time.Second, "the batch ends", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
		require.Less(t, time.Since(began), time.Second)
		w.finish(time.Minute)
		require.Equal(t, ledgermodel.Failed, w.status()["m4"])
		require.ElementsMatch(t, []string{`unnamed UPSERT {"a":1}`, `later UPSERT {"a":1}`},
			strings.Split(strings.Join(w.platform.sent()[1:], "; "), "; "))
		w.requireState()
		l.stop()
	})
}

// TestFinalAnswerThatSkipsOrDefers: what it says of a record is for this once, and the
// record goes again; the end of its attempts is the end of it.
func TestFinalAnswerThatSkipsOrDefers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome platform.Outcome
		times   int // how often it is said
		status  ledgermodel.Status
		posts   int
	}{
		"skipped once":  {platform.Skipped, 1, ledgermodel.Succeeded, 2},
		"skipped ever":  {platform.Skipped, 99, ledgermodel.Unconfirmed, 3},
		"deferred once": {platform.Retryable, 1, ledgermodel.Succeeded, 2},
		"deferred ever": {platform.Retryable, 99, ledgermodel.Failed, 3},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.atOnce()
				w.platform.onPost = func(p *post) answer {
					return answer{judge: func(i int, _ *catalog.Record) *platform.Verdict {
						if p.number > c.times || p.records[i].Key.ItemID != "x" {
							return nil
						}
						return &platform.Verdict{Outcome: c.outcome}
					}}
				}
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.upsert("y", `{"a":1}`)
				w.finish(time.Hour)
				require.Equal(t, map[string]ledgermodel.Status{"m1": c.status, "m2": ledgermodel.Succeeded}, w.status())
				require.Equal(t, c.posts, w.posts())
				l.stop()
			})
		})
	}
}

// TestBrokenFinalAnswer: an answer that breaks what the seam promises is none.
func TestBrokenFinalAnswer(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*platform.Submission){
		"too few verdicts":  func(s *platform.Submission) { s.Verdicts = s.Verdicts[:1] },
		"no verdicts":       func(s *platform.Submission) { s.Verdicts = nil },
		"too many verdicts": func(s *platform.Submission) { s.Verdicts = append(s.Verdicts, platform.Verdict{}) },
		"no outcome":        func(s *platform.Submission) { s.Verdicts[1].Outcome = platform.Skipped + 1 },
		"a handle":          func(s *platform.Submission) { s.Handles = []string{"h"} },
		"not final":         func(s *platform.Submission) { s.Final = false },
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.atOnce()
				w.platform.onPost = func(*post) answer { return answer{spoil: spoil} }
				l := w.start()
				for i := range 2 {
					w.upsert(fmt.Sprint("x", i), `{"a":1}`)
				}
				w.finish(time.Hour)
				require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Unconfirmed}, w.status())
				require.Equal(t, 3, w.posts(), "max_attempts")
				l.stop()
			})
		})
	}
}
