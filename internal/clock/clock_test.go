package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/clock"
)

// other is a clock that is ahead of this process's and takes a while to answer.
type other struct {
	ahead, takes time.Duration
	err          error
}

func (o *other) ask(context.Context) (time.Time, error) {
	time.Sleep(o.takes / 2)
	at := time.Now().Add(o.ahead)
	time.Sleep(o.takes - o.takes/2)
	return at, o.err
}

// TestReading: clocks differ only where that is certain, however long the answer took.
func TestReading(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, takes time.Duration
		differs      bool
	}{
		{0, 0, false},
		{clock.Limit, time.Second, false},
		{-clock.Limit, time.Second, false},
		{clock.Limit + time.Millisecond, 0, true},
		{clock.Limit + time.Second, 4 * time.Second, false}, // not certain
		{clock.Limit + 3*time.Second, 4 * time.Second, true},
		{10 * time.Minute, time.Second, true},
		{-10 * time.Minute, time.Second, true},
		{95 * 24 * time.Hour, time.Second, true},
		{-95 * 24 * time.Hour, 9 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			reading, err := clock.Read(t.Context(), (&other{ahead: c.ahead, takes: c.takes}).ask)
			require.NoError(t, err)
			require.Equal(t, -c.ahead, reading.Ahead())
			require.Equal(t, c.takes/2, reading.Within)
			if c.differs {
				require.ErrorIs(t, reading.Check(), clock.ErrDiffers)
				require.ErrorContains(t, reading.Check(), reading.Theirs.UTC().Format(time.RFC3339))
			} else {
				require.NoError(t, reading.Check())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := clock.Read(t.Context(), (&other{takes: time.Minute}).ask)
		require.Error(t, err, "an answer that took a minute tells nothing")
	})
}

// TestWatch: what is known goes on with the monotonic clock, a look that fails changes
// nothing, and before the first look nothing is known.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		database := &other{ahead: 10 * time.Minute}
		watch := clock.NewWatch(database.ask)
		require.ErrorIs(t, watch.Check(), clock.ErrDiffers)
		_, known := watch.Now()
		require.False(t, known)
		_, err := watch.Look(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, watch.Check(), clock.ErrDiffers)
		time.Sleep(time.Hour)
		require.True(t, time.Now().Add(10*time.Minute).Equal(watch.Theirs()))

		database.err = errors.New("away")
		_, err = watch.Look(t.Context())
		require.Error(t, err)
		require.ErrorIs(t, watch.Check(), clock.ErrDiffers)
		database.err, database.ahead = nil, time.Second
		_, err = watch.Look(t.Context())
		require.NoError(t, err)
		require.NoError(t, watch.Check())
	})
}
