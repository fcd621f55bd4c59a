package service

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// TestReadinessTellsWhatIsStuck after a minute, whether a transaction fails or the
// partition stops again and again, and until something is recorded.
func TestReadinessTellsWhatIsStuck(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(o *observer){
		"a transaction that fails": func(o *observer) {
			o.Gauges(3, delivery.Gauges{TroubleSince: time.Now(), Trouble: "the disk is full"})
		},
		"a partition that stops": func(o *observer) {
			o.failed(3, whyStopped(fmt.Errorf("%w: the disk is full", ledger.ErrRejected)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newObserver(&config.Config{}, nil)
				require.NoError(t, o.stuck(time.Now()))
				fail(o)
				time.Sleep(stuckAfter - time.Second)
				require.NoError(t, o.stuck(time.Now()))
				time.Sleep(2 * time.Second)
				err := o.stuck(time.Now())
				require.ErrorIs(t, err, errStuck)
				require.ErrorContains(t, err, "the disk is full")
				require.ErrorContains(t, err, "[3]")
				o.Committed(3, 1, false, time.Second)
				require.NoError(t, o.stuck(time.Now()))
			})
		})
	}
	require.NotContains(t, whyStopped(errors.New("postgres://user:secret@db")), "secret")
}
