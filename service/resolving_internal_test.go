package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestResolvingHasABudget: a look ends within its budget, and the next one goes on there;
// an error leaves the place as it is.
func TestResolvingHasABudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var asked []int64
		w := &worker{log: slog.New(slog.NewTextHandler(&log, nil))}
		require.Zero(t, w.resolve(t.Context(), 5), "nothing to ask")
		var failure error
		w.deps.Resolve = func(_ context.Context, before int64) (int64, error) {
			asked = append(asked, before)
			time.Sleep(resolveBudget/2 + time.Millisecond)
			if before == 0 {
				before = 1000
			}
			if before == 400 {
				return 0, failure
			}
			return before - 100, failure
		}
		before := time.Now()
		next := w.resolve(t.Context(), 0)
		require.EqualValues(t, 800, next)
		require.Less(t, time.Since(before), 2*resolveBudget)
		require.Equal(t, []int64{0, 900}, asked)
		require.EqualValues(t, 600, w.resolve(t.Context(), next))
		require.Zero(t, w.resolve(t.Context(), 400), "the end: from the newest again")
		failure = errors.New("no database")
		require.EqualValues(t, 600, w.resolve(t.Context(), 600))
		require.Contains(t, log.String(), "no database")
	})
}
