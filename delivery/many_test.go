package delivery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// TestManyAccounts: ten thousand accounts that have sent something cost little
// while they are idle.
func TestManyAccounts(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	scenario(t, func(w *world) {
		const accounts = 10_000
		for i := range accounts {
			w.account(fmt.Sprint("a", i), policy())
		}
		p := policy()
		p.Concurrency = 64
		l := w.start()
		for i := range accounts {
			account := fmt.Sprint("a", i)
			w.accounts[account].Policy.Concurrency = 64
			w.change("x", catalog.Upsert, `{"a":1}`, of(account))
		}
		w.until(2*time.Hour, "all are sent", func() bool { return w.posts() == accounts })
		w.until(time.Hour, "all are final", func() bool {
			return w.store.Anchor(0).Position.Sequence == accounts && w.done()
		})
		var calls atomic.Int64
		w.store.SetHook(func(_ context.Context, _ ledgermodel.Call, stage ledgermodel.Stage) error {
			if stage == ledgermodel.Before {
				calls.Add(1)
			}
			return nil
		})
		began := time.Now()
		pass(10 * time.Minute)
		require.Less(t, calls.Load(), int64(700), "a look at the accounts in five seconds, at the scopes in three")
		require.Equal(t, 10*time.Minute, time.Since(began))
		w.check()
		l.stop()
	})
}

// TestVersionResetAgainstAStaleReading: a version that was read from the store
// before a DELETE ended the counter does not come back.
func TestVersionResetAgainstAStaleReading(t *testing.T) {
	scenario(t, func(w *world) {
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":7}`, version(7))
		w.finish(time.Minute)
		w.change("x", catalog.Delete, "", version(8))
		w.until(time.Minute, "the DELETE is sent", func() bool { return w.posts() == 2 })
		// The reading of the new chunk's versions is slow: the counter ends meanwhile.
		w.store.SetHook(func(_ context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallNewestVersions && stage == ledgermodel.After {
				time.Sleep(20 * time.Second)
			}
			return nil
		})
		w.change("x", catalog.Upsert, `{"a":1}`, version(1))
		w.finish(5 * time.Minute)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m3"])
		require.Equal(t, map[string]string{"a": "1"}, w.platform.itemX())
		l.stop()
	})
}
