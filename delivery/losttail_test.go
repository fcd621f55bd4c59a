package delivery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/delivery"
)

// After a database lost its last commits, batches may be under way that nobody
// knows of: nothing is sent until they can no longer be applied.
func TestNothingIsSentAfterTheDatabaseLostItsTail(t *testing.T) {
	scenario(t, func(w *world) {
		began := time.Now()
		l := w.startWith(delivery.NewScopes(w.store, w.logger), func(c *delivery.Config) { c.LostTail = true })
		w.upsert("x", `{"a":1}`)
		pass(policy().Settle - time.Second)
		require.Zero(t, w.posts())
		w.finish(time.Minute)
		require.Equal(t, 1, w.posts())
		require.Less(t, time.Since(began), policy().Settle+time.Minute)
		l.stop()
	})
}

// The number of commits is noted outside the database before anything is sent,
// and trouble with that holds nothing up.
func TestCommitsAreMirroredBeforeThePOST(t *testing.T) {
	scenario(t, func(w *world) {
		var mirrored []int64
		w.platform.onPost = func(*post) answer {
			require.NotEmpty(t, mirrored, "mirrored before it is sent")
			return answer{}
		}
		l := w.startWith(delivery.NewScopes(w.store, w.logger), func(c *delivery.Config) {
			c.Mirror = func(_ context.Context, commits int64) error {
				mirrored = append(mirrored, commits)
				if len(mirrored) > 1 {
					return errors.New("the broker is away")
				}
				return nil
			}
		})
		w.upsert("x", `{"a":1}`)
		w.finish(time.Minute)
		require.Equal(t, []int64{1}, mirrored)
		w.upsert("x", `{"a":2}`)
		w.finish(time.Minute)
		require.Len(t, mirrored, 2)
		require.Greater(t, mirrored[1], mirrored[0])
		l.stop()
	})
}
