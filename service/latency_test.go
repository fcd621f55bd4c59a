package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestLatencyOfOneMutation: with nobody to share its batch with, a mutation is
// final soon after max_age and the platform's own delay.
func TestLatencyOfOneMutation(t *testing.T) {
	t.Parallel()
	quick := sandbox.Options{Delay: 50 * time.Millisecond}
	env := rig.Start(t, rig.Options{Pinterest: quick, Meta: quick, Settings: rig.Settings{"defaults.batch.max_age": "100ms"}})
	env.StartWorker("a", rig.WorkerOptions{})
	took := make([]time.Duration, 0, 5)
	for i, lane := range []catalog.Lane{rig.Retail, rig.Products, rig.Retail, rig.Products, rig.Retail} {
		id := env.Publish(rig.Mutation(lane, "L", catalog.Upsert, rig.Whole(lane.Type, "quick")))[0]
		s := env.AwaitStatus(id, "succeeded", patience)
		took = append(took, s.FinishedAt.Sub(s.PublishedAt))
		t.Logf("mutation %d was final after %s", i, took[i].Round(time.Millisecond))
	}
	slices.Sort(took)
	require.Less(t, took[len(took)/2], 2*time.Second, "the median: a busy machine delays now one, now another")
}
