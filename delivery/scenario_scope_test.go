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
)

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
		require.Equal(t, []string{"acme paused"}, w.saved.changes(), "one alert")
		states, err := w.store.Accounts(t.Context(), []string{"acme"})
		require.NoError(t, err)
		require.Equal(t, "paused", states["acme"].State)
		w.finish(time.Hour)
		require.Equal(t, []string{"acme paused", "acme active"}, w.saved.changes())
		for _, row := range w.store.Mutations() {
			require.Equal(t, ledgermodel.Succeeded, row.Status)
			require.Zero(t, row.Attempts)
		}
		l.stop()
	})
}

// TestANewTokenEndsAPauseAtOnce, however long the account has been refused.
func TestANewTokenEndsAPauseAtOnce(t *testing.T) {
	scenario(t, func(w *world) {
		var token atomic.Value
		token.Store("old")
		w.accounts["acme"].Credential = func(context.Context) string { return token.Load().(string) }
		w.platform.onPost = func(*post) answer {
			if token.Load() == "old" {
				return answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}}
			}
			return answer{}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		pass(40 * time.Minute)
		w.upsert("y", `{"a":1}`)
		probes := w.posts()
		pass(5 * time.Minute)
		require.LessOrEqual(t, w.posts(), probes+1, "every 15 minutes")
		token.Store("new")
		w.finish(30 * time.Second)
		require.Equal(t, []string{"acme paused", "acme active"}, w.saved.changes())
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
		require.Equal(t, ledgermodel.Waiting, w.status()["m1"], "and people see it")
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
		require.Equal(t, ledgermodel.Failed, w.status()["m1"])
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
