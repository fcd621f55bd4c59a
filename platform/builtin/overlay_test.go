package builtin_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// TestOverlays: each type says what an UPSERT does to an item that exists, and what is
// out of stock is an object.
func TestOverlays(t *testing.T) {
	t.Parallel()
	for _, p := range builtin.Platforms() {
		for _, name := range p.Types {
			overlay := p.Overlay(name)
			require.Positive(t, overlay.KeyParts, "%s %s", p.Name, name)
			require.NotNil(t, overlay.Clears, "%s %s", p.Name, name)
			if overlay.OutOfStock != "" {
				var attributes map[string]string
				require.NoError(t, json.Unmarshal([]byte(overlay.OutOfStock), &attributes), "%s %s", p.Name, name)
			}
		}
		require.False(t, p.Overlay("NO_SUCH_TYPE").Clears("title"), p.Name)
	}
	meta := builtin.Platforms()[1].Overlay("PRODUCT_ITEM")
	require.True(t, meta.Clears("sale_price"))
	require.False(t, meta.Clears("title"), "it is required")
	require.False(t, meta.Clears("quantity_to_sell_on_facebook"), "a number has no empty value")
	require.False(t, meta.Replaces)
	require.True(t, builtin.Platforms()[0].Overlay("RETAIL").Replaces)
}
