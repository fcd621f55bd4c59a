package service_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// versioned is a change with the producer's version.
func versioned(version int64, itemID string, operation catalog.Operation, attributes any) publish.Mutation {
	m := rig.Mutation(rig.Products, itemID, operation, attributes)
	m.Version = &version
	return m
}

// TestVersionsAcrossHandOvers: changes that wait in memory, each with the next version of
// its item, while others of the partition are recorded and the partition changes hands:
// by a worker that stops, and by one that is killed. None is left out, and what is older
// than what was there is.
func TestVersionsAcrossHandOvers(t *testing.T) {
	t.Parallel()
	const rounds, items = 6, 20
	env := rig.Start(t, rig.Options{Listen: true, Settings: rig.Settings{
		"nats.partitions": 1, "worker.record_within": "4s",
		"accounts." + rig.MetaAccount + ".batch.max_age": "5s",
	}})
	owner := env.StartProcess("w0", nil)
	published, late := 0, []string(nil)
	for round := range rounds {
		next := env.StartProcess(fmt.Sprint("w", round+1), nil)
		var changes []publish.Mutation
		for i := range items {
			item := fmt.Sprintf("item-%d-%d", round, i)
			whole := rig.Whole(rig.Products.Type, item)
			changes = append(changes, versioned(1, item, catalog.Create, whole))
			switch i % 3 {
			case 0:
				changes = append(changes, versioned(2, item, catalog.Update, map[string]any{"title": "Newer " + item}))
			case 1:
				changes = append(changes, versioned(2, item, catalog.Delete, nil))
			case 2:
				changes = append(changes, versioned(3, item, catalog.Upsert, whole))
			}
		}
		env.Publish(changes...)
		published += len(changes)
		for i := 2; i < items; i += 3 {
			item := fmt.Sprintf("item-%d-%d", round, i)
			late = append(late, env.Publish(versioned(2, item, catalog.Upsert, rig.Whole(rig.Products.Type, "older")))...)
			published++
		}
		other := env.Publish(upserts(rig.Retail, fmt.Sprint("other-", round), 5)...)
		published += len(other)
		for _, id := range other {
			env.AwaitStatus(id, "succeeded", patience)
		}
		if round%2 == 0 {
			require.NoError(t, owner.Terminate(patience))
		} else {
			owner.Kill()
		}
		owner = next
	}
	env.AwaitFinal(published, 2*patience)
	require.Len(t, late, env.Count(`SELECT count(*) FROM courier.mutation WHERE state = 3`), "nothing else is left out")
	for _, id := range late {
		status := env.StatusOf(id)
		require.Equal(t, "superseded", status.Status)
		require.Equal(t, status.ItemID, env.StatusOf(status.SupersededBy).ItemID)
	}
	env.CheckInvariants()
}
