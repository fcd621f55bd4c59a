package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestWhatLeavesIsRecordedBeforeWhatFollows: a spilled lane is written in pieces. A
// worker that dies between them must not leave a row of an item whose older change has
// none: its successor would read that one again and have it come second.
func TestWhatLeavesIsRecordedBeforeWhatFollows(t *testing.T) {
	scenario(t, func(w *world) {
		const items = 40
		w.budget = delivery.NewBudget(200_000) // of which about thirty changes may wait
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallCommit && stage == ledgermodel.Before {
				time.Sleep(time.Second) // the bubble's clock
			}
			return nil
		})
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		l := w.start()
		var older, newer [items]string
		for i := range items {
			older[i] = w.upsert(fmt.Sprint("x", i), fmt.Sprintf(`{"a":%d}`, i))
		}
		pass(time.Second)
		for i := items - 1; i >= 0; i-- {
			newer[i] = w.upsert(fmt.Sprint("x", i), fmt.Sprintf(`{"a":%d}`, items+i))
		}
		for range 60 {
			pass(time.Second)
			rows := w.status()
			for i := range items {
				if rows[newer[i]] != "" {
					require.NotEmpty(t, rows[older[i]], "a row of item %d, and none of its older change", i)
				}
			}
		}
		l.crash()
		w.store.SetHook(nil)
		w.store.ResumeAccount("acme")
		l = w.start()
		w.finish(time.Hour)
		w.requireState()
		l.stop()
	})
}

// lastGauges keeps an engine's newest gauges.
type lastGauges struct {
	delivery.NopObserver
	mu   sync.Mutex
	last delivery.Gauges
}

func (l *lastGauges) Gauges(_ int, g delivery.Gauges) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = g
}

func (l *lastGauges) now() delivery.Gauges {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// TestHeadersTakeMemory: what waits respects its bound with messages that are nearly all headers.
func TestHeadersTakeMemory(t *testing.T) {
	scenario(t, func(w *world) {
		const headers, budget = 500_000, 64 << 20
		w.budget = delivery.NewBudget(budget)
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		seen := &lastGauges{}
		l := w.startWith(quota.NewScopes(w.store, w.logger), func(c *delivery.Config) { c.Observer = seen })
		long := strings.Repeat("x", headers)
		for i := range 200 {
			w.change(fmt.Sprint("x", i), catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) {
				m.Message.Headers = append(m.Message.Headers, catalog.Header{Name: "note", Value: long})
			})
			pass(100 * time.Millisecond)
			require.LessOrEqual(t, seen.now().Waiting*headers, budget/8+budget/16, "in memory, after %d", i)
		}
		pass(time.Minute)
		require.LessOrEqual(t, seen.now().Waiting*headers, budget/8)
		require.Equal(t, 1, seen.now().Spilled)
		w.store.ResumeAccount("acme")
		w.finish(time.Hour)
		w.requireState()
		l.stop()
	})
}
