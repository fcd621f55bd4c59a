package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestIdlePositionDoesNotPassWhatIsNotAdmitted: a message that was read, and whose
// newest version is still being looked up, is part of the stream's end. A position
// that followed to there would lose it with the engine.
func TestIdlePositionDoesNotPassWhatIsNotAdmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, overlaid)
		w.store.SetHook(func(ctx context.Context, call ledgermodel.Call, stage ledgermodel.Stage) error {
			if call == ledgermodel.CallNewestVersions && stage == ledgermodel.Before {
				<-ctx.Done() // the database does not answer
				return ctx.Err()
			}
			return nil
		})
		id := w.change("A", catalog.Upsert, `{"title":"one"}`, version(1))
		first := w.start()
		pass(time.Minute)
		require.Zero(t, w.store.Anchor(0).Position.Sequence)
		first.crash()

		w.store.SetHook(nil)
		second := w.start()
		w.finish(time.Hour)
		require.Equal(t, ledgermodel.Succeeded, w.row(id).Status)
		second.stop()
	})
}

// onceIdle tells of the stream's end one time only, as a reader does.
type onceIdle struct {
	*reader
	told bool
}

func (o *onceIdle) Idle(ctx context.Context) (ledger.Anchor, bool, error) {
	if o.told {
		return ledger.Anchor{}, false, nil
	}
	anchor, idle, err := o.reader.Idle(ctx)
	o.told = idle
	return anchor, idle, err
}

// TestIdlePositionFollowsOnceAllIsRecorded: the end is told while something that was
// read is not recorded yet; the position follows when it is.
func TestIdlePositionFollowsOnceAllIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, overlaid)
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		w.upsert("A", `{"title":"one"}`)
		w.change("B", catalog.Upsert, `{"title":"two"}`, of("elsewhere")) // in another partition
		const recorded = 25 * time.Second                                 // well after the end is told
		l := w.startPartition(0, "acme", quota.NewScopes(w.store, w.logger), func(c *delivery.Config) {
			c.RecordWithin = recorded
			c.Source = &onceIdle{reader: c.Source.(*reader)} //nolint:forcetypeassert // the world's own
		})
		pass(recorded - time.Second)
		require.Zero(t, w.store.Anchor(0).Position.Sequence, "A is in memory alone")
		w.until(recorded, "the position follows", func() bool { return w.store.Anchor(0).Position.Sequence == 2 })
		require.Equal(t, 1, w.store.WaitingRows())
		l.stop()
	})
}
