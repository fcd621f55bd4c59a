package delivery_test

import (
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

// TestLaneThatIsRefusedAsAWhole waits, without spending the quota and without losing
// anything, and keeps no other lane of its account from sending.
func TestLaneThatIsRefusedAsAWhole(t *testing.T) {
	scenario(t, func(w *world) {
		var misfit atomic.Int32
		var healed atomic.Bool
		w.platform.onPost = func(p *post) answer {
			if p.lane.Type != "U" {
				return answer{}
			}
			if misfit.Add(1); healed.Load() {
				return answer{}
			}
			return answer{err: &platform.Error{Scope: platform.ScopeBatch, HTTPStatus: 400, Code: 100, Message: "item_type does not fit"}}
		}
		l := w.start()
		for i := range 3000 {
			w.change(fmt.Sprint("u", i), catalog.Upsert, `{"a":1}`, func(m *catalog.Mutation) { m.Lane.Type = "U" })
		}
		pass(10 * time.Second)
		for i := range 5 {
			id := w.upsert(fmt.Sprint("x", i), `{"a":1}`)
			w.until(time.Minute, "the other lane sends", func() bool { return w.status()[id] == ledgermodel.Succeeded })
			pass(time.Hour)
		}
		require.Equal(t, []string{"acme throttled"}, w.saved.changes(), "one alert")
		require.Less(t, int(misfit.Load()), 60, "one try a quarter of an hour at last")
		require.Empty(t, w.store.DeadLetters())
		shown := shownAs(t, w, "acme")
		require.Equal(t, "throttled", shown.State)
		require.Contains(t, shown.Reason, "every batch of c U is refused")
		require.True(t, shown.ResumesAt.After(time.Now()), "the next try")
		healed.Store(true)
		w.finish(time.Hour)
		require.Equal(t, "active", shownAs(t, w, "acme").State)
		require.Equal(t, []string{"acme throttled", "acme active"}, w.saved.changes())
		for id, status := range w.status() {
			require.Equal(t, ledgermodel.Succeeded, status, id)
		}
		l.stop()
	})
}

// TestHoldOfTheLastOwner is not shown any longer than by the one that knows of it.
func TestHoldOfTheLastOwner(t *testing.T) {
	scenario(t, func(w *world) {
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{
			Account: "acme", State: "throttled", Reason: "every batch is refused", ResumesAt: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		require.Equal(t, "active", shownAs(t, w, "acme").State)
		l.stop()
	})
}

// TestManyBadRecordsOfALane are found in the end, though the lane is held meanwhile.
func TestManyBadRecordsOfALane(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.onPost = func(p *post) answer {
			if containsPoison([]byte(p.body)) {
				return answer{err: refusal(nil)}
			}
			return answer{}
		}
		l := w.start()
		for i := range 100 {
			attributes := `{"a":1}`
			if i%4 == 0 {
				attributes = `{"poison":1}`
			}
			w.upsert(fmt.Sprint("x", i), attributes)
		}
		w.upsert("last", `{"a":1}`)
		w.until(96*time.Hour, "all good ones succeed", func() bool {
			good := 0
			for _, row := range w.store.Mutations() {
				if row.Status == ledgermodel.Succeeded {
					good++
				}
			}
			return good == 76
		})
		l.crash()
	})
}

// shownAs is what account_status is made of.
func shownAs(t *testing.T, w *world, account string) ledger.AccountState {
	t.Helper()
	states, err := w.store.Accounts(t.Context(), []string{account})
	require.NoError(t, err)
	return states[account]
}
