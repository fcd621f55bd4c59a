package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

var errKilled = errors.New("the process is killed")

// seen is how long it takes a test at most to see that something has happened.
const seen = 100 * time.Millisecond

// kill ends the engine as SIGKILL does: nothing of it reaches the store any more.
func (l *life) kill() {
	l.w.store.SetHook(func(context.Context, ledgermodel.Call, ledgermodel.Stage) error { return errKilled })
	l.crash()
	l.w.store.SetHook(nil)
}

// heals has the platform answer as it should from now on.
func (w *world) heals() {
	w.platform.mu.Lock()
	defer w.platform.mu.Unlock()
	w.platform.onPost, w.platform.onPoll = nil, nil
}

// polls counts the polls so far.
func (w *world) polls() int {
	w.platform.mu.Lock()
	defer w.platform.mu.Unlock()
	return len(w.platform.polls)
}

// told are the ways to ask for a pause, with how long it is at least.
var told = map[string]struct {
	answer answer
	pause  time.Duration
}{
	"429 with Retry-After": {answer{err: &platform.Error{
		Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: 40 * time.Second,
	}}, 40 * time.Second},
	"429 about another scope": {answer{err: &platform.Error{
		Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: 40 * time.Second, BlockedScope: "submit",
	}}, 40 * time.Second},
	"429 with headers alone": {answer{err: &platform.Error{
		Scope: platform.ScopeQuota, HTTPStatus: 429,
		Quotas: []platform.Quota{{Scope: "submit", Limit: 10, Remaining: 0, Reset: 40 * time.Second, Block: 40 * time.Second, Window: time.Minute, UsedPercent: 100}},
	}}, 40 * time.Second},
	"429 without a word": {answer{err: &platform.Error{Scope: platform.ScopeQuota, HTTPStatus: 429}}, 5 * time.Second},
	"503 with Retry-After": {answer{err: &platform.Error{
		Scope: platform.ScopePlatform, HTTPStatus: 503, Ambiguous: true, RetryAfter: 40 * time.Second,
	}}, 40 * time.Second},
	"400 with Retry-After": {answer{err: &platform.Error{
		Scope: platform.ScopeBatch, HTTPStatus: 400, RetryAfter: 40 * time.Second,
	}}, 40 * time.Second},
	"401": {answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401}}, 15 * time.Second},
	"429 about the account": {answer{err: &platform.Error{
		Scope: platform.ScopeAccount, HTTPStatus: 429, RetryAfter: 40 * time.Second,
	}}, 40 * time.Second},
	"nothing remains": {answer{
		quotas: []platform.Quota{{Scope: "submit", Limit: 10, Remaining: 0, Reset: 40 * time.Second, Window: time.Minute, UsedPercent: -1}},
	}, 40 * time.Second},
	"a time to regain access": {answer{
		quotas: []platform.Quota{{Scope: "submit", Limit: -1, Remaining: -1, Block: 3 * time.Minute, UsedPercent: 100}},
	}, 3 * time.Minute},
	"all is used": {answer{
		quotas: []platform.Quota{{Scope: "submit", Limit: -1, Remaining: -1, UsedPercent: 100}},
	}, 5 * time.Second},
}

// leaves are the moments at which an owner that was told of a pause goes.
var leaves = map[string]func(*life){
	"killed at once": (*life).kill,
	"killed half a second later": func(l *life) {
		pass(500 * time.Millisecond)
		l.kill()
	},
	"handed over": (*life).stop,
}

// TestToldPauseOutlivesTheOwner: the next owner makes no POST before the end of a pause
// that a platform has asked the last one for, however that one left.
func TestToldPauseOutlivesTheOwner(t *testing.T) {
	t.Parallel()
	for kind, test := range told {
		for name, leave := range leaves {
			t.Run(kind+", "+name, func(t *testing.T) {
				scenario(t, func(w *world) {
					w.answers(test.answer)
					l := w.start()
					w.upsert("x", `{"a":1}`)
					w.until(time.Second, "the pause is told", func() bool { return w.posts() == 1 })
					over := time.Now().Add(test.pause - seen)
					leave(l)
					for i := range 20 {
						w.upsert(fmt.Sprint("y", i), `{"a":1}`)
					}
					l = w.start()
					pass(time.Until(over))
					require.Equal(t, 1, w.posts(), "the pause is not over")
					w.heals()
					w.finish(time.Hour)
					l.stop()
				})
			})
		}
	}
}

// TestToldPauseOfPolls is the same for what is asked about batches.
func TestToldPauseOfPolls(t *testing.T) {
	t.Parallel()
	for kind, perr := range map[string]platform.Error{
		"429":                 {Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: 40 * time.Second},
		"503":                 {Scope: platform.ScopePlatform, HTTPStatus: 503, RetryAfter: 40 * time.Second},
		"400":                 {Scope: platform.ScopeBatch, HTTPStatus: 400, RetryAfter: 40 * time.Second},
		"the account refused": {Scope: platform.ScopeAccount, HTTPStatus: 403, RetryAfter: 40 * time.Second},
		"headers alone": {Scope: platform.ScopeQuota, HTTPStatus: 429, Quotas: []platform.Quota{
			{Scope: "poll", Limit: 10, Remaining: 0, Reset: 40 * time.Second, Window: time.Minute, UsedPercent: 100},
		}},
	} {
		for name, leave := range leaves {
			t.Run(kind+", "+name, func(t *testing.T) {
				scenario(t, func(w *world) {
					w.platform.onPoll = func(*taken) *platform.Error { return &perr }
					l := w.start()
					w.upsert("x", `{"a":1}`)
					w.until(time.Minute, "the pause is told", func() bool { return w.polls() == 1 })
					over := time.Now().Add(40*time.Second - seen)
					leave(l)
					w.heals()
					l = w.start()
					pass(time.Until(over))
					require.Equal(t, 1, w.polls(), "the pause is not over")
					w.finish(time.Hour)
					l.stop()
				})
			})
		}
	}
}

// TestToldPauseIsReadAtTakeOver, also by a process that has known the scope for long,
// and read it a moment before the pause was told elsewhere.
func TestToldPauseIsReadAtTakeOver(t *testing.T) {
	scenario(t, func(w *world) {
		scopes := quota.NewScopes(w.store, w.logger)
		w.account("first", policy())
		w.account("second", policy())
		other := w.startPartition(1, "second", scopes)
		w.change("x", catalog.Upsert, `{"a":1}`, of("second"))
		w.finish(time.Minute)
		l := w.startPartition(0, "first", quota.NewScopes(w.store, w.logger))
		w.change("y", catalog.Upsert, `{"a":1}`, of("first"))
		w.until(time.Second, "it is sent", func() bool { return w.posts() == 2 })
		pass(2500 * time.Millisecond)
		w.platform.mu.Lock()
		w.platform.onPost = func(*post) answer {
			return answer{err: &platform.Error{Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: 40 * time.Second}}
		}
		w.platform.mu.Unlock()
		w.change("z", catalog.Upsert, `{"a":1}`, of("first"))
		w.until(time.Second, "the pause is told", func() bool { return w.posts() == 3 })
		over := time.Now().Add(40*time.Second - seen)
		l.kill()
		w.heals()
		l = w.startPartition(0, "first", scopes)
		w.change("v", catalog.Upsert, `{"a":1}`, of("first"))
		pass(time.Until(over))
		require.Equal(t, 3, w.posts())
		w.finish(time.Hour)
		l.crash()
		other.crash()
	})
}

// TestPauseThatCannotBeSaved is kept by the worker that was told of it, and saved as soon
// as the store takes it.
func TestPauseThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(){
		"refused": func() {}, "silent": func() { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				p := policy()
				p.MaxItems = 1
				w.account("acme", p)
				w.answers(answer{}, answer{err: &platform.Error{Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: 5 * time.Minute}})
				l := w.start()
				w.upsert("a", `{"a":1}`)
				w.finish(time.Minute)
				var down atomic.Bool
				down.Store(true)
				w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
					if !down.Load() || call != ledgermodel.CallSaveScopes || stage != ledgermodel.Before {
						return nil
					}
					broken()
					return errors.New("away")
				})
				for i := range 20 {
					w.upsert(fmt.Sprint("x", i), `{"a":1}`)
				}
				w.until(time.Second, "the pause is told", func() bool { return w.posts() >= 2 })
				under := w.posts() + p.Concurrency // those under way
				pass(time.Minute)
				require.LessOrEqual(t, w.posts(), under)
				sent := w.posts()
				down.Store(false)
				pass(time.Minute)
				require.Equal(t, sent, w.posts())
				w.store.SetHook(nil)
				l.kill()
				l = w.start()
				pass(2 * time.Minute)
				if name == "refused" {
					require.Equal(t, sent, w.posts(), "the next owner knows")
				}
				w.finish(2 * time.Hour)
				l.stop()
			})
		})
	}
}

// TestLengthOfAPauseOutlivesTheOwner: owners that come and go do not try a refused
// account, or a quota of which nobody says when it is free, every few seconds.
func TestLengthOfAPauseOutlivesTheOwner(t *testing.T) {
	t.Parallel()
	for kind, perr := range map[string]*platform.Error{
		"account": {Scope: platform.ScopeAccount, HTTPStatus: 401},
		"quota":   {Scope: platform.ScopeQuota, HTTPStatus: 429},
	} {
		t.Run(kind, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.onPost = func(*post) answer { return answer{err: perr} }
				w.upsert("x", `{"a":1}`)
				for range 60 {
					l := w.start()
					pass(time.Minute)
					l.kill()
				}
				require.Less(t, w.posts(), 18, "an hour has seven doublings and a call in five or fifteen minutes")
				w.heals()
				l := w.start()
				w.finish(time.Hour)
				if kind == "account" {
					states, err := w.store.Accounts(t.Context(), []string{"acme"})
					require.NoError(t, err)
					require.Equal(t, ledger.AccountState{Account: "acme", State: "active"}, states["acme"])
				}
				l.stop()
			})
		})
	}
}

// TestPauseToldWhileAFurtherPOSTIsRecorded: that it was going to be made is written down
// first, which may take a while.
func TestPauseToldWhileAFurtherPOSTIsRecorded(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{err: &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 502}})
		scopes := quota.NewScopes(w.store, w.logger)
		l := w.startWith(scopes)
		w.upsert("x", `{"a":1}`)
		w.until(time.Second, "the first POST fails", func() bool { return w.posts() == 1 })
		slot, _ := scopes.Acquire("shop", []string{"submit"}, 100, make(chan struct{}, 1))
		require.NotNil(t, slot)
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallCommit && stage == ledgermodel.Before {
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		pass(3 * time.Second) // the second is about to be recorded
		slot.Release(&platform.Error{Scope: platform.ScopeQuota, RetryAfter: 5 * time.Minute}, nil)
		pass(4 * time.Minute)
		require.Equal(t, 1, w.posts())
		w.store.SetHook(nil)
		w.finish(time.Hour)
		require.Equal(t, 2, w.posts())
		l.stop()
	})
}

// TestNextAttemptIsKnown: a batch that was told to wait is sent no sooner by the next
// owner, also where an earlier POST of it had no known end.
func TestNextAttemptIsKnown(t *testing.T) {
	scenario(t, func(w *world) {
		w.answers(answer{err: &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 500, Ambiguous: true}},
			answer{err: &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 503, Ambiguous: true, RetryAfter: 10 * time.Minute}})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.until(time.Minute, "told to wait", func() bool { return w.posts() == 2 })
		over := time.Now().Add(10*time.Minute - seen)
		pass(0)
		attempts := w.store.Batches()[0].Attempts
		require.WithinDuration(t, over, attempts[1].NextAt, time.Second)
		l.kill()
		l = w.start()
		pass(time.Until(over))
		require.Equal(t, 2, w.posts())
		w.finish(time.Hour)
		l.stop()
	})
}

// TestToldPauseOutlivesCallsUnderWay: neither the success of a call that was under way
// when the pause was told ends it, nor a shorter pause that is heard of in between.
func TestToldPauseOutlivesCallsUnderWay(t *testing.T) {
	t.Parallel()
	asked := &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 429, RetryAfter: 5 * time.Minute}
	shorter := &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401}
	for name, answers := range map[string][]answer{
		"taken":         {{}, {}, {err: asked}, {latency: 2 * time.Second}},
		"refused":       {{}, {}, {err: asked}, {latency: 2 * time.Second, err: shorter}},
		"refused first": {{}, {}, {err: shorter}, {latency: 2 * time.Second, err: asked}},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				p := policy()
				p.MaxItems = 1
				w.account("acme", p)
				w.answers(answers...)
				l := w.start()
				w.upsert("a", `{"a":1}`)
				w.upsert("b", `{"a":1}`)
				w.finish(time.Minute)
				for i := range 10 {
					w.upsert(fmt.Sprint("x", i), `{"a":1}`)
				}
				pass(3 * time.Second)
				sent := w.posts()
				require.GreaterOrEqual(t, sent, 4)
				pass(5*time.Minute - 4*time.Second)
				require.Equal(t, sent, w.posts(), "what was under way is no more")
				states, err := w.store.Accounts(t.Context(), []string{"acme"})
				require.NoError(t, err)
				require.Equal(t, "paused", states["acme"].State)
				require.Positive(t, time.Until(states["acme"].ResumesAt))
				w.finish(time.Hour)
				l.stop()
			})
		})
	}
}
