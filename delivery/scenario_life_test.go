package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

func TestSplitChangeGoesInTwoRecordsInOrder(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.upsert("x", `{"a":1,"b":2}`)
		w.until(time.Minute, "it is there", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
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
			return w.status()["m2"] == ledgermodel.Invalid && w.status()["m4"] == ledgermodel.Succeeded
		})
		require.Equal(t, ledgermodel.Waiting, w.status()["m1"])
		pass(9 * time.Minute)
		require.Equal(t, ledgermodel.Waiting, w.status()["m3"])
		w.finish(10 * time.Minute)
		require.Equal(t, catalog.UnknownAccount, w.row("m1").Reason)
		require.Equal(t, catalog.UnknownCatalog, w.row("m3").Reason)
		l.stop()
	})
}

// TestStraysAreBounded: producers cannot make the engine remember names without end.
func TestStraysAreBounded(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		for i := range 10_000 {
			w.change("x", catalog.Upsert, `{"a":1}`, of(fmt.Sprint("nobody", i)))
		}
		late := w.change("x", catalog.Upsert, `{"a":1}`, of("nobody at all"))
		early := w.change("y", catalog.Upsert, `{"a":1}`, of("nobody0"))
		w.until(time.Minute, "all are recorded", func() bool { return len(w.store.Mutations()) == 10_002 })
		require.Equal(t, ledgermodel.Invalid, w.status()[late])
		require.Equal(t, catalog.UnknownAccount, w.row(late).Reason)
		require.Equal(t, ledgermodel.Waiting, w.status()[early])
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
		require.Equal(t, map[string]ledgermodel.Status{"m1": ledgermodel.Succeeded, "m2": ledgermodel.Invalid}, w.status())
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
		require.Equal(t, map[string]ledgermodel.Status{
			"m1": ledgermodel.Succeeded, "m2": ledgermodel.Invalid, "m3": ledgermodel.Succeeded, "m4": ledgermodel.Failed, "m5": ledgermodel.Succeeded,
		}, w.status())
		require.Equal(t, catalog.InternalError, w.row("m2").Reason)
		require.Equal(t, catalog.InternalError, w.row("m4").Reason)
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
		require.Equal(t, map[string]ledgermodel.Status{
			"m1": ledgermodel.Succeeded, "m2": ledgermodel.Superseded, "m3": ledgermodel.Superseded, "m4": ledgermodel.Succeeded, "m5": ledgermodel.Succeeded,
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
		troubled := newSimulated(replacing)
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
			w.until(time.Minute, "it is final", func() bool { return w.status()[id] == ledgermodel.Succeeded })
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
		w.until(time.Minute, "the first is final", func() bool { return w.status()["m1"] == ledgermodel.Succeeded })
		require.LessOrEqual(t, w.posts(), 10)
		w.finish(time.Hour)
		l.stop()
	})
}
