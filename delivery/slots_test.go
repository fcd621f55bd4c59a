package delivery_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// TestSlotsOfPollsAreGivenBack: an engine that ends while it polls, because its
// partition is handed over or lost, must not keep the worker's slots for ever.
func TestSlotsOfPollsAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*life){
		"handed over": (*life).stop, "lost": (*life).crash,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, overlaid)
				w.platform.delay = 10 * time.Minute
				w.platform.submit, w.platform.poll = []string{"batch", "app"}, []string{"reads", "app"}
				var polls atomic.Int64
				w.platform.onPoll = func(*taken) *platform.Error {
					polls.Add(1)
					w.platform.mu.Unlock() // the platform goes on while it makes this caller wait
					defer w.platform.mu.Lock()
					time.Sleep(2 * time.Second)
					return nil
				}
				scopes := quota.NewScopes(w.store, w.logger)
				w.upsert("A", `{"title":"one"}`)
				for range 10 {
					l := w.startWith(scopes)
					before := polls.Load()
					w.until(time.Minute, "a poll", func() bool { return polls.Load() > before })
					end(l)
				}
				w.upsert("B", `{"title":"two"}`)
				l := w.startWith(scopes)
				w.finish(time.Hour)
				l.stop()
			})
		})
	}
}
