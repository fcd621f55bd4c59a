package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
)

// localized makes a mutation say its item in another language: an item of the
// catalog l whose base item is in c.
func localized(m *catalog.Mutation) {
	m.Lane.Catalog = "l"
	m.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
}

// watchFamilies finds records that are sent before an older change of the other side,
// item or localization, is final and applied.
func (w *world) watchFamilies(p *post) {
	w.stream.mu.Lock()
	none := !w.stream.families
	w.stream.mu.Unlock()
	if none {
		return
	}
	for i := range p.records {
		record := &p.records[i]
		newest := record.Newest().Position
		for under := range w.platform.open {
			for j := range under.records {
				other := &under.records[j]
				if acrossFamily(record.Key, other.Key) && other.Constituents[0].Position.Compare(newest) < 0 {
					w.platform.faultf("POST %d changes %v while POST %d has an older change of %v", p.number, record.Key, under.number, other.Key)
				}
			}
		}
		if older := w.openBefore(record.Key, newest); older != "" {
			w.platform.faultf("POST %d changes %v before the older change %s of the other side is final", p.number, record.Key, older)
		}
	}
}

// acrossFamily reports whether one is an item and the other a localization of it.
func acrossFamily(a, b catalog.ItemKey) bool {
	return a.ItemID == b.ItemID && a.Lane.Account == b.Lane.Account && a.Lane.Type == b.Lane.Type &&
		a.Localization.IsZero() != b.Localization.IsZero()
}

// openBefore finds a mutation of the other side before the position that is not
// final.
func (w *world) openBefore(key catalog.ItemKey, before catalog.Position) string {
	known := map[uint64]ledgermodel.Mutation{}
	for _, row := range w.store.Mutations() {
		known[row.Position.Sequence] = row
	}
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	for _, arrival := range w.stream.arrivals {
		m := arrival.Mutation
		if !acrossFamily(key, m.Key()) || m.Position.Compare(before) >= 0 {
			continue
		}
		row, ok := known[m.Position.Sequence]
		if !ok || !final(row.Status) || row.Status == ledgermodel.Superseded && !row.Overtaken && !final(w.carrier(known, row)) {
			return m.ID
		}
	}
	return ""
}

// carrier is the status of the mutation that superseded the row's.
func (w *world) carrier(known map[uint64]ledgermodel.Mutation, row ledgermodel.Mutation) ledgermodel.Status {
	for _, other := range known {
		if other.ID == row.SupersededBy {
			return other.Status
		}
	}
	return ""
}

// firstOfBase gives the answer to the first POST of base items.
func (w *world) firstOfBase(first answer) {
	given := false
	w.platform.onPost = func(p *post) answer {
		if p.lane.Catalog != "c" || given {
			return answer{}
		}
		given = true
		return first
	}
}

func TestLocalizedWaitsForItsBaseItem(t *testing.T) {
	t.Parallel()
	fill := func(w *world) {
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
		w.change("y", catalog.Upsert, `{"title":"free"}`, localized)
	}
	// free reports that the localized item without a base item was not kept.
	free := func(w *world) bool { return w.status()["m3"] == ledgermodel.Succeeded }
	t.Run("in flight", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.delay = time.Minute
			l := w.start()
			fill(w)
			pass(30 * time.Second)
			require.ElementsMatch(t, []string{`x UPSERT {"a":1}`, `y UPSERT {"title":"free"}`}, w.platform.sent())
			require.Equal(t, ledgermodel.Waiting, w.status()["m2"], "and people see it")
			w.finish(10 * time.Minute)
			require.Equal(t, `x UPSERT {"title":"dom"}`, w.platform.sent()[2])
			l.stop()
		})
	})
	t.Run("ambiguous, until settle has passed", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.firstOfBase(answer{err: ambiguous, take: true, late: 4 * time.Minute})
			l := w.start()
			fill(w)
			pass(4 * time.Minute)
			require.True(t, free(w))
			require.NotContains(t, w.platform.sent(), `x UPSERT {"title":"dom"}`)
			w.finish(20 * time.Minute)
			l.stop()
		})
	})
	t.Run("refused and sent again as its parts", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.delay = 10 * time.Second
			l := w.start()
			w.upsert("x", `{"a":1}`)
			w.change("x", catalog.Update, `{"bad":1}`)
			w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
			w.finish(10 * time.Minute)
			require.Equal(t, []string{
				`x UPSERT {"a":1,"bad":1}`, `x UPSERT {"a":1}`, `x UPDATE {"bad":1}`, `x UPSERT {"title":"dom"}`,
			}, w.platform.sent())
			l.stop()
		})
	})
	t.Run("waiting for another attempt", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.firstOfBase(answer{silent: func(int) bool { return true }})
			p := w.accounts["acme"].Policy
			p.RetryMin = 5 * time.Minute
			w.account("acme", p)
			l := w.start()
			fill(w)
			pass(3 * time.Minute)
			require.True(t, free(w))
			w.finish(20 * time.Minute)
			require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"title":"dom"}`}, w.platform.sent()[2:])
			l.stop()
		})
	})
	t.Run("across a take-over", func(t *testing.T) {
		scenario(t, func(w *world) {
			w.platform.delay = 5 * time.Minute
			l := w.start()
			fill(w)
			pass(time.Minute)
			l.crash()
			l = w.start()
			pass(2 * time.Minute)
			require.Len(t, w.platform.sent(), 2)
			w.finish(20 * time.Minute)
			require.Equal(t, `x UPSERT {"title":"dom"}`, w.platform.sent()[2])
			l.stop()
		})
	})
}

// TestItemWaitsForItsLocalization: an item is deleted and recreated only when what
// was said of its localization before has gone, also across a take-over.
func TestItemWaitsForItsLocalization(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprint("crash ", crash), func(t *testing.T) {
			scenario(t, func(w *world) {
				w.platform.delay = time.Minute
				l := w.start()
				w.upsert("x", `{"a":1}`)
				w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
				pass(90 * time.Second)
				w.change("x", catalog.Delete, "")
				w.change("x", catalog.Create, `{"a":2}`)
				w.change("x", catalog.Upsert, `{"title":"willa"}`, localized)
				pass(20 * time.Second)
				if crash {
					l.crash()
					l = w.start()
				}
				w.finish(2 * time.Hour)
				require.Equal(t, []string{
					`x UPSERT {"a":1}`, `x UPSERT {"title":"dom"}`, `x DELETE`, `x CREATE {"a":2}`, `x UPSERT {"title":"willa"}`,
				}, w.platform.sent())
				l.stop()
			})
		})
	}
}

// TestItemIsRecordedBeforeItsLocalization: a crash left the item's change in the
// store and the older one of its localization only in the stream.
func TestItemIsRecordedBeforeItsLocalization(t *testing.T) {
	scenario(t, func(w *world) {
		lease := w.store.Acquire(0)
		w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
		w.upsert("x", `{"a":1}`)
		recorded := w.expected[1]
		recorded.Position = catalog.Position{Generation: 1, Sequence: 2}
		recorded.ReceivedAt, recorded.HasWaitingRow = time.Now(), true
		require.NoError(t, w.store.Commit(t.Context(), lease, &ledger.Transaction{
			Waiting: []*catalog.Mutation{&recorded}, Recorded: []ledger.Range{{First: 2, Last: 2}},
		}))
		w.stream.slow = time.Minute
		l := w.start()
		w.finish(10 * time.Minute)
		require.Equal(t, []string{`x UPSERT {"title":"dom"}`, `x UPSERT {"a":1}`}, w.platform.sent())
		l.stop()
	})
}

// TestLocalizedWaitsForABaseItemInTheStore: base items that memory had no room for.
func TestLocalizedWaitsForABaseItemInTheStore(t *testing.T) {
	scenario(t, func(w *world) {
		w.budget = delivery.NewBudget(100_000)
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		l := w.start()
		for i := range 600 {
			item := fmt.Sprint("x", i%150)
			if i < 300 {
				w.upsert(item, fmt.Sprintf(`{"a":%d}`, i))
			} else {
				w.change(item, catalog.Upsert, fmt.Sprintf(`{"title":%d}`, i), localized)
			}
		}
		pass(time.Minute)
		require.Equal(t, 600, w.store.WaitingRows())
		l.crash()
		w.store.ResumeAccount("acme")
		l = w.start()
		w.finish(6 * time.Hour)
		w.requireState()
		l.stop()
	})
}

// TestLocalizedIsRecordedBeforeItsBaseItem: a crash left the localized change in the
// store and the older one of its base item only in the stream.
func TestLocalizedIsRecordedBeforeItsBaseItem(t *testing.T) {
	scenario(t, func(w *world) {
		lease := w.store.Acquire(0)
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
		recorded := w.expected[1]
		recorded.Position = catalog.Position{Generation: 1, Sequence: 2}
		recorded.ReceivedAt, recorded.HasWaitingRow = time.Now(), true
		require.NoError(t, w.store.Commit(t.Context(), lease, &ledger.Transaction{
			Waiting: []*catalog.Mutation{&recorded}, Recorded: []ledger.Range{{First: 2, Last: 2}},
		}))
		w.stream.slow = time.Minute
		l := w.start()
		w.finish(10 * time.Minute)
		require.Equal(t, []string{`x UPSERT {"a":1}`, `x UPSERT {"title":"dom"}`}, w.platform.sent())
		l.stop()
	})
}

// TestLocalizedWithoutAnythingToRead: what was recorded above the position does not
// hold localized changes back when the stream has nothing left.
func TestLocalizedWithoutAnythingToRead(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.delay = time.Hour
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.change("x", catalog.Upsert, `{"title":"dom"}`, localized)
		pass(time.Minute)
		l.crash()
		l = w.start()
		w.finish(3 * time.Hour)
		l.stop()
	})
}

// TestLocalizedItemsOfMeta: Meta refuses a localization of an item that it does not
// have, so that none may come before its item, also across a take-over.
func TestLocalizedItemsOfMeta(t *testing.T) {
	scenario(t, func(w *world) {
		simulated := metasim.New(sandbox.Options{Delay: 20 * time.Second, Jitter: 20 * time.Second})
		defer simulated.Close()
		connection := settings("acme", "", simulated, setting.Values{"catalog_id": "1"})
		connection.Catalogs["l"] = setting.Values{"catalog_id": "1", "endpoint": "localized_items_batch"}
		client, err := meta.New(connection)
		require.NoError(t, err)
		p := policy()
		p.MaxItems = 7
		w.account("acme", p).Client = client
		product := func(m *catalog.Mutation) { m.Lane.Type = "PRODUCT_ITEM" }
		l := w.start()
		for i := range 60 {
			item := fmt.Sprint("x", i)
			w.change(item, catalog.Create, metaItem, product)
			w.change(item, catalog.Upsert, `{"title":"Lampa"}`, product, localized)
			if i%20 == 10 {
				pass(5 * time.Second)
			}
		}
		pass(10 * time.Second)
		l.crash()
		l = w.start()
		w.finish(2 * time.Hour)
		for _, row := range w.store.Mutations() {
			require.Equal(t, ledgermodel.Succeeded, row.Status, "%s: %v", row.ID, row.Errors)
		}
		l.stop()
	})
}
