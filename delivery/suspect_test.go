package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// unlisted is a refusal that may be the account's, the app's or the catalog's fault.
func unlisted() *platform.Error {
	return &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Code: 33, Message: "the shop is not installed, or a permission is missing"}
}

// ofRecords is a refusal that is known to speak of what the records say.
func ofRecords() *platform.Error {
	return &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Code: 100, OfRecords: true, Message: "price is not a price"}
}

// trouble refuses every POST while it is on, and what contains poison at any time.
type trouble struct {
	on      atomic.Bool
	refused atomic.Int32
	error   func() *platform.Error
}

func (w *world) trouble() *trouble {
	s := &trouble{error: unlisted}
	s.on.Store(true)
	w.platform.onPost = func(p *post) answer {
		if s.on.Load() || containsPoison([]byte(p.body)) {
			s.refused.Add(1)
			return answer{err: s.error()}
		}
		return answer{}
	}
	return s
}

// requireAllSucceeded checks that all published mutations did, for no attempt.
func (w *world) requireAllSucceeded() {
	w.t.Helper()
	rows := w.store.Mutations()
	require.Len(w.t, rows, len(w.expected))
	for _, row := range rows {
		require.Equal(w.t, ledgermodel.Succeeded, row.Status, row.ID)
		require.Zero(w.t, row.Attempts, row.ID)
	}
	require.Empty(w.t, w.store.DeadLetters())
}

// mostTries bounds the POSTs of two hours in which a platform refuses everything:
// maxRefusals, and after those tries after 15 s, doubling to 15 min. What was under way
// when the lane was stopped comes on top.
const mostTries = 16 + 13 + 4

// TestAccountThatIsRefusedLosesNoChange, however few they are: nobody knows that the
// refusal is about them, and all are delivered when it ends.
func TestAccountThatIsRefusedLosesNoChange(t *testing.T) {
	t.Parallel()
	sizes := []int{1, 2, 3, 8, 12, 40, 250}
	if testing.Short() {
		sizes = sizes[:6]
	}
	for _, changes := range sizes {
		for name, words := range map[string]func() *platform.Error{
			"a code that no table lists": unlisted,
			"nothing is taken, without a word": func() *platform.Error {
				return &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 200, Message: "no handle"}
			},
			"a page of a proxy": func() *platform.Error {
				return &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Message: "Bad Request"}
			},
		} {
			t.Run(fmt.Sprint(changes, " ", name), func(t *testing.T) {
				scenario(t, func(w *world) {
					trouble := w.trouble()
					trouble.error = words
					l := w.start()
					for i := range changes {
						w.upsert(fmt.Sprint("lamp-", i), `{"price":"24"}`)
					}
					pass(time.Minute)
					require.Equal(t, []string{"acme throttled"}, w.saved.changes(), "at once, and once")
					shown := shownAs(t, w, "acme")
					require.Equal(t, "throttled", shown.State)
					require.Contains(t, shown.Reason, "c T")
					require.Contains(t, shown.Reason, words().Error())
					require.Zero(t, shownAs(t, w, "another"))
					pass(time.Hour)
					hour := trouble.refused.Load()
					pass(time.Hour)
					require.LessOrEqual(t, int(trouble.refused.Load()), mostTries)
					require.LessOrEqual(t, int(trouble.refused.Load()-hour), 5, "every quarter of an hour")
					for id, status := range w.status() {
						require.Equal(t, ledgermodel.Waiting, status, id)
					}
					trouble.on.Store(false)
					w.finish(20 * time.Minute)
					w.requireAllSucceeded()
					require.Equal(t, []string{"acme throttled", "acme active"}, w.saved.changes())
					require.Equal(t, "active", shownAs(t, w, "acme").State)
					w.requireState()
					l.stop()
				})
			})
		}
	}
}

// TestTrickleIntoARefusedAccount: a change a minute makes no row of refusals at once.
func TestTrickleIntoARefusedAccount(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, 25 * time.Minute, 7 * time.Minute} {
		t.Run(fmt.Sprint("a new owner each ", every), func(t *testing.T) {
			scenario(t, func(w *world) {
				trouble := w.trouble()
				l := w.start()
				owners := 1
				for minute := range 120 {
					if minute < 40 {
						w.upsert(fmt.Sprint("lamp-", minute), `{"price":"24"}`)
					}
					pass(time.Minute)
					if every > 0 && minute%int(every.Minutes()) == 0 {
						l.crash()
						l = w.start()
						owners++
					}
				}
				require.LessOrEqual(t, int(trouble.refused.Load()), mostTries*owners, "each owner finds out for itself")
				trouble.on.Store(false)
				w.finish(20 * time.Minute)
				w.requireAllSucceeded()
				l.stop()
			})
		})
	}
}

// TestAccountThatIsRefusedNowAndThen loses nothing either.
func TestAccountThatIsRefusedNowAndThen(t *testing.T) {
	scenario(t, func(w *world) {
		trouble := w.trouble()
		l := w.start()
		for minute := range 180 {
			trouble.on.Store(minute/7%2 == 0)
			w.upsert(fmt.Sprint("lamp-", minute%50), fmt.Sprintf(`{"price":"%d"}`, minute))
			pass(time.Minute)
		}
		trouble.on.Store(false)
		w.finish(20 * time.Minute)
		require.Empty(t, w.store.DeadLetters())
		w.requireState()
		l.stop()
	})
}

// TestBadRecordBesideGoodOnes fails, although nobody says that the code is about
// records: the platform takes others of the lane, before or after.
func TestBadRecordBesideGoodOnes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, 3, 8, 12, 40} {
		for _, at := range []int{0, size / 2, size - 1} {
			t.Run(fmt.Sprint(at, " of ", size), func(t *testing.T) {
				scenario(t, func(w *world) {
					w.trouble().on.Store(false)
					l := w.start()
					for i := range size {
						price := `{"price":"24"}`
						if i == at {
							price = `{"poison":1}`
						}
						w.upsert(fmt.Sprint("lamp-", i), price)
					}
					w.finish(time.Minute)
					for i, row := range w.store.Mutations() {
						want := ledgermodel.Succeeded
						if i == at {
							want = ledgermodel.Failed
						}
						require.Equal(t, want, row.Status, row.ID)
					}
					require.Equal(t, catalog.Refused, w.store.DeadLetters()[0].Reason)
					require.Empty(t, w.saved.changes(), "the others cleared it in a moment")
					l.stop()
				})
			})
		}
	}
	t.Run("alone, and others later", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.trouble().on.Store(false)
			l := w.start()
			bad := w.upsert("lamp", `{"poison":1}`)
			pass(3 * time.Hour)
			require.Equal(t, ledgermodel.Waiting, w.status()[bad])
			require.LessOrEqual(t, w.posts(), 7+12, "15 s, doubling to 15 min")
			good := w.upsert("chair", `{"price":"1"}`)
			w.until(10*time.Second, "it is not held up", func() bool { return w.status()[good] == ledgermodel.Succeeded })
			w.finish(10 * time.Second)
			require.Equal(t, ledgermodel.Failed, w.status()[bad])
			require.Equal(t, unlisted().Message, w.row(bad).Errors[0].Message)
			require.Equal(t, []string{"acme throttled", "acme active"}, w.saved.changes())
			l.stop()
		})
	})
	t.Run("others before say nothing", func(t *testing.T) {
		scenario(t, func(w *world) {
			trouble := w.trouble()
			trouble.on.Store(false)
			l := w.start()
			for i := range 5 {
				w.upsert(fmt.Sprint("lamp-", i), `{"price":"24"}`)
				pass(time.Minute)
			}
			trouble.on.Store(true)
			id := w.upsert("chair", `{"price":"1"}`)
			pass(time.Hour)
			require.Equal(t, ledgermodel.Waiting, w.status()[id])
			l.crash()
			trouble.on.Store(false)
			l = w.start()
			w.finish(20 * time.Minute)
			require.Equal(t, ledgermodel.Succeeded, w.status()[id])
			l.stop()
		})
	})
	t.Run("a POST under way when the refusals begin says nothing", func(t *testing.T) {
		scenario(t, func(w *world) {
			p := w.accounts["acme"].Policy
			p.MaxItems = 1
			w.account("acme", p)
			w.answers(answer{latency: time.Minute}, answer{err: unlisted()}, answer{err: unlisted()}, answer{err: unlisted()})
			l := w.start()
			w.upsert("slow", `{"price":"24"}`)
			pass(time.Second)
			w.upsert("lamp", `{"price":"24"}`)
			w.finish(time.Hour)
			w.requireAllSucceeded()
			l.stop()
		})
	})
}

// TestLaneOfBadRecordsWaits with a stated reason, and a correction goes at once.
func TestLaneOfBadRecordsWaits(t *testing.T) {
	scenario(t, func(w *world) {
		trouble := w.trouble()
		trouble.on.Store(false)
		l := w.start()
		for i := range 6 {
			w.upsert(fmt.Sprint("lamp-", i), `{"poison":1}`)
		}
		hours := 48
		if testing.Short() {
			hours = 12
		}
		pass(time.Duration(hours) * time.Hour)
		require.Empty(t, w.store.DeadLetters())
		require.LessOrEqual(t, int(trouble.refused.Load()), 11+7+4*hours)
		require.Contains(t, shownAs(t, w, "acme").Reason, unlisted().Error())
		before := w.posts()
		fixed := w.upsert("lamp-3", `{"price":"24"}`)
		w.until(10*time.Second, "the correction is taken", func() bool { return w.status()[fixed] == ledgermodel.Succeeded })
		w.finish(10 * time.Second)
		require.LessOrEqual(t, w.posts()-before, 1+9, "then the others are known to be bad")
		for i, row := range w.store.Mutations() {
			want := map[int]ledgermodel.Status{3: ledgermodel.Superseded, 6: ledgermodel.Succeeded}[i]
			if want == "" {
				want = ledgermodel.Failed
			}
			require.Equal(t, want, row.Status, row.ID)
		}
		require.Equal(t, map[string]string{"price": `"24"`}, w.platform.items[catalog.ItemKey{Lane: laneOf("acme"), ItemID: "lamp-3"}])
		l.stop()
	})
}

// TestGoodRecordsBehindManyBadOnesGetTheirTurn: what is tried rotates. The bad ones end once
// the lane takes others shortly before they are refused alone, which a lane that lives does;
// where the good ones had their turn long before, nothing speaks against the bad ones yet.
func TestGoodRecordsBehindManyBadOnesGetTheirTurn(t *testing.T) {
	scenario(t, func(w *world) {
		p := w.accounts["acme"].Policy
		p.MaxItems = 5
		w.account("acme", p)
		w.trouble().on.Store(false)
		l := w.start()
		bad := 60
		if testing.Short() {
			bad = 20 // four batches of them
		}
		for i := range bad {
			w.upsert(fmt.Sprint("bad-", i), `{"poison":1}`)
		}
		good := make([]string, 0, 5)
		for i := range 5 {
			good = append(good, w.upsert(fmt.Sprint("good-", i), `{"price":"24"}`))
		}
		w.until(48*time.Hour, "the good ones are taken", func() bool {
			status := w.status()
			return !slices.ContainsFunc(good, func(id string) bool { return status[id] != ledgermodel.Succeeded })
		})
		for hours := 0; hours < 48 && !w.done(); hours++ {
			w.upsert("good-0", fmt.Sprintf(`{"price":"%d"}`, 25+hours))
			pass(time.Hour)
		}
		w.finish(time.Hour)
		for _, row := range w.store.Mutations() {
			switch {
			case strings.HasPrefix(row.Key.ItemID, "bad-"):
				require.Equal(t, ledgermodel.Failed, row.Status, row.ID)
			case row.Key.ItemID == "good-0" && row.Status == ledgermodel.Superseded:
				// By the change of the next hour, where it was not tried within its own.
			default:
				require.Equal(t, ledgermodel.Succeeded, row.Status, row.ID)
			}
		}
		l.stop()
	})
}

// TestSuspectsOfASpilledLane wait in the database and are tried all the same.
func TestSuspectsOfASpilledLane(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(20_000)
		trouble := w.trouble()
		l := w.start()
		for i := range 30 {
			w.upsert(fmt.Sprint("lamp-", i), `{"text":"`+strings.Repeat("x", 400)+`"}`)
			pass(20 * time.Second)
		}
		pass(2 * time.Hour)
		require.Empty(t, w.store.DeadLetters())
		trouble.on.Store(false)
		w.finish(40 * time.Minute)
		w.requireAllSucceeded()
		l.stop()
	})
}

// TestMergedRecordThatIsSuspectedIsNotParted: nobody knows yet that it is bad.
func TestMergedRecordThatIsSuspectedIsNotParted(t *testing.T) {
	scenario(t, func(w *world) {
		trouble := w.trouble()
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Update, `{"b":2}`)
		pass(2 * time.Hour)
		trouble.on.Store(false)
		w.finish(20 * time.Minute)
		for _, line := range w.platform.sent() {
			require.Equal(t, `x UPSERT {"a":1,"b":2}`, line)
		}
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Superseded, "m2": ledgermodel.Succeeded}, w.status())
		l.stop()
	})
}

// TestRecordInDoubtOutlivesARefusedAccount: a creation that was sent without an answer
// does not use up its attempts on refusals that are perhaps not about it.
func TestRecordInDoubtOutlivesARefusedAccount(t *testing.T) {
	scenario(t, func(w *world) {
		trouble := w.trouble()
		inner := w.platform.onPost
		w.platform.onPost = func(p *post) answer {
			if p.number == 1 {
				return answer{err: ambiguous}
			}
			return inner(p)
		}
		l := w.start()
		w.change("x", catalog.Create, `{"a":1}`)
		pass(3 * time.Hour)
		require.Equal(t, ledgermodel.Waiting, w.status()["m1"])
		trouble.on.Store(false)
		w.finish(30 * time.Minute)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		l.stop()
	})
}

// TestRefusalsOfOneLaneSayNothingOfAnother of the account.
func TestRefusalsOfOneLaneSayNothingOfAnother(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			if p.lane.Type == "U" {
				return answer{err: unlisted()}
			}
			return answer{}
		}
		l := w.start()
		id := w.change("hotel", catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) { m.Lane.Type = "U" })
		for i := range 30 {
			other := w.upsert(fmt.Sprint("lamp-", i), `{"price":"24"}`)
			w.until(10*time.Second, "the other lane is not held up", func() bool { return w.status()[other] == ledgermodel.Succeeded })
			pass(time.Minute)
		}
		require.Equal(t, ledgermodel.Waiting, w.status()[id], "what others take says nothing of this one")
		require.Contains(t, shownAs(t, w, "acme").Reason, "c U")
		l.crash()
	})
}

// TestCodeThatIsKnownToBeOfRecordsFailsThem at once, but for a whole row of them.
func TestCodeThatIsKnownToBeOfRecordsFailsThem(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(*post) answer { return answer{err: ofRecords()} }
		l := w.start()
		for i := range 3 {
			w.upsert(fmt.Sprint("lamp-", i), `{"price":"24"}`)
		}
		w.finish(time.Minute)
		require.Len(t, w.store.DeadLetters(), 3)
		require.Equal(t, 5, w.posts())
		require.Empty(t, w.saved.changes())
		for i := range 60 {
			w.upsert(fmt.Sprint("chair-", i), `{"price":"24"}`)
		}
		pass(time.Hour)
		require.Equal(t, []string{"acme throttled"}, w.saved.changes())
		require.Less(t, len(w.store.DeadLetters()), 3+maxLostOfRecords)
		l.crash()
	})
}

// maxLostOfRecords bounds what fails before 16 refusals in a row stop the lane.
const maxLostOfRecords = 16

// TestPauseByHandAmongSuspects: a suspect is no reason to call for a paused account.
func TestPauseByHandAmongSuspects(t *testing.T) {
	scenario(t, func(w *world) {
		trouble := w.trouble()
		l := w.start()
		w.upsert("lamp", `{"price":"24"}`)
		pass(10 * time.Minute)
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		pass(10 * time.Second)
		before := w.posts()
		pass(2 * time.Hour)
		require.Equal(t, before, w.posts())
		trouble.on.Store(false)
		w.store.ResumeAccount("acme")
		w.finish(20 * time.Minute)
		w.requireAllSucceeded()
		l.stop()
	})
}

// TestRecordThatIsNotTakenWithoutAWord uses up attempts only where others are taken.
func TestRecordThatIsNotTakenWithoutAWord(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			if !containsPoison([]byte(p.body)) {
				return answer{}
			}
			err := &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 200, Message: "no handle"}
			if len(p.records) == 1 {
				err.Named = map[int]platform.Verdict{0: {Outcome: platform.Retryable, Errors: []ledger.Issue{{Message: "no handle"}}}}
			}
			return answer{err: err}
		}
		l := w.start()
		id := w.upsert("lamp", `{"poison":1}`)
		pass(5 * time.Hour)
		require.Equal(t, ledgermodel.Waiting, w.status()[id])
		require.Zero(t, w.row(id).Attempts)
		for i := range 40 {
			w.upsert(fmt.Sprint("chair-", i), `{"price":"24"}`)
			pass(time.Minute)
		}
		w.finish(time.Minute)
		require.Equal(t, ledgermodel.Failed, w.status()[id])
		require.Equal(t, catalog.AttemptsExhausted, w.row(id).Reason)
		l.stop()
	})
}
