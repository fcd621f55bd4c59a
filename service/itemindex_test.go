package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestTheIndexFollowsTheWorkers: what becomes final is in the index of items soon, also
// when its owner ends and another goes on.
func TestTheIndexFollowsTheWorkers(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "S-3", Action: sandbox.RefuseItem, Message: "not this one"}}},
	})
	first := env.StartWorker("a", rig.WorkerOptions{})
	mutations := append(upserts(rig.Retail, "S", 30), upserts(rig.Products, "S", 30)...)
	env.Publish(mutations...)
	env.AwaitFinal(len(mutations), patience)
	require.NoError(t, first.Stop())
	second := env.StartWorker("b", rig.WorkerOptions{})
	for range 3 {
		env.Publish(rig.Mutation(rig.Products, "S-1", catalog.Upsert, rig.Whole("PRODUCT_ITEM", "again")))
	}
	env.AwaitFinal(len(mutations)+3, patience)
	env.Await("the index to have all", patience, func() bool {
		return env.Count("select transactions_behind + filling::int from courier.item_index_status") == 0
	})
	const joined = "from courier.item_status s left join courier.indexed_items i using (account, catalog, catalog_type, item_id) "
	require.Zero(t, env.Count("select count(*) "+joined+"where i.mutation_id is distinct from s.mutation_id or i.status <> s.status"))
	require.Equal(t, len(mutations), env.Count("select count(*) "+joined))
	require.NotZero(t, env.Count("select count(*) "+joined+"where i.status = 'failed'"))
	require.NoError(t, second.Stop())
}
