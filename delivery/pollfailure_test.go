package delivery_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// ofOneHandle is what a poll is answered of a handle that the platform will not speak of.
func ofOneHandle(scope platform.FailureScope) *platform.Error {
	return &platform.Error{Scope: scope, HTTPStatus: 400, Code: 100, Subcode: 33, Message: "the object does not exist"}
}

// TestPollThatIsRefusedIsAboutItsHandle: the account goes on, and the handle has its
// end after poll.give_up.
func TestPollThatIsRefusedIsAboutItsHandle(t *testing.T) {
	t.Parallel()
	for _, scope := range []platform.FailureScope{platform.ScopeBatch, platform.ScopeItem} {
		t.Run(scope.String(), func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.onPoll = func(p *taken) *platform.Error {
					if p.post.number == 1 {
						return ofOneHandle(scope)
					}
					return nil
				}
				l := w.start()
				bad := w.upsert("lamp", `{"price":"24"}`)
				pass(time.Minute)
				for i := range 50 {
					id := w.upsert(fmt.Sprint("chair-", i), `{"price":"24"}`)
					w.until(10*time.Second, "others are not held up", func() bool { return w.status()[id] == ledgermodel.Succeeded })
					pass(time.Minute)
				}
				require.Equal(t, 51, w.posts())
				require.Equal(t, ledgermodel.Submitted, w.status()[bad])
				require.Contains(t, w.attempts(), "HTTP 400, code 100, subcode 33", "the reason is stated")
				w.finish(time.Hour)
				require.Equal(t, ledgermodel.Succeeded, w.status()[bad], "it was sent once more")
				require.Equal(t, 52, w.posts())
				require.Empty(t, w.saved.changes())
				w.requireState()
				l.stop()
			})
		})
	}
	t.Run("each time", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPoll = func(*taken) *platform.Error { return ofOneHandle(platform.ScopeBatch) }
			l := w.start()
			id := w.upsert("lamp", `{"price":"24"}`)
			w.finish(6 * time.Hour)
			require.Equal(t, ledgermodel.Unconfirmed, w.status()[id])
			require.Equal(t, 3, w.posts(), "max_attempts")
			require.Empty(t, w.saved.changes())
			l.stop()
		})
	})
	t.Run("a little while", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPoll = func(p *taken) *platform.Error {
				if time.Since(p.post.at) < 50*time.Minute {
					return ofOneHandle(platform.ScopeBatch)
				}
				return nil
			}
			l := w.start()
			id := w.upsert("lamp", `{"price":"24"}`)
			w.finish(2 * time.Hour)
			require.Equal(t, ledgermodel.Succeeded, w.status()[id])
			require.Equal(t, 1, w.posts())
			require.NotContains(t, w.attempts(), "polls fail", "what is over is not shown any longer")
			l.stop()
		})
	})
	t.Run("it ends no pause and no hold", func(t *testing.T) {
		scenario(t, func(w *world) {
			began := time.Now()
			w.platform.onPoll = func(*taken) *platform.Error { return ofOneHandle(platform.ScopeBatch) }
			w.platform.onPost = func(p *post) answer {
				if p.number > 1 && time.Since(began) < 40*time.Minute {
					return answer{err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}}
				}
				return answer{}
			}
			l := w.start()
			w.upsert("lamp", `{"price":"24"}`)
			pass(time.Second)
			w.upsert("chair", `{"price":"24"}`)
			pass(30 * time.Minute)
			require.Equal(t, []string{"acme paused"}, w.saved.changes())
			require.Equal(t, "paused", shownAs(t, w, "acme").State)
			w.until(time.Hour, "a POST ends it", func() bool { return len(w.saved.changes()) == 2 })
			l.crash()
		})
	})
}

// TestHandleWhosePollsFailForDays is followed while the platform may be away, and has
// an end where it takes POSTs all the while. Nothing is sent again for it.
func TestHandleWhosePollsFailForDays(t *testing.T) {
	t.Parallel()
	failing := map[string]*platform.Error{
		"5xx":                {Scope: platform.ScopePlatform, HTTPStatus: 502, Message: "bad gateway"},
		"no answer":          {Scope: platform.ScopePlatform, Message: "no answer"},
		"a permission":       {Scope: platform.ScopeAccount, HTTPStatus: 403, Code: 10, Message: "may not read"},
		"somebody's quota":   {Scope: platform.ScopeQuota, HTTPStatus: 429, BlockedScope: "reads", RetryAfter: time.Minute, Message: "slow down"},
		"no sense, at times": nil,
	}
	if testing.Short() {
		maps.DeleteFunc(failing, func(name string, _ *platform.Error) bool { return name != "5xx" && name != "no sense, at times" })
	}
	for name, err := range failing {
		t.Run(name+", POSTs are taken", func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.onPoll = func(p *taken) *platform.Error {
					switch {
					case p.post.number != 1:
						return nil
					case err == nil:
						return &platform.Error{Scope: platform.ScopePlatform, Unclear: time.Now().Hour()%2 == 0, HTTPStatus: 500, Message: "odd"}
					default:
						return err
					}
				}
				l := w.start()
				id := w.upsert("lamp", `{"price":"24"}`)
				newer := ""
				for hour := range 30 {
					if hour == 1 {
						newer = w.upsert("lamp", `{"price":"25"}`)
					}
					w.upsert(fmt.Sprint("chair-", hour), `{"price":"24"}`)
					pass(time.Hour)
				}
				w.finish(12 * time.Hour)
				if err != nil {
					require.Equal(t, ledgermodel.Unconfirmed, w.status()[id])
					require.Contains(t, w.row(id).Errors[0].Message, err.Message)
					require.Equal(t, 1, strings.Count(strings.Join(w.platform.sent(), "\n"), `"24"}`)-30, "it was not sent again")
				}
				require.Equal(t, ledgermodel.Succeeded, w.status()[newer])
				l.stop()
			})
		})
	}
	t.Run("an outage", func(t *testing.T) {
		scenario(t, func(w *world) {
			began, outage := time.Now(), 60*time.Hour
			if testing.Short() {
				outage = 26 * time.Hour
			}
			away := func() *platform.Error {
				if passed := time.Since(began); passed > time.Minute && passed < outage {
					return &platform.Error{Scope: platform.ScopePlatform, HTTPStatus: 502, Message: "bad gateway"}
				}
				return nil
			}
			w.platform.delay = 2 * time.Minute
			w.platform.onPoll = func(*taken) *platform.Error { return away() }
			w.platform.onPost = func(*post) answer { return answer{err: away()} }
			l := w.start()
			id := w.upsert("lamp", `{"price":"24"}`)
			pass(2 * time.Minute)
			other := w.upsert("chair", `{"price":"24"}`)
			pass(time.Hour)
			require.Contains(t, w.attempts(), "polls fail: : HTTP 502: bad gateway", "the reason is stated")
			l.crash()
			l = w.start()
			w.finish(72 * time.Hour)
			require.Equal(t, ledgermodel.Succeeded, w.status()[id])
			require.Equal(t, ledgermodel.Succeeded, w.status()[other])
			require.Equal(t, 1, strings.Count(strings.Join(w.platform.sent(), "\n"), "lamp"))
			require.NotContains(t, w.attempts(), "polls fail")
			l.stop()
		})
	})
	t.Run("nobody sends anything else", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPoll = func(*taken) *platform.Error { return failing["5xx"] }
			l := w.start()
			id := w.upsert("lamp", `{"price":"24"}`)
			pass(71 * time.Hour)
			require.Equal(t, ledgermodel.Submitted, w.status()[id])
			w.finish(2 * time.Hour)
			require.Equal(t, ledgermodel.Unconfirmed, w.status()[id])
			require.Equal(t, 1, w.posts())
			l.stop()
		})
	})
}

// TestPollThatIsRefusedForTheAccountPausesItAndNoMore: the account resumes by itself,
// and one handle whose polls are refused like that takes little of its time.
func TestPollThatIsRefusedForTheAccountPausesItAndNoMore(t *testing.T) {
	t.Parallel()
	t.Run("all polls", func(t *testing.T) {
		scenario(t, func(w *world) {
			began := time.Now()
			w.platform.onPoll = func(*taken) *platform.Error {
				if time.Since(began) < 5*time.Hour {
					return &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 403, Code: 10, Message: "may not read"}
				}
				return nil
			}
			l := w.start()
			w.upsert("lamp", `{"price":"24"}`)
			pass(2 * time.Hour)
			require.Equal(t, []string{"acme paused"}, w.saved.changes())
			require.Contains(t, shownAs(t, w, "acme").Reason, "may not read")
			w.finish(4 * time.Hour)
			require.Equal(t, 1, w.posts(), "nothing is sent again")
			require.Equal(t, []string{"acme paused", "acme active"}, w.saved.changes())
			l.stop()
		})
	})
	t.Run("those of one handle", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.onPoll = func(p *taken) *platform.Error {
				if p.post.number == 1 {
					return &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 403, Code: 200, Message: "of another business"}
				}
				return nil
			}
			l := w.start()
			w.upsert("lamp", `{"price":"24"}`)
			pass(time.Second)
			for i := range 200 {
				id := w.upsert(fmt.Sprint("chair-", i), `{"price":"24"}`)
				w.until(5*time.Minute, "others wait for one pause at most", func() bool { return w.status()[id] == ledgermodel.Succeeded })
				pass(3 * time.Minute)
			}
			require.Less(t, len(w.saved.changes()), 120, "fewer and fewer pauses")
			l.crash()
		})
	})
}

// TestOpenBatchOfARemovedAccountSaysSo, and goes on when the account is back.
func TestOpenBatchOfARemovedAccountSaysSo(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answer{"taken": {}, "without an answer": {latency: time.Hour}, "refused": {err: &platform.Error{Scope: platform.ScopeAccount, HTTPStatus: 401, Message: "bad token"}}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.delay = 10 * time.Minute
				w.answers(first)
				l := w.start()
				id := w.upsert("lamp", `{"price":"24"}`)
				w.until(time.Minute, "it is sent", func() bool { return w.posts() == 1 })
				pass(5 * time.Second)
				l.crash()
				removed := w.accounts["acme"]
				delete(w.accounts, "acme")
				for range 2 {
					l = w.start()
					pass(time.Hour)
					l.crash()
				}
				require.Contains(t, w.attempts(), "account acme, catalog c, type T is not in the configuration")
				w.accounts["acme"] = removed
				l = w.start()
				w.finish(2 * time.Hour)
				require.Equal(t, ledgermodel.Succeeded, w.status()[id])
				l.stop()
			})
		})
	}
}

// TestWhatIsAtNoPlatformIsWaiting: what was certainly refused, and what was never sent
// because its account or lane is held, waits and is not submitted.
func TestWhatIsAtNoPlatformIsWaiting(t *testing.T) {
	t.Parallel()
	waiting := func(w *world, want int) {
		w.t.Helper()
		counts := map[ledgermodel.Status]int{}
		for _, status := range w.status() {
			counts[status]++
		}
		require.Equal(w.t, map[ledgermodel.Status]int{ledgermodel.Waiting: want}, counts)
	}
	for name, refused := range map[string]*platform.Error{
		"the account": {Scope: platform.ScopeAccount, HTTPStatus: 400, Code: 100, Subcode: 33, Message: "no such object"},
		"the quota":   {Scope: platform.ScopeQuota, HTTPStatus: 429, RetryAfter: time.Hour, Message: "slow down"},
		"the lane":    unlisted(),
		"away":        {Scope: platform.ScopePlatform, Message: "connection refused"},
	} {
		for _, changes := range []int{1, 3, 40} {
			t.Run(fmt.Sprint(name, " ", changes), func(t *testing.T) {
				scenario(t, func(w *world) {
					p := w.accounts["acme"].Policy
					p.MaxItems = 20
					w.account("acme", p)
					began := time.Now()
					w.platform.onPost = func(*post) answer {
						if time.Since(began) < 50*time.Minute {
							return answer{err: refused, latency: 10 * time.Millisecond}
						}
						return answer{}
					}
					l := w.start()
					for i := range changes {
						w.upsert(fmt.Sprint("chair-", i), `{"price":"24"}`)
					}
					pass(10*time.Minute + 17*time.Second)
					waiting(w, changes)
					l.crash()
					l = w.start()
					pass(10*time.Minute + 17*time.Second)
					waiting(w, changes)
					w.finish(3 * time.Hour)
					w.requireAllSucceeded()
					l.stop()
				})
			})
		}
	}
	t.Run("cut just before the pause", func(t *testing.T) {
		scenario(t, func(w *world) {
			p := w.accounts["acme"].Policy
			p.MaxItems = 1
			w.account("acme", p)
			w.platform.onPost = func(p *post) answer {
				if p.number > 1 {
					return answer{}
				}
				_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
				require.NoError(t, err)
				return answer{latency: 30 * time.Second}
			}
			l := w.start()
			for i := range 3 {
				w.change(fmt.Sprint("chair-", i), catalog.Upsert, `{"price":"24"}`)
			}
			pass(10 * time.Minute)
			require.NotContains(t, w.status(), ledgermodel.Submitted)
			w.store.ResumeAccount("acme")
			w.finish(time.Hour)
			l.stop()
		})
	})
}

// TestAPollIntoAnOutcomeThatThereIsNot counts as one without an answer: the engine goes
// on, and the batch is sent again.
func TestAPollIntoAnOutcomeThatThereIsNot(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			return answer{judge: func(int, *catalog.Record) *platform.Verdict {
				if p.number > 1 {
					return nil
				}
				return &platform.Verdict{Outcome: platform.Skipped + 1}
			}}
		}
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(48 * time.Hour)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		require.Equal(t, 2, w.posts())
		l.stop()
	})
}
