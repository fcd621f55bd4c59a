package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/sleep"
)

// attempts is a protocol whose attempts end as a function says.
type attempts func(ctx context.Context, d *download, number int) error

type numbered struct {
	attempts attempts
	number   int
}

func (n *numbered) attempt(ctx context.Context, d *download) error {
	n.number++
	return n.attempts(ctx, d, n.number)
}

// timed runs a fetch and returns how long it took and how many attempts it made.
func timed(t *testing.T, options Options, each attempts) (took time.Duration, number int, err error) {
	t.Helper()
	options.Spool = t.TempDir()
	protocol := &numbered{attempts: each}
	fetcher := &Fetcher{options: options.withDefaults(), source: remote{attempter: protocol}}
	began := time.Now()
	file, err := fetcher.Fetch(t.Context(), "")
	if err == nil {
		require.NoError(t, file.Close())
	}
	return time.Since(began), protocol.number, err
}

func TestScheduleOfAttempts(t *testing.T) {
	t.Parallel()
	busy := func(wait time.Duration) error {
		err := failLater(ErrStatus, "busy", "wait")
		err.wait = wait
		return err
	}
	synctest.Test(t, func(t *testing.T) { // a source that is never well
		took, number, err := timed(t, Options{}, func(context.Context, *download, int) error { return busy(0) })
		require.ErrorIs(t, err, ErrStatus)
		require.Less(t, took, 3*time.Minute)
		require.Greater(t, took, 2*time.Minute)
		require.Greater(t, number, 6)
		require.Less(t, number, 30)
	})
	synctest.Test(t, func(t *testing.T) { // no repeats
		took, number, err := timed(t, Options{RetryFor: -1}, func(context.Context, *download, int) error { return busy(0) })
		require.ErrorIs(t, err, ErrTemporary)
		require.Zero(t, took)
		require.Equal(t, 1, number)
	})
	synctest.Test(t, func(t *testing.T) { // what it asks to wait
		took, number, err := timed(t, Options{}, func(_ context.Context, _ *download, number int) error {
			if number == 1 {
				return busy(2 * time.Minute)
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 2*time.Minute, took)
		require.Equal(t, 2, number)
	})
	synctest.Test(t, func(t *testing.T) { // each connection breaks, and the content gets further
		took, number, err := timed(t, Options{}, func(ctx context.Context, d *download, number int) error {
			require.NoError(t, sleep.For(ctx, 50*time.Second))
			d.etag = `"a"`
			d.spool.size++
			if number < 20 {
				return failLater(ErrShort, "cut", "")
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 20, number)
		require.Greater(t, took, 16*time.Minute)
	})
	synctest.Test(t, func(t *testing.T) { // and it begins again each time
		took, number, err := timed(t, Options{}, func(ctx context.Context, _ *download, _ int) error {
			require.NoError(t, sleep.For(ctx, 50*time.Second))
			return failLater(ErrShort, "cut", "")
		})
		require.ErrorIs(t, err, ErrShort)
		require.Less(t, took, 5*time.Minute)
		require.Less(t, number, 6)
	})
	synctest.Test(t, func(t *testing.T) { // bytes come, and no end
		took, _, err := timed(t, Options{}, func(ctx context.Context, d *download, _ int) error {
			for {
				if err := sleep.For(ctx, 59*time.Second); err != nil {
					return failLater(ErrShort, "cut", "")
				}
				d.alive()
			}
		})
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, 30*time.Minute, took)
	})
	synctest.Test(t, func(t *testing.T) { // nothing comes
		took, number, err := timed(t, Options{}, func(ctx context.Context, _ *download, _ int) error {
			<-ctx.Done()
			return failLater(ErrShort, "cut", "")
		})
		require.ErrorIs(t, err, ErrStalled)
		require.Less(t, took, 5*time.Minute)
		require.Less(t, number, 6)
	})
}
