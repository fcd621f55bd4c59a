package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestOutageShowsWithinSeconds: an account whose platform is gone is failing within 15
// seconds, with the reason, since when, and the next try; with the first success it is not.
func TestOutageShowsWithinSeconds(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]platform.Error{
		"connection refused": {Scope: platform.ScopePlatform, Operation: "POST", Message: "connection refused"},
		"time-out":           {Scope: platform.ScopePlatform, Operation: "POST", Message: "no answer in time", Ambiguous: true},
		"HTTP 503":           {Scope: platform.ScopePlatform, Operation: "POST", Message: "unavailable", HTTPStatus: 503},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				outage := false
				w.platform.onPost = func(*post) answer {
					if outage {
						return answer{err: &gone}
					}
					return answer{}
				}
				writes := 0
				w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
					if call == ledgermodel.CallSaveHealth && stage == ledgermodel.Before {
						writes++
					}
					return nil
				})
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.until(time.Minute, "it is there", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
				pass(time.Second)
				worked := w.store.Health("acme")
				require.False(t, worked.SucceededAt.IsZero())
				require.Zero(t, worked.FailingSince)
				w.platform.mu.Lock()
				outage = true
				w.platform.mu.Unlock()
				w.upsert("y", `{"a":1}`)
				began := time.Now()
				w.until(15*time.Second, "it is shown", func() bool { return !w.store.Health("acme").FailingSince.IsZero() })
				failing := w.store.Health("acme")
				require.WithinDuration(t, began, failing.FailingSince, 10*time.Second)
				require.Contains(t, failing.Reason, gone.Message)
				require.True(t, failing.NextTry.After(failing.FailingSince))
				require.False(t, failing.SucceededAt.Before(worked.SucceededAt))
				pass(2 * time.Minute)
				require.Equal(t, failing.FailingSince, w.store.Health("acme").FailingSince, "since the first failure")
				require.LessOrEqual(t, writes, 30, "no more than every five seconds")
				w.platform.mu.Lock()
				outage = false
				w.platform.mu.Unlock()
				w.until(time.Hour, "it works again", func() bool { return w.store.Health("acme").FailingSince.IsZero() })
				require.Empty(t, w.store.Health("acme").Reason)
				w.finish(time.Hour)
				l.stop()
			})
		})
	}
}

// TestOneFailureIsNoOutage: what works with the next try is not shown, and writes nothing.
func TestOneFailureIsNoOutage(t *testing.T) {
	scenario(t, func(w *world) {
		posts := 0
		w.platform.onPost = func(*post) answer {
			if posts++; posts%2 == 1 {
				return answer{err: &platform.Error{Scope: platform.ScopePlatform, Operation: "POST", Message: "unavailable", HTTPStatus: 503}}
			}
			return answer{}
		}
		shown := false
		l := w.start()
		for _, item := range []string{"x", "y", "z"} {
			id := w.upsert(item, `{"a":1}`)
			w.until(time.Minute, "it is there", func() bool {
				shown = shown || !w.store.Health("acme").FailingSince.IsZero()
				return w.status()[id] == ledgermodel.Succeeded
			})
		}
		require.False(t, shown)
		w.finish(time.Minute)
		l.stop()
	})
}

// TestNextOwnerEndsWhatTheLastOneShowed: and an owner without the lease says nothing.
func TestNextOwnerEndsWhatTheLastOneShowed(t *testing.T) {
	scenario(t, func(w *world) {
		old := w.store.Acquire(0)
		failing := []ledger.AccountHealth{{Account: "acme", FailingSince: time.Now(), Reason: "gone"}}
		require.NoError(t, w.store.SaveHealth(t.Context(), old, failing))
		l := w.start()
		require.Equal(t, "gone", w.store.Health("acme").Reason)
		w.upsert("x", `{"a":1}`)
		w.until(time.Minute, "it works", func() bool {
			return w.store.Health("acme").FailingSince.IsZero() && w.store.Health("acme").Reason == ""
		})
		require.NoError(t, w.store.SaveHealth(t.Context(), old, failing))
		require.Empty(t, w.store.Health("acme").Reason)
		w.finish(time.Minute)
		l.stop()
	})
}

// TestStraysAreNamed: with the nearest known name, until when they wait, and no more once
// they are configured.
func TestStraysAreNamed(t *testing.T) {
	scenario(t, func(w *world) {
		w.accounts["acme"].Catalogs = []string{"c", "l"}
		l := w.startWith(quota.NewScopes(w.store, w.logger), func(c *delivery.Config) { c.AccountNames = func() []string { return []string{"acme", "other"} } })
		began := time.Now()
		w.change("x", catalog.Upsert, `{"a":1}`, of("acne"))
		w.change("z", catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) { m.Lane.Catalog = "cc" })
		w.until(10*time.Second, "both are shown", func() bool { return len(w.store.Strays(0)) == 2 })
		for _, stray := range w.store.Strays(0) {
			if stray.Lane.Account == "acne" {
				require.Contains(t, stray.Problem, `the nearest known name is "acme"`)
			} else {
				require.Contains(t, stray.Problem, `the nearest known name is "c"`)
			}
			require.WithinDuration(t, began.Add(w.grace), stray.InvalidAt, 10*time.Second)
		}
		l.stop()
		fixed := *w.accounts["acme"]
		fixed.Name = "acne"
		w.accounts["acne"] = &fixed
		l = w.start()
		w.until(time.Minute, "one is left", func() bool { return len(w.store.Strays(0)) == 1 })
		w.finish(time.Hour)
		w.until(time.Minute, "none is left", func() bool { return len(w.store.Strays(0)) == 0 })
		l.stop()
	})
}

// TestRemovedAccount: what was sent and not confirmed ends unconfirmed, what was certainly
// not taken and what waits is invalid, and nothing of it is left.
func TestRemovedAccount(t *testing.T) {
	scenario(t, func(w *world) {
		refuse := false
		w.platform.onPost = func(*post) answer {
			if refuse {
				return answer{err: &platform.Error{Scope: platform.ScopePlatform, Operation: "POST", Message: "connection refused"}}
			}
			return answer{stuck: true}
		}
		l := w.start()
		w.upsert("sent", `{"a":1}`)
		w.until(time.Minute, "it is taken", func() bool { return len(w.platform.sent()) == 1 })
		pass(time.Second)
		w.platform.mu.Lock()
		refuse = true
		w.platform.mu.Unlock()
		w.upsert("refused", `{"a":1}`)
		w.until(time.Minute, "it is not taken", func() bool { return len(w.platform.sent()) >= 2 })
		pass(time.Second)
		l.crash()
		removed := w.accounts["acme"]
		delete(w.accounts, "acme")
		l = w.start()
		w.upsert("late", `{"a":1}`)
		w.until(time.Minute, "it waits", func() bool { return w.status()["m3"] == ledgermodel.Waiting })
		pass(time.Minute)
		require.Equal(t, 2, w.store.Open(), "nobody asked for the removal")
		w.store.AskForRemoval("acme")
		w.until(time.Minute, "all is final", w.done)
		require.Equal(t, map[string]ledgermodel.Status{
			"m1": ledgermodel.Unconfirmed, "m2": ledgermodel.Invalid, "m3": ledgermodel.Invalid,
		}, w.status())
		for _, id := range []string{"m1", "m2", "m3"} {
			require.Equal(t, catalog.AccountRemoved, w.row(id).Reason, id)
		}
		require.Len(t, w.store.DeadLetters(), 3)
		w.until(time.Minute, "the account is gone", func() bool {
			states, err := w.store.Accounts(t.Context(), []string{"acme"})
			return err == nil && len(states) == 0
		})
		require.Empty(t, w.store.Strays(0))
		w.check()
		l.stop()
		synctest.Wait()

		// A worker that has it configured does not go by the wish.
		w.accounts["acme"] = removed
		w.platform.mu.Lock()
		w.platform.onPost = nil
		w.platform.mu.Unlock()
		w.store.AskForRemoval("acme")
		l = w.start()
		w.upsert("again", `{"a":1}`)
		w.until(time.Minute, "it is sent", func() bool { return w.status()["m4"] == ledgermodel.Succeeded })
		l.stop()
	})
}

// TestPauseByHandForATime: it is over when its time is.
func TestPauseByHandForATime(t *testing.T) {
	scenario(t, func(w *world) {
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true, ResumesAt: time.Now().Add(time.Minute)})
		require.NoError(t, err)
		l := w.start()
		w.upsert("x", `{"a":1}`)
		pass(50 * time.Second)
		require.Empty(t, w.platform.sent())
		w.until(30*time.Second, "it is sent", func() bool { return len(w.platform.sent()) == 1 })
		w.finish(time.Minute)
		l.stop()
	})
}

// TestPaceIsShown: an account whose requests are spread over a quota's window says until when
// the next one waits, and that is when it goes.
func TestPaceIsShown(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxItems = 1
		w.account("acme", p)
		const limit = 10
		began := time.Now()
		w.platform.onPost = func(p *post) answer {
			return answer{quotas: []platform.Quota{{
				Scope: "submit", Limit: limit, Remaining: max(limit-p.number, 0), Window: time.Hour, Reset: time.Until(began.Add(time.Hour)), UsedPercent: -1,
			}}}
		}
		l := w.start()
		for i := range limit - 1 {
			w.upsert(fmt.Sprint("x", i), `{"a":1}`)
		}
		for range 2 {
			w.until(time.Minute, "it is shown", func() bool { return w.store.Health("acme").PacedUntil.After(time.Now()) })
			shown, posts := w.store.Health("acme"), w.posts()
			require.Equal(t, "submit", shown.PacedBy)
			pass(time.Until(shown.PacedUntil) - 10*time.Second)
			require.Equal(t, posts, w.posts(), "not before")
			w.until(20*time.Second, "it goes then", func() bool { return w.posts() == posts+1 })
		}
		w.finish(2 * time.Hour)
		w.until(time.Minute, "nothing waits for the pace any more", func() bool { return !w.store.Health("acme").PacedUntil.After(time.Now()) })
		l.stop()
	})
}

// TestPaceOfARefusedBatchIsShown: a batch that was refused for a quota of whose end nothing was
// told waits for minutes, and the account says so though nothing else of it waits.
func TestPaceOfARefusedBatchIsShown(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			if p.number > 1 {
				return answer{}
			}
			return answer{err: &platform.Error{
				Scope: platform.ScopeQuota, BlockedScope: "submit",
				Quotas: []platform.Quota{{Scope: "submit", Limit: -1, Remaining: -1, UsedPercent: 100, Window: time.Hour}},
			}}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Minute, "it is shown", func() bool { return w.store.Health("acme").PacedUntil.After(time.Now().Add(time.Minute)) })
		shown := w.store.Health("acme")
		require.Equal(t, "submit", shown.PacedBy)
		pass(time.Until(shown.PacedUntil) - 10*time.Second)
		require.Equal(t, 1, w.posts(), "not before")
		w.until(20*time.Second, "it goes then", func() bool { return w.posts() == 2 })
		w.finish(time.Hour)
		l.stop()
	})
}
