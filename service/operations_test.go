package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// patience is how long a test waits for what takes a fraction of it.
const patience = 2 * time.Minute

func TestEveryOperationOfEveryType(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	items := map[catalog.Lane]string{rig.Retail: "SKU/1 ä%", rig.Products: "SKU-1", rig.Flights: "BOS/JFK"}
	published := 0
	for lane, item := range items {
		// One after the other, so that each is a record of its own.
		for i, step := range []struct {
			operation  catalog.Operation
			attributes any
		}{
			{catalog.Create, rig.Whole(lane.Type, "created")},
			{catalog.Update, rig.Part(lane.Type, "updated", 0)},
			{catalog.Update, rig.Cleared(lane.Type)},
			{catalog.Upsert, rig.Whole(lane.Type, "upserted")},
			{catalog.Delete, nil},
			{catalog.Upsert, rig.Whole(lane.Type, "upserted again")},
		} {
			id := env.Publish(rig.Mutation(lane, item, step.operation, step.attributes))[0]
			published++
			final := env.AwaitStatus(id, "succeeded", patience)
			require.NotEmpty(t, final.Handle, "step %d of %v", i, lane)
			require.Equal(t, step.operation.String(), final.Operation)
			require.Equal(t, item, final.ItemID)
			require.False(t, final.FinishedAt.IsZero())
		}
	}
	require.Equal(t, map[string]int{"succeeded": published}, env.CheckInvariants())
	for lane := range items {
		require.Len(t, env.Items(lane), 1)
	}
}

// TestBurstsMerge publishes whole lives of items at once: what may merge does, and
// the end is the same as one at a time.
func TestBurstsMerge(t *testing.T) {
	t.Parallel()
	for _, existing := range []sandbox.CreateOnExisting{sandbox.Replace, sandbox.Refuse, sandbox.LayOver} {
		t.Run("create on existing "+string(existing), func(t *testing.T) {
			t.Parallel()
			platform := sandbox.Options{Delay: 20 * time.Millisecond, Existing: existing}
			env := rig.Start(t, rig.Options{Pinterest: platform, Meta: platform})
			env.StartWorker("a", rig.WorkerOptions{})
			workload := rig.NewWorkload(7)
			workload.Lanes = []catalog.Lane{rig.Retail, rig.Products, rig.Flights}
			workload.Items = 40
			const mutations = 1500
			env.Publish(workload.Next(mutations)...)
			env.AwaitFinal(mutations, patience)
			counts := env.CheckInvariants()
			require.Positive(t, counts["superseded"])
			t.Log(counts, env.Describe())
		})
	}
}

func TestDeleteThenRecreateSurvives(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Delay: 100 * time.Millisecond}, Meta: sandbox.Options{Delay: 100 * time.Millisecond},
	})
	env.StartWorker("a", rig.WorkerOptions{})
	for lane, item := range map[catalog.Lane]string{rig.Retail: "A", rig.Products: "A", rig.Flights: "AAA/BBB"} {
		ids := env.Publish(
			rig.Mutation(lane, item, catalog.Create, rig.Whole(lane.Type, "first")),
			rig.Mutation(lane, item, catalog.Delete, nil),
			rig.Mutation(lane, item, catalog.Create, rig.Whole(lane.Type, "second")))
		env.AwaitStatus(ids[2], "succeeded", patience)
		require.Contains(t, env.Items(lane)[item], "second")
	}
	env.CheckInvariants()
}

// TestVersions: a mutation with an older version than the newest seen is never
// sent, until the item was deleted.
func TestVersions(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	publish := func(version int64, operation catalog.Operation, mark string) string {
		m := rig.Mutation(rig.Retail, "V", operation, nil)
		if operation != catalog.Delete {
			m.Attributes = rig.Whole("RETAIL", mark)
		}
		m.Version = &version
		return env.Publish(m)[0]
	}
	newest := publish(7, catalog.Upsert, "seven")
	env.AwaitStatus(newest, "succeeded", patience)
	older := env.AwaitStatus(publish(6, catalog.Upsert, "six"), "superseded", patience)
	require.Equal(t, newest, older.SupersededBy)
	require.Contains(t, env.Items(rig.Retail)["V"], "seven")
	env.AwaitStatus(publish(8, catalog.Delete, ""), "succeeded", patience)
	// The worker knows of it when it has written something else: the versions are forgotten.
	env.AwaitStatus(env.Publish(upserts(rig.Retail, "another", 1)...)[0], "succeeded", patience)
	env.AwaitStatus(publish(1, catalog.Upsert, "one"), "succeeded", patience)
	require.Contains(t, env.Items(rig.Retail)["V"], "one")
}
