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
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/ledger/memory"
	"github.com/catalog-courier/catalog-courier/platform"
)

// scenario runs a test in a bubble with a Pinterest-like platform.
func scenario(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, catalog.PinterestSemantics)) })
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
		require.Equal(t, memory.Waiting, w.status()["m2"])
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
			require.Equal(t, memory.Submitted, rows[0].Status)
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
			w.store.SetHook(func(_ context.Context, call memory.Call, stage memory.Stage) error {
				if call == memory.CallAppendAttempts && stage == memory.Before {
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
			require.Nil(t, w.platform.item("x"))
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
		require.Equal(t, memory.Unconfirmed, w.status()["m1"])
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
		require.Equal(t, memory.Succeeded, w.status()["m1"])
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
		require.Equal(t, memory.Succeeded, w.status()["m1"])
		l.stop()
	})
}

func TestItemMissingInTheAnswerIsUnknown(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{silent: func(i int) bool { return i == 1 }})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.upsert("y", `{"a":1}`)
		w.until(5*time.Second, "the one named is final", func() bool { return w.status()["m1"] == memory.Succeeded })
		require.Equal(t, memory.Waiting, w.status()["m2"])
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
			want := memory.Succeeded
			if i%16 == 3 {
				want = memory.Failed
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
		require.Equal(t, map[string]string{"a": "1"}, w.platform.item("x"))
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
		require.Equal(t, map[string]memory.Status{"m1": memory.Succeeded, "m2": memory.Failed, "m3": memory.Succeeded}, w.status())
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
				require.Equal(t, memory.Failed, row.Status)
				continue
			}
			require.Equal(t, memory.Succeeded, row.Status)
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

func TestAccountPauseEndsByItself(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxItems = 1
		w.account("acme", p)
		began := time.Now()
		w.platform.onPost = func(*post) answer {
			if time.Since(began) < 3*time.Minute {
				return answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}}
			}
			return answer{}
		}
		l := w.start()
		for i := range 10 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		pass(2 * time.Minute)
		require.LessOrEqual(t, w.posts(), 8, "only probes")
		require.Equal(t, []string{"acme refused true"}, w.alerts.list(), "one alert")
		states, err := w.store.Accounts(t.Context(), []string{"acme"})
		require.NoError(t, err)
		require.Equal(t, "paused", states["acme"].State)
		w.finish(time.Hour)
		require.Equal(t, []string{"acme refused true", "acme  false"}, w.alerts.list())
		for _, row := range w.store.Mutations() {
			require.Equal(t, memory.Succeeded, row.Status)
			require.Zero(t, row.Attempts)
		}
		l.stop()
	})
}

func TestPauseByHand(t *testing.T) {
	scenario(t, func(w *world) {
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		l := w.start()
		w.upsert("x", `{"a":1}`)
		pass(10 * time.Minute)
		require.Zero(t, w.posts())
		require.Equal(t, memory.Waiting, w.status()["m1"], "and people see it")
		w.store.ResumeAccount("acme")
		w.finish(time.Minute)
		l.stop()
	})
}

// TestPauseByHandOutlivesCallsUnderWay: what a call under way says of the account
// does not end the operator's pause.
func TestPauseByHandOutlivesCallsUnderWay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]*platform.Error{
		"accepted": nil, "refused": {Scope: platform.ScopeAccount, Message: "bad token"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.answers(answer{latency: 20 * time.Second, err: end})
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.until(10*time.Second, "it is under way", func() bool { return w.posts() == 1 })
				_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
				require.NoError(t, err)
				pass(10 * time.Second)
				w.upsert("y", `{"a":1}`)
				pass(30 * time.Minute)
				require.Equal(t, 1, w.posts())
				w.store.ResumeAccount("acme")
				w.finish(time.Hour)
				l.stop()
			})
		})
	}
}

func TestQuotaBlockIsSharedAndOutlivesTheOwner(t *testing.T) {
	t.Parallel()
	for name, limited := range map[string]*platform.Error{
		"Retry-After": {Scope: platform.ScopeQuota, RetryAfter: 10 * time.Minute, Message: "slow down"},
		"header": {Scope: platform.ScopeQuota, Message: "slow down", Quotas: []platform.Quota{
			{Scope: "submit", Limit: 10, Remaining: 0, Reset: 10 * time.Minute, UsedPercent: -1},
		}},
		"named scope": {Scope: platform.ScopeQuota, BlockedScope: "app", RetryAfter: 10 * time.Minute, Message: "slow down"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.submit = []string{"submit", "app"}
				w.answers(answer{err: limited})
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
				blocked := time.Now()
				pass(5 * time.Second)
				l.crash()
				w.account("other", policy())
				w.change("y", catalog.Upsert, `{"a":1}`, of("other"))
				l = w.start()
				pass(9 * time.Minute)
				require.Equal(t, 1, w.posts(), "neither the new owner nor another account calls into the block")
				w.finish(time.Hour)
				require.GreaterOrEqual(t, w.platform.log()[1].at.Sub(blocked), 10*time.Minute-time.Second)
				require.Zero(t, w.row("m1").Attempts)
				l.stop()
			})
		})
	}
}

func TestBreakerStopsCallsWhileThePlatformIsAway(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxItems, p.RetryMax = 1, 2*time.Second
		w.account("acme", p)
		began := time.Now()
		w.platform.onPost = func(*post) answer {
			if time.Since(began) < 10*time.Minute {
				return answer{err: &platform.Error{Scope: platform.ScopePlatform, Message: "connection refused"}}
			}
			return answer{}
		}
		l := w.start()
		for i := range 20 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		pass(9 * time.Minute)
		require.Less(t, w.posts(), 130, "about one probe in five seconds")
		w.finish(time.Hour)
		for _, row := range w.store.Mutations() {
			require.Zero(t, row.Attempts)
		}
		l.stop()
	})
}

func TestConcurrencyStartsLowAndGrows(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxItems, p.Concurrency = 1, 8
		w.account("acme", p)
		most := 0
		w.platform.onPost = func(p *post) answer {
			if p.number <= 4 {
				most = max(most, w.platform.flying)
			}
			return answer{latency: time.Second}
		}
		l := w.start()
		for i := range 200 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		w.finish(time.Hour)
		require.LessOrEqual(t, most, 2)
		require.Equal(t, 8, w.platform.most)
		l.stop()
	})
}

func TestRetryMergesWithNewer(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxAttempts, p.RetryMin = 2, 10*time.Second
		w.account("acme", p)
		w.platform.onPost = func(p *post) answer {
			return answer{judge: func(int, *catalog.Record) *platform.Verdict {
				if p.number == 1 {
					return &platform.Verdict{Outcome: platform.Retryable}
				}
				return nil
			}}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(20*time.Second, "it is to be sent again", func() bool { return w.row("m1").Attempts == 1 })
		w.change("x", catalog.Update, `{"b":2}`)
		w.finish(time.Hour)
		require.Equal(t, `x UPSERT {"a":1,"b":2}`, w.platform.sent()[1])
		require.Equal(t, "m2", w.row("m1").SupersededBy)
		require.Zero(t, w.row("m2").Attempts, "the merged record has the attempts of its newest")
		l.stop()
	})
}

func TestAttemptsRunOut(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer {
			return answer{judge: func(int, *catalog.Record) *platform.Verdict {
				return &platform.Verdict{Outcome: platform.Retryable, Errors: []ledger.Issue{{Message: "later"}}}
			}}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		require.Equal(t, 3, w.posts())
		require.Equal(t, memory.Failed, w.status()["m1"])
		require.Equal(t, catalog.AttemptsExhausted, w.store.DeadLetters()[0].Reason)
		l.stop()
	})
}

func TestBatchNotTakenIsMergedWithNewer(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{err: &platform.Error{Scope: platform.ScopePlatform, Message: "connection refused"}})
		p := w.accounts["acme"].Policy
		p.RetryMin = 10 * time.Second
		w.account("acme", p)
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 1 })
		w.upsert("x", `{"a":2}`)
		w.finish(time.Hour)
		require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"a":2}`}, w.platform.sent())
		require.Equal(t, ledger.BatchAbandoned, w.store.Batches()[0].Outcome.State)
		l.stop()
	})
}

func TestSplitChangeGoesInTwoRecordsInOrder(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.upsert("x", `{"a":1,"b":2}`)
		w.until(time.Minute, "it is there", func() bool { return w.status()["m1"] == memory.Succeeded })
		w.change("x", catalog.Update, `{"b":null,"image":"i"}`)
		w.upsert("x2", `{"a":1}`)
		w.finish(time.Hour)
		require.Equal(t, []string{
			`x UPSERT {"a":1,"b":2}`, `x UPDATE {"b":null}; x2 UPSERT {"a":1}`, `x UPDATE {"image":"i"}`,
		}, w.platform.sent())
		w.requireState()
		l.stop()
	})
}

func TestUnknownAccountsWaitAndUnknownTypesDoNot(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":1}`, of("nobody"))
		w.change("y", catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) { m.Lane.Type = "Q" })
		w.change("z", catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) { m.Lane.Catalog = "later" })
		w.upsert("w", `{"a":1}`)
		w.until(12*time.Second, "the known ones are final", func() bool {
			return w.status()["m2"] == memory.Invalid && w.status()["m4"] == memory.Succeeded
		})
		require.Equal(t, memory.Waiting, w.status()["m1"])
		pass(9 * time.Minute)
		require.Equal(t, memory.Waiting, w.status()["m3"])
		w.finish(10 * time.Minute)
		require.Equal(t, catalog.UnknownAccount, w.row("m1").Reason)
		require.Equal(t, catalog.UnknownCatalog, w.row("m3").Reason)
		l.stop()
	})
}

// TestStrayOfANewerConfiguration: it is checked against its endpoint when a worker
// knows its account at last.
func TestStrayOfANewerConfiguration(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
			if m.ItemID == "y" {
				return &catalog.Problem{Reason: catalog.BadKey, Text: "no good"}
			}
			return nil
		}
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":1}`, of("later"))
		w.change("y", catalog.Upsert, `{"a":1}`, of("later"))
		pass(time.Minute)
		l.stop()
		w.account("later", policy())
		l = w.start()
		w.finish(time.Hour)
		require.Equal(t, map[string]memory.Status{"m1": memory.Succeeded, "m2": memory.Invalid}, w.status())
		l.stop()
	})
}

func TestPanicsAreDeadLetters(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
			if m.ItemID == "v" {
				panic("odd")
			}
			return nil
		}
		w.platform.encode = func(records []catalog.Record) {
			for i := range records {
				if records[i].Key.ItemID == "e" {
					panic("odd")
				}
			}
		}
		l := w.start()
		for _, item := range []string{"a", "v", "b", "e", "c"} {
			w.upsert(item, `{"a":1}`)
		}
		w.finish(time.Hour)
		require.Equal(t, map[string]memory.Status{
			"m1": memory.Succeeded, "m2": memory.Invalid, "m3": memory.Succeeded, "m4": memory.Failed, "m5": memory.Succeeded,
		}, w.status())
		require.Equal(t, catalog.InternalError, w.row("m2").Reason)
		l.stop()
	})
}

func TestVersions(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":5}`, version(5))
		w.change("x", catalog.Upsert, `{"a":4}`, version(4))
		w.finish(time.Minute)
		l.stop()
		l = w.start()
		w.change("x", catalog.Upsert, `{"a":3}`, version(3))
		w.change("x", catalog.Delete, "", version(6))
		w.finish(time.Minute)
		w.change("x", catalog.Upsert, `{"a":1}`, version(1))
		w.finish(time.Minute)
		require.Equal(t, map[string]memory.Status{
			"m1": memory.Succeeded, "m2": memory.Superseded, "m3": memory.Superseded, "m4": memory.Succeeded, "m5": memory.Succeeded,
		}, w.status())
		require.Equal(t, "m1", w.row("m2").SupersededBy)
		require.Equal(t, []string{`x UPSERT {"a":5}`, `x DELETE`, `x UPSERT {"a":1}`}, w.platform.sent())
		l.stop()
	})
}

func TestIdlePositionFollowsTheStream(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		require.Equal(t, uint64(1), w.store.Anchor(0).Position.Sequence)
		pass(time.Minute)
		commits := w.store.Commits()
		pass(time.Hour)
		require.Equal(t, commits, w.store.Commits(), "an idle engine writes nothing")
		l.stop()
	})
}

// TestSpill: what does not fit in memory goes to the store and comes back in
// order.
func TestSpill(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(200_000)
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		l := w.start()
		for i := range 1500 {
			item := fmt.Sprint("x", i%300)
			switch i / 300 {
			case 2:
				w.change(item, catalog.Delete, "")
			default:
				w.upsert(item, fmt.Sprintf(`{"a":%d}`, i))
			}
			if i%100 == 0 {
				pass(time.Second)
			}
		}
		pass(time.Minute)
		require.Equal(t, 1500, w.store.WaitingRows())
		w.store.ResumeAccount("acme")
		w.finish(6 * time.Hour)
		w.requireState()
		require.Zero(t, w.store.WaitingRows())
		l.stop()
	})
}

func TestDrain(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{latency: 20 * time.Second})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is under way", func() bool { return w.posts() == 1 })
		w.upsert("y", `{"a":1}`)
		began := time.Now()
		l.stop()
		require.Greater(t, time.Since(began), 15*time.Second, "the POST under way is settled")
		batches := w.store.Batches()
		require.Equal(t, ledger.Accepted, batches[0].Attempts[0].Result)
		l = w.start()
		w.finish(time.Hour)
		require.Equal(t, 2, w.posts())
		l.stop()
	})
}

func TestDrainTimeIsBounded(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{latency: time.Hour})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "it is under way", func() bool { return w.posts() == 1 })
		began := time.Now()
		l.stop()
		require.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
	})
}

// TestLostLease: once another owner has the partition nothing more is written.
func TestLostLease(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.delay = time.Minute
		l := w.start()
		for i := range 20 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		w.until(time.Second, "they are sent", func() bool { return w.posts() >= 1 })
		w.store.Acquire(0)
		commits := w.store.Commits()
		require.ErrorIs(t, l.wait(), ledger.ErrLeaseLost)
		require.Equal(t, commits, w.store.Commits())
	})
}

// TestOneAccountsTroubleDelaysNoOther.
func TestOneAccountsTroubleDelaysNoOther(t *testing.T) {
	scenario(t, func(w *world) {
		troubled := newSimulated(catalog.PinterestSemantics)
		troubled.submit, troubled.poll = []string{"its submit"}, []string{"its poll"}
		troubled.onPost = func(*post) answer { return answer{latency: time.Hour, err: ambiguous} }
		p := policy()
		p.MaxItems = 1
		w.account("slow", p).Client = troubled
		l := w.start()
		for i := range 300 {
			w.change(fmt.Sprint("s", i), catalog.Upsert, `{"a":1}`, of("slow"))
		}
		pass(time.Minute)
		for range 20 {
			began := time.Now()
			id := w.upsert("x", `{"a":1}`)
			w.until(time.Minute, "it is final", func() bool { return w.status()[id] == memory.Succeeded })
			require.Less(t, time.Since(began), 5*time.Second)
		}
		w.check()
		l.crash()
	})
}

// TestAccountsThatShareAScopeTakeTurns: a flood of one does not take all slots.
func TestAccountsThatShareAScopeTakeTurns(t *testing.T) {
	scenario(t, func(w *world) {
		p := policy()
		p.MaxItems, p.Concurrency = 1, 1
		w.account("acme", p)
		w.account("zeta", p)
		w.platform.delay = time.Millisecond
		w.platform.onPost = func(*post) answer { return answer{latency: time.Second} }
		l := w.start()
		for i := range 60 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		for i := range 5 {
			w.change(fmt.Sprint("z", i), catalog.Upsert, `{"a":1}`, of("zeta"))
		}
		w.until(time.Minute, "the few of the other are sent", func() bool {
			return strings.Count(strings.Join(w.platform.sent(), " "), "z") >= 5
		})
		require.LessOrEqual(t, w.posts(), 15)
		l.crash()
	})
}

// TestPollsAreNotStarvedByPOSTs: with one slot for both, a backlog of POSTs leaves
// room for polls.
func TestPollsAreNotStarvedByPOSTs(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.submit, w.platform.poll = []string{"both"}, []string{"both"}
		p := policy()
		p.MaxItems, p.Concurrency = 1, 1
		w.account("acme", p)
		w.platform.onPost = func(*post) answer { return answer{latency: 2 * time.Second} }
		l := w.start()
		for i := range 60 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		w.until(time.Minute, "the first is final", func() bool { return w.status()["m1"] == memory.Succeeded })
		require.LessOrEqual(t, w.posts(), 10)
		w.finish(time.Hour)
		l.stop()
	})
}
