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
			bed := rig.Start(t, rig.Options{Listen: true})
			// One address for both, or a quota of one is no quota of the other.
			address := rig.Settings{"accounts." + rig.PinterestAccount + ".base_url": bed.PinterestInterceptor.URL("both") + "/v5"}
			first := bed.StartProcess("a", address)
			bed.Await("it has all partitions", patience, func() bool { return bed.Owned()["a"] == 8 })
			bed.Pinterest.SetPlan([]sandbox.PlannedFault{{
				Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.RateLimited, Duration: wait}, Rate: 1,
			}})
			bed.Publish(upserts(rig.Retail, "one", 1)...)
			bed.Await("the pause is told", patience, func() bool { return bed.Pinterest.Counters().Posts > 0 })
			bed.Await("the pause is saved", time.Second, func() bool {
				return bed.Count(`SELECT count(*) FROM courier.quota_scope WHERE blocked_until > now()`) > 0
			})
			over := time.Now().Add(wait)
			posts := bed.Pinterest.Counters().Posts
			bed.Pinterest.SetPlan(nil)
			published := 1 + len(bed.Publish(upserts(rig.Retail, "two", 300)...))
			bed.StartProcess("b", address)
			leave(t, first)
			bed.Await("a POST is made", patience, func() bool { return bed.Pinterest.Counters().Posts > posts })
			const slack = 2 * time.Second // from the answer to the look at it
			require.True(t, time.Now().After(over.Add(-slack)), "the pause was not over: %s left", time.Until(over))
			bed.AwaitFinal(published, patience)
			bed.CheckInvariants()
		})
	}
}
