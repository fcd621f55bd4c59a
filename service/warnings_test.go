package service_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestWarningsAndAllProblemsShow: what the rules say of a mutation stands in its
// status, whether it was sent or not, and outlives the worker.
func TestWarningsAndAllProblemsShow(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	first := env.StartWorker("a", rig.WorkerOptions{})
	odd := rig.Whole("PRODUCT_ITEM", "odd")
	odd["gender"] = "dragon"
	body, err := json.Marshal(map[string]any{"item_id": "odd", "operation": "UPSERT", "attributes": odd})
	require.NoError(t, err)
	sent := env.PublishRaw("catalog.mutations.acme-meta.products.PRODUCT_ITEM", string(body), nil)
	kept := env.PublishRaw("catalog.mutations.acme-meta.products.PRODUCT_ITEM",
		`{"item_id":"X","operation":"UPDATE","attributes":{"price":null,"title":null}}`, nil)
	env.AwaitFinal(2, patience)
	require.NoError(t, first.Stop())
	for _, s := range env.Statuses() {
		switch s.Position.Sequence {
		case sent:
			require.NotEqual(t, "invalid", s.Status)
			require.NotEmpty(t, s.Warnings)
			require.Equal(t, string(catalog.InvalidValue), s.Warnings[0].Code)
			require.Equal(t, "attributes.gender", s.Warnings[0].Attribute)
			require.NotEmpty(t, s.Warnings[0].Message)
		case kept:
			require.Equal(t, "invalid", s.Status)
			require.Len(t, s.Errors, 2, "every rule that it breaks")
			require.Equal(t, string(catalog.NotClearable), s.Errors[0].Code)
		}
	}
}
