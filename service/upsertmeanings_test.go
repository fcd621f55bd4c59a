package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestUpsertMeansTwoThings: what an UPSERT leaves out stays on Meta and goes on
// Pinterest; null ends it on both.
func TestUpsertMeansTwoThings(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	whole := func(itemType catalog.Type, sale any) map[string]any {
		attributes := rig.Whole(itemType, "chair")
		attributes["price"] = "120.00 USD"
		delete(attributes, "sale_price")
		if sale != "" {
			attributes["sale_price"] = sale
		}
		return attributes
	}
	for _, test := range []struct {
		lane  catalog.Lane
		stays bool
	}{{rig.Products, true}, {rig.Retail, false}} {
		step := func(sale any) gjson.Result {
			ids := env.Publish(rig.Mutation(test.lane, "CHAIR", catalog.Upsert, whole(test.lane.Type, sale)))
			env.AwaitStatus(ids[0], "succeeded", patience)
			return gjson.Get(env.Items(test.lane)["CHAIR"], "sale_price")
		}
		require.Contains(t, step("90.00 USD").String(), "90", test.lane.Account)
		require.Equal(t, test.stays, step("").Exists(), "%s: an UPSERT that leaves it out", test.lane.Account)
		require.Contains(t, step("80.00 USD").String(), "80", test.lane.Account)
		require.Empty(t, step(nil).String(), "%s: null", test.lane.Account)
	}
}
