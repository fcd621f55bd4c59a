package worker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform/sandbox"
	"github.com/catalog-courier/catalog-courier/worker/internal/testbed"
)

// TestLatencyOfOneMutation: with nobody to share its batch with, a mutation is
// final soon after max_age and the platform's own delay.
func TestLatencyOfOneMutation(t *testing.T) {
	t.Parallel()
	quick := sandbox.Options{Delay: 50 * time.Millisecond}
	bed := testbed.Start(t, testbed.Options{Pinterest: quick, Meta: quick, Settings: testbed.Settings{"defaults.batch.max_age": "100ms"}})
	bed.StartWorker("a", testbed.WorkerOptions{})
	took := make([]time.Duration, 0, 5)
	for i, lane := range []catalog.Lane{testbed.Retail, testbed.Products, testbed.Retail, testbed.Products, testbed.Retail} {
		id := bed.Publish(testbed.Mutation(lane, "L", catalog.Upsert, testbed.Whole(lane.Type, "quick")))[0]
		s := bed.AwaitStatus(id, "succeeded", patience)
		took = append(took, s.FinishedAt.Sub(s.PublishedAt))
		t.Logf("mutation %d was final after %s", i, took[i].Round(time.Millisecond))
	}
	slices.Sort(took)
	require.Less(t, took[len(took)/2], 2*time.Second, "the median: a busy machine delays now one, now another")
}
