package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/clock"
)

// TestTheEarliestClockTrims: and none while they differ.
func TestTheEarliestClockTrims(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at, err := trimTime(map[string]time.Time{"worker": now.Add(3 * time.Second), "NATS": now, "database": now.Add(time.Second)})
	require.NoError(t, err)
	require.Equal(t, now, at)
	for _, wrong := range []string{"worker", "NATS", "database"} {
		for _, offset := range []time.Duration{10 * time.Minute, -10 * time.Minute, 95 * 24 * time.Hour, -95 * 24 * time.Hour} {
			clocks := map[string]time.Time{"worker": now, "NATS": now, "database": now}
			clocks[wrong] = now.Add(offset)
			_, err := trimTime(clocks)
			require.ErrorIs(t, err, errClocksDiffer, "%s by %s", wrong, offset)
			require.ErrorContains(t, err, wrong)
		}
	}
}

// TestEachChangeOfTheClocksIsSaidOnce: of the database's, which stops the worker, and
// of the broker's, which does not.
func TestEachChangeOfTheClocksIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var database, broker atomic.Int64
		source := func(ahead *atomic.Int64) clock.Source {
			return func(context.Context) (time.Time, error) { return time.Now().Add(time.Duration(ahead.Load())), nil }
		}
		c := newClocks(source(&database), slog.New(slog.NewTextHandler(&log, nil)))
		c.broker = source(&broker)
		require.False(t, c.fit(), "nothing is known yet")
		require.True(t, (*clocks)(nil).fit(), "there is no other clock")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.run(ctx) }()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(time.Minute)
		require.True(t, c.fit())
		require.Empty(t, log.String())
		for round := 1; round <= 2; round++ {
			database.Store(int64(-10 * time.Minute))
			pass(3 * time.Minute)
			require.False(t, c.fit())
			require.ErrorIs(t, c.check(ctx), clock.ErrDiffers)
			require.Equal(t, round, strings.Count(log.String(), "of the database differ"))
			database.Store(int64(3 * time.Second)) // not exact, and harmless
			pass(3 * time.Minute)
			require.True(t, c.fit())
			require.Equal(t, round, strings.Count(log.String(), "of the database agree again"))
			broker.Store(int64(95 * 24 * time.Hour))
			pass(3 * time.Minute)
			require.True(t, c.fit())
			require.Equal(t, round, strings.Count(log.String(), "the clock of NATS differs"))
			require.Equal(t, 95*24*time.Hour, c.gauges()[1].Ahead)
			broker.Store(0)
			pass(3 * time.Minute)
			require.Equal(t, round, strings.Count(log.String(), "of NATS and of this worker agree"))
		}
		cancel()
		<-ended
	})
}
