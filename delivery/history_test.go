package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// A batch whose handle was given up may still be applied: newer changes wait.
func TestNewerChangesWaitAfterAHandleWasGivenUp(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{late: 62 * time.Minute})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "sent", func() bool { return w.posts() == 1 })
		pass(10 * time.Minute)
		w.upsert("x", `{"a":2}`)
		w.until(2*time.Hour, "m2 final", func() bool { return w.status()["m2"] == ledgermodel.Succeeded })
		pass(3 * time.Hour)
		require.Equal(t, map[string]string{"a": "2"}, w.platform.itemX())
		l.stop()
	})
}

// However long polls fail, the platform may have finished long ago: nothing is resent.
func TestFailedPollsGiveNoHandleUp(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPoll = func(p *taken) *platform.Error {
			if time.Since(p.post.at) < 70*time.Minute {
				return &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}
			}
			return nil
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(10 * time.Hour)
		require.Equal(t, 1, w.posts())
		l.stop()
	})
}

// A paused account is probed again when its probe could not be sent after all.
func TestProbeThatIsNotSentIsNotTheLast(t *testing.T) {
	scenario(t, func(w *world) {
		p := policy()
		p.RetryMin, p.RetryMax = 10*time.Minute, 10*time.Minute // so that the first batch is not the probe
		w.account("acme", p)
		w.answers(answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}})
		scopes := quota.NewScopes(w.store, w.logger)
		l := w.startWith(scopes)
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "sent", func() bool { return w.posts() == 1 })
		w.upsert("y", `{"a":1}`)
		pass(13 * time.Second)
		slot, _ := scopes.Acquire("shop", []string{"submit"}, 100, make(chan struct{}, 1))
		require.NotNil(t, slot)
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallCommit && stage == ledgermodel.Before {
				time.Sleep(6 * time.Second)
			}
			return nil
		})
		pass(5 * time.Second)
		slot.Release(&platform.Error{Scope: platform.ScopeQuota, RetryAfter: 30 * time.Second, Message: "slow"}, nil)
		pass(20 * time.Second)
		w.store.SetHook(nil)
		w.until(24*time.Hour, "the second is sent", func() bool { return w.status()["m2"] == ledgermodel.Succeeded })
		l.stop()
	})
}

// A message of an unknown account that arrives while the last ones expire expires too.
func TestStrayThatArrivesWhileOthersExpire(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":1}`, of("nobody"))
		pass(9 * time.Minute)
		n := 0
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallWaiting && stage == ledgermodel.After {
				n++
				if n == 2 {
					w.change("y", catalog.Upsert, `{"a":1}`, of("nobody"))
					time.Sleep(time.Second)
				}
			}
			return nil
		})
		w.until(48*time.Hour, "the second expires", func() bool { return w.status()["m2"] == ledgermodel.Invalid })
		l.stop()
	})
}

// A DELETE without a version ends the counter that it finds.
func TestDeleteWithoutVersionEndsTheCounter(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":7}`, version(7))
		w.finish(time.Minute)
		w.change("x", catalog.Delete, "")
		w.finish(time.Minute)
		w.change("x", catalog.Upsert, `{"a":1}`, version(1))
		w.finish(time.Minute)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m3"])
		l.stop()
	})
}

// How slow the platform has been is known to the next owner, and so how long to wait.
func TestSettleKnowsHowSlowThePlatformWas(t *testing.T) {
	scenario(t, func(w *world) {
		p := policy()
		p.Settle = 0
		w.account("acme", p)
		w.platform.delay = 10 * time.Minute
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		l.crash()
		quiet := delivery.Settle(0, w.resumption().Slowest)
		l = w.startWith(quota.NewScopes(w.store, w.logger), func(c *delivery.Config) { c.LostTail, c.Quiet = true, quiet })
		began := time.Now()
		w.upsert("x", `{"a":2}`)
		w.until(time.Hour, "sent", func() bool { return w.posts() == 2 })
		require.GreaterOrEqual(t, time.Since(began), 10*time.Minute)
		l.crash()
	})
}

// An account whose batches stay open keeps no other from sending.
func TestOneAccountsOpenBatchesLeaveRoomForOthers(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(1_200_000)
		troubled := newSimulated(replacing)
		troubled.submit, troubled.poll = []string{"its submit"}, []string{"its poll"}
		troubled.onPost = func(*post) answer { return answer{stuck: true} }
		p := policy()
		p.MaxItems = 1
		w.account("slow", p).Client = troubled
		l := w.start()
		for i := range 70 {
			w.change(fmt.Sprint("s", i), catalog.Upsert, `{"a":"`+strings.Repeat("x", 10_000)+`"}`, of("slow"))
			if i%10 == 9 {
				pass(time.Second)
			}
		}
		pass(time.Minute)
		began := time.Now()
		id := w.upsert("x", `{"a":1}`)
		for time.Since(began) < 10*time.Hour && w.status()[id] != ledgermodel.Succeeded {
			pass(time.Second)
		}
		require.Less(t, time.Since(began), time.Minute)
		l.crash()
	})
}

// What failed batches give back to a spilled lane does not stop the worker from reading.
func TestWhatComesBackToASpilledLaneIsSpilledAgain(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(200_000)
		other := newSimulated(replacing)
		other.submit, other.poll = []string{"o submit"}, []string{"o poll"}
		w.account("other", policy()).Client = other
		by := func() {
			_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
			require.NoError(t, err)
		}
		by()
		l := w.start()
		for i := range 1500 {
			w.upsert(fmt.Sprint("x", i), fmt.Sprintf(`{"a":%d}`, i))
			if i%100 == 0 {
				pass(time.Second)
			}
		}
		pass(time.Minute)
		w.platform.onPost = func(*post) answer {
			return answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad"}}
		}
		w.store.ResumeAccount("acme")
		w.until(time.Hour, "posts", func() bool { return w.posts() >= 1 })
		by()
		pass(time.Minute)
		began := time.Now()
		id := w.change("y", catalog.Upsert, `{"a":1}`, of("other"))
		for time.Since(began) < 20*time.Minute && w.status()[id] != ledgermodel.Succeeded {
			pass(time.Second)
		}
		require.Less(t, time.Since(began), time.Minute)
		l.crash()
	})
}

// A mutation that is refused supersedes no good one.
func TestVersionOfAnInvalidMutationSupersedesNothing(t *testing.T) {
	scenario(t, func(w *world) {
		p := policy()
		p.MaxBytes = 1000
		w.account("acme", p)
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":"`+strings.Repeat("x", 2000)+`"}`, version(5))
		w.change("x", catalog.Upsert, `{"a":4}`, version(4))
		w.finish(time.Minute)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m2"])
		l.stop()
	})
}
