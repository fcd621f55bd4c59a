package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestToldPauseAcrossOwners: a worker that was told to make no calls for a while stops, or
// is killed as soon as the pause is in the database, which is at once. The next makes none
// before the end of the pause.
func TestToldPauseAcrossOwners(t *testing.T) {
	t.Parallel()
	const wait = 8 * time.Second
	for name, leave := range map[string]func(*testing.T, *rig.Process){
		"killed":  func(_ *testing.T, p *rig.Process) { p.Kill() },
		"stopped": func(t *testing.T, p *rig.Process) { t.Helper(); require.NoError(t, p.Terminate(patience)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Listen: true})
			// One address for both, or a quota of one is no quota of the other.
			address := rig.Settings{"accounts." + rig.PinterestAccount + ".base_url": env.PinterestInterceptor.URL("both") + "/v5"}
			first := env.StartProcess("a", address)
			env.Await("it has all partitions", patience, func() bool { return env.Owned()["a"] == 8 })
			env.Pinterest.SetPlan([]sandbox.PlannedFault{{
				Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.RateLimited, Duration: wait}, Rate: 1,
			}})
			env.Publish(upserts(rig.Retail, "one", 1)...)
			env.Await("the pause is told", patience, func() bool { return env.Pinterest.Counters().Posts > 0 })
			env.Await("the pause is saved", time.Second, func() bool {
				return env.Count(`SELECT count(*) FROM courier.quota_scope WHERE blocked_until > now()`) > 0
			})
			over := time.Now().Add(wait)
			posts := env.Pinterest.Counters().Posts
			env.Pinterest.SetPlan(nil)
			published := 1 + len(env.Publish(upserts(rig.Retail, "two", 300)...))
			env.StartProcess("b", address)
			leave(t, first)
			env.Await("a POST is made", patience, func() bool { return env.Pinterest.Counters().Posts > posts })
			const slack = 2 * time.Second // from the answer to the look at it
			require.True(t, time.Now().After(over.Add(-slack)), "the pause was not over: %s left", time.Until(over))
			env.AwaitFinal(published, patience)
			env.CheckInvariants()
		})
	}
}
