package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// scenario runs a test in a bubble with a Pinterest-like platform.
func scenario(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, replacing)) })
}

// ambiguous is the error of a POST without an answer.
var ambiguous = &platform.Error{Scope: platform.ScopePlatform, Ambiguous: true, Operation: "POST", Message: "no answer"}

// answers gives one answer after the other, then takes everything.
func (w *world) answers(list ...answer) {
	w.platform.onPost = func(p *post) answer {
		if p.number <= len(list) {
			return list[p.number-1]
		}
		return answer{}
	}
}

// posts counts the POSTs so far.
func (w *world) posts() int { return len(w.platform.log()) }

func TestOneChangeOfAnItemIsInFlight(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.delay = time.Minute
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "the first is sent", func() bool { return w.posts() == 1 })
		w.upsert("x", `{"a":2}`)
		w.upsert("x", `{"a":3}`)
		pass(30 * time.Second)
		require.Equal(t, 1, w.posts(), "newer changes wait")
		require.Equal(t, ledgermodel.Waiting, w.status()["m2"])
		w.finish(5 * time.Minute)
		require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":3}`}, w.platform.sent())
		require.Equal(t, "m3", w.row("m2").SupersededBy)
		w.requireState()
		l.stop()
	})
}

func TestBatchIsRecordedBeforeItsPOST(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer {
			rows := w.store.Mutations()
			require.Len(t, rows, 1)
			require.Equal(t, ledgermodel.Submitted, rows[0].Status)
			return answer{}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		l.stop()
	})
}

// TestAmbiguousPOST: whatever left a POST without an answer, the batch is sent
// again and newer changes of its items are held until settle has passed.
func TestAmbiguousPOST(t *testing.T) {
	t.Parallel()
	for _, took := range []bool{true, false} {
		t.Run(fmt.Sprint("taken ", took), func(t *testing.T) {
			scenario(t, func(w *world) {
				w.answers(answer{err: ambiguous, take: took, late: 4 * time.Minute})
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
				sent := time.Now()
				w.upsert("x", `{"a":2}`)
				w.until(time.Minute, "it is sent again", func() bool { return w.posts() == 2 })
				pass(4 * time.Minute)
				require.Equal(t, 2, w.posts(), "the newer change is held though the copy is final")
				w.finish(10 * time.Minute)
				require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":1}`, `x UPSERT {"a":2}`}, w.platform.sent())
				require.GreaterOrEqual(t, w.platform.log()[2].at.Sub(sent), 5*time.Minute-time.Second)
				require.NotEqual(t, w.platform.log()[0].body, w.platform.log()[1].body, "no skipping as a duplicate")
				w.requireState()
				l.stop()
			})
		})
	}
}

// TestHoldCrossesTakeOver: an attempt without a known end is ambiguous for the
// next owner, also when a later attempt was accepted.
func TestHoldCrossesTakeOver(t *testing.T) {
	t.Parallel()
	t.Run("crash in the POST", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.answers(answer{latency: time.Hour, late: 4 * time.Minute})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
			l.crash()
			taken := time.Now()
			w.upsert("x", `{"a":2}`)
			l = w.start()
			w.finish(20 * time.Minute)
			require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":1}`, `x UPSERT {"a":2}`}, w.platform.sent())
			require.GreaterOrEqual(t, w.platform.log()[2].at.Sub(taken), 5*time.Minute)
			w.requireState()
			l.stop()
		})
	})
	t.Run("ambiguous, then accepted, then crash", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.answers(answer{err: ambiguous, take: true, late: 4 * time.Minute})
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
			first := time.Now()
			w.until(time.Minute, "it is sent again", func() bool { return w.posts() == 2 })
			l.crash()
			w.upsert("x", `{"a":2}`)
			l = w.start()
			w.finish(20 * time.Minute)
			require.Len(t, w.platform.log(), 3, "the accepted one is followed, not sent again")
			require.GreaterOrEqual(t, w.platform.log()[2].at.Sub(first), 5*time.Minute-time.Second)
			w.requireState()
			l.stop()
		})
	})
	t.Run("crash between the POST and its handle", func(t *testing.T) {
		scenario(t, func(w *world) {
			var l *life
			w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
				if call == ledgermodel.CallAppendAttempts && stage == ledgermodel.Before {
					l.cancel()
				}
				return nil
			})
			l = w.start()
			w.upsert("x", `{"a":1}`)
			require.ErrorIs(t, l.wait(), context.Canceled)
			w.store.SetHook(nil)
			w.change("x", catalog.Delete, "")
			l = w.start()
			w.finish(20 * time.Minute)
			require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":1}`, `x DELETE`}, w.platform.sent())
			require.Nil(t, w.platform.itemX())
			l.stop()
		})
	})
}

func TestHandlesAreFollowedByTheNextOwner(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.delay = 10 * time.Minute
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(10*time.Second, "its handle is known", func() bool {
			b := w.store.Batches()
			return len(b) == 1 && len(b[0].Attempts[0].Handles) == 1
		})
		l.stop()
		l = w.start()
		w.finish(time.Hour)
		require.Equal(t, 1, w.posts())
		l.stop()
	})
}

func TestUnknownHandle(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer { return answer{lost: true} }
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
		w.upsert("y", `{"a":1}`)
		pass(4 * time.Minute)
		require.NotContains(t, w.platform.sent()[1:], `x UPSERT {"a":1}`, "settle passes first")
		w.finish(2 * time.Hour)
		require.Equal(t, ledgermodel.Unconfirmed, w.status()["m1"])
		require.Equal(t, 6, w.posts(), "both, max_attempts times")
		require.Len(t, w.store.DeadLetters(), 2)
		require.Equal(t, catalog.Unconfirmed, w.store.DeadLetters()[0].Reason)
		l.stop()
	})
}

func TestHandleThatIsNeverFinished(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{stuck: true})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
		pass(55 * time.Minute)
		require.Equal(t, 1, w.posts())
		w.finish(time.Hour)
		require.Equal(t, 2, w.posts())
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		l.stop()
	})
}

func TestFailedPollsPostponeAndNeverResend(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPoll = func(t *taken) *platform.Error {
			if time.Since(t.post.at) < 20*time.Minute {
				return &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 502, Message: "bad gateway"}
			}
			return nil
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		require.Equal(t, 1, w.posts())
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		l.stop()
	})
}

func TestItemMissingInTheAnswerIsUnknown(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{silent: func(i int) bool { return i == 1 }})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.upsert("y", `{"a":1}`)
		w.until(5*time.Second, "the one named is final", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
		require.Equal(t, ledgermodel.Waiting, w.status()["m2"])
		w.finish(time.Hour)
		require.Equal(t, `y UPSERT {"a":1}`, w.platform.sent()[1])
		require.Equal(t, 1, w.row("m2").Attempts)
		l.stop()
	})
}

// TestIncompleteReportIsHalved: however large the batch, its good records end
// succeeded and its bad ones refused.
func TestIncompleteReportIsHalved(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			bad := strings.Count(p.body, "bad")
			return answer{cut: bad > 1, silent: func(int) bool { return bad > 1 }, judge: func(_ int, r *catalog.Record) *platform.Verdict {
				if bad > 1 && strings.Contains(string(r.Change.Attributes), "bad") {
					return &platform.Verdict{}
				}
				return nil
			}}
		}
		l := w.start()
		for i := range 64 {
			attributes := `{"a":1}`
			if i%16 == 3 {
				attributes = fmt.Sprintf(`{"bad%d":1}`, i)
			}
			w.upsert(fmt.Sprint("x", i), attributes)
		}
		w.finish(6 * time.Hour)
		for i, row := range w.store.Mutations() {
			want := ledgermodel.Succeeded
			if i%16 == 3 {
				want = ledgermodel.Failed
			}
			require.Equal(t, want, row.Status, row.ID)
		}
		w.requireState()
		l.stop()
	})
}

func TestSkippedDuplicateIsSentAgainWithOtherBytes(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{skip: true})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		log := w.platform.log()
		require.Len(t, log, 2)
		require.NotEqual(t, log[0].body, log[1].body)
		require.GreaterOrEqual(t, log[1].at.Sub(log[0].at), time.Second, "a pause")
		require.Equal(t, map[string]string{"a": "1"}, w.platform.itemX())
		l.stop()
	})
}

// TestPartsOfARefusedRecord: each mutation of a merged record that was refused
// has its own outcome.
func TestPartsOfARefusedRecord(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Update, `{"bad":1}`)
		w.change("x", catalog.Update, `{"b":2}`)
		w.finish(time.Hour)
		require.Equal(t, []string{
			`x UPSERT {"a":1,"bad":1,"b":2}`, `x UPSERT {"a":1}`, `x UPDATE {"bad":1}`, `x UPDATE {"b":2}`,
		}, w.platform.sent())
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Failed, "m3": ledgermodel.Succeeded}, w.status())
		require.Equal(t, "bad is refused", w.row("m2").Errors[0].Message)
		require.Equal(t, catalog.Refused, w.store.DeadLetters()[0].Reason)
		w.requireState()
		l.stop()
	})
}

func refusal(named map[int]platform.Verdict) *platform.Error {
	return &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Message: "poison", Named: named}
}

func TestRefusedBatch(t *testing.T) {
	t.Parallel()
	fill := func(w *world) {
		for i := range 16 {
			attributes := `{"a":1}`
			if i == 5 {
				attributes = `{"poison":1}`
			}
			w.upsert(fmt.Sprint("x", i), attributes)
		}
	}
	ends := func(t *testing.T, w *world) {
		t.Helper()
		w.finish(6 * time.Hour)
		for i, row := range w.store.Mutations() {
			if i == 5 {
				require.Equal(t, ledgermodel.Failed, row.Status)
				continue
			}
			require.Equal(t, ledgermodel.Succeeded, row.Status)
			require.Zero(t, row.Attempts, "refusing the batch uses up no attempt of an innocent item")
		}
		w.requireState()
	}
	t.Run("named", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(p *post) answer {
				for i := range p.records {
					if containsPoison(p.records[i].Change.Attributes) {
						return answer{err: refusal(map[int]platform.Verdict{i: {Outcome: platform.Failed}})}
					}
				}
				return answer{}
			}
			l := w.start()
			fill(w)
			ends(t, w)
			require.Equal(t, 2, w.posts())
			l.stop()
		})
	})
	t.Run("named beside the batch", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(p *post) answer {
				if containsPoison([]byte(p.body)) {
					return answer{err: refusal(map[int]platform.Verdict{99: {Outcome: platform.Failed}})}
				}
				return answer{}
			}
			l := w.start()
			fill(w)
			ends(t, w)
			l.stop()
		})
	})
	t.Run("bisected within a tenth of the quota", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(p *post) answer {
				a := answer{quotas: []platform.Quota{{Scope: "submit", Limit: 60, Remaining: 50, Window: time.Minute, UsedPercent: -1}}}
				if containsPoison([]byte(p.body)) {
					a.err = refusal(nil)
					a.err.Quotas = a.quotas
				}
				return a
			}
			l := w.start()
			fill(w)
			ends(t, w)
			log := w.platform.log()
			require.Len(t, log, 9, "one whole and four times two halves")
			require.GreaterOrEqual(t, log[8].at.Sub(log[1].at), 7*10*time.Second, "six a minute of sixty")
			l.stop()
		})
	})
	t.Run("too large", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(p *post) answer {
				if len(p.records) > 4 {
					return answer{err: &platform.Error{Scope: platform.ScopeBatch, TooLarge: true, Message: "too large"}}
				}
				return answer{}
			}
			l := w.start()
			fill(w)
			w.finish(time.Hour)
			require.Equal(t, 7, w.posts(), "16, 8, 8, and four times 4")
			l.stop()
		})
	})
	t.Run("one record too large", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPost = func(*post) answer {
				return answer{err: &platform.Error{Scope: platform.ScopeBatch, TooLarge: true, Message: "too large"}}
			}
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.finish(time.Hour)
			require.Equal(t, catalog.RecordTooLarge, w.store.DeadLetters()[0].Reason)
			l.stop()
		})
	})
}
