package sleep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/sleep"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, sleep.For(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, sleep.For(t.Context(), -time.Minute))

		wake := make(chan struct{}, 1)
		require.NoError(t, sleep.UntilWoken(t.Context(), wake, time.Minute))
		require.Equal(t, 2*time.Minute, time.Since(began))
		wake <- struct{}{}
		require.NoError(t, sleep.UntilWoken(t.Context(), wake, time.Minute))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, sleep.For(ctx, time.Minute), context.DeadlineExceeded)
		require.Equal(t, 2*time.Minute+time.Second, time.Since(began))
	})
}
