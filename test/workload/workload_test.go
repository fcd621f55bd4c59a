package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

type store interface {
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
}

// Whole items are complete to the platforms, and being made again forget whatever
// an update said.
func TestWholeItemsLeaveNothingOfBefore(t *testing.T) {
	t.Parallel()
	pinterest, meta := pinterestsim.New(sandbox.Options{}), metasim.New(sandbox.Options{})
	t.Cleanup(pinterest.Close)
	t.Cleanup(meta.Close)
	for platform, types := range map[store][]catalog.Type{
		pinterest: {"RETAIL", "HOTEL", "CREATIVE_ASSETS", "LOCAL_INVENTORY"},
		meta:      {"PRODUCT_ITEM", "FLIGHT", "DESTINATION", "HOTEL_ROOM", "VEHICLE"},
	} {
		for _, itemType := range types {
			lane := catalog.Lane{Account: "a", Catalog: "c", Type: itemType}
			id := map[catalog.Type]string{"FLIGHT": "BOS/JFK", "HOTEL_ROOM": "INN/1", "LOCAL_INVENTORY": "LAMP/1"}[itemType]
			if id == "" {
				id = "X"
			}
			apply := func(operation catalog.Operation, attributes any) {
				t.Helper()
				publication, err := publish.Mutation{
					Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type, ItemID: id, Operation: operation, Attributes: attributes,
				}.Publication()
				require.NoError(t, err)
				arrival := message.Decode(message.Raw{Subject: publication.Subject, Data: publication.Data})
				require.Nil(t, arrival.Problem)
				require.NoError(t, platform.Apply("1", itemType, arrival.Mutation), "%s %s", itemType, operation)
			}
			apply(catalog.Create, workload.Whole(itemType, "one"))
			first := platform.Items("1", itemType)[id]
			for choice := range 20 {
				apply(catalog.Update, workload.Part(itemType, "two", choice))
			}
			if cleared := workload.Cleared(itemType); cleared != nil {
				before := platform.Items("1", itemType)[id]
				apply(catalog.Update, cleared)
				require.NotEqual(t, before, platform.Items("1", itemType)[id], itemType)
			}
			require.NotEqual(t, first, platform.Items("1", itemType)[id], itemType)
			apply(catalog.Upsert, workload.Whole(itemType, "one"))
			require.Equal(t, first, platform.Items("1", itemType)[id], itemType)
		}
	}
}

func TestTheSameSeedMakesTheSameChanges(t *testing.T) {
	t.Parallel()
	made := func(seed uint64) []publish.Mutation {
		g := workload.New(seed)
		old, products := catalog.Lane{Account: "a", Catalog: "c", Type: "RETAIL"}, catalog.Lane{Account: "b", Catalog: "c", Type: "PRODUCT_ITEM"}
		languages := catalog.Lane{Account: "b", Catalog: "l", Type: "PRODUCT_ITEM"}
		g.Lanes = []catalog.Lane{old, {Account: "b", Catalog: "c", Type: "FLIGHT"}, products, languages}
		g.Items, g.Discontinues, g.Bases = 20, []catalog.Lane{old}, map[catalog.Lane]catalog.Lane{languages: products}
		return append(g.Next(30), g.Next(270)...)
	}
	first, again, other := made(1), made(1), made(2)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
	operations := map[catalog.Operation]int{}
	localized := 0
	for _, m := range first {
		operations[m.Operation]++
		if !m.Localization.IsZero() {
			localized++
		}
		require.Equal(t, m.Catalog == "l", !m.Localization.IsZero())
	}
	require.Positive(t, localized)
	for _, operation := range []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete, catalog.DeleteDiscontinued} {
		require.Positive(t, operations[operation], operation)
	}
}
