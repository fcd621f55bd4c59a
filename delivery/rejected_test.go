package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// TestWhatTheStoreRefusesForGood stops the partition after a bounded number of
// tries, and the next owner goes on.
func TestWhatTheStoreRefusesForGood(t *testing.T) {
	t.Parallel()
	for _, call := range []ledgermodel.Call{ledgermodel.CallCommit, ledgermodel.CallAppendAttempts, ledgermodel.CallNewestVersions} {
		t.Run(string(call), func(t *testing.T) {
			scenario(t, func(w *world) {
				tries := 0
				w.store.SetHook(func(_ context.Context, made ledgermodel.Call, stage ledgermodel.Stage) error {
					if made != call || stage != ledgermodel.Before {
						return nil
					}
					tries++
					return fmt.Errorf("%w: a value out of range", ledger.ErrRejected)
				})
				began := time.Now()
				l := w.start()
				w.change("x", catalog.Upsert, `{"a":1}`, version(1))
				require.ErrorIs(t, l.wait(), ledger.ErrRejected)
				require.Equal(t, 6, tries)
				require.Less(t, time.Since(began), time.Minute)
				w.store.SetHook(nil)
				l = w.start()
				w.finish(time.Hour)
				require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
				l.stop()
			})
		})
	}
}

// TestRefusalThatPasses: neither a few refusals nor any number of other failures
// stop the partition.
func TestRefusalThatPasses(t *testing.T) {
	scenario(t, func(w *world) {
		tries := 0
		w.store.SetHook(func(_ context.Context, made ledgermodel.Call, stage ledgermodel.Stage) error {
			if made != ledgermodel.CallCommit || stage != ledgermodel.Before {
				return nil
			}
			switch tries++; {
			case tries < 30 && tries%6 != 0:
				return fmt.Errorf("%w: no partition of the day", ledger.ErrRejected)
			case tries < 30:
				return errLost
			default:
				return nil
			}
		})
		l := w.start()
		w.upsert("x", `{"a":1}`)
		w.finish(time.Hour)
		require.Greater(t, tries, 29)
		l.stop()
	})
}
