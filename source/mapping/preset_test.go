package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/source/mapping"
)

func target(name string) mapping.Target {
	platform, kind, _ := strings.Cut(name, "/")
	return mapping.Target{Platform: platform, Type: catalog.Type(kind)}
}

// TestPresetsCompile: each part of each preset is without problems.
func TestPresetsCompile(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"adobe", "google", "meta", "pinterest", "shopify", "woocommerce"}, mapping.Presets())
	for _, preset := range mapping.Presets() {
		fills := mapping.Fills(preset)
		assert.Contains(t, fills, "meta/PRODUCT_ITEM", preset)
		assert.Contains(t, fills, "pinterest/RETAIL", preset)
		for _, name := range fills {
			_, err := mapping.Compile(mapping.Spec{Preset: preset}, target(name))
			require.NoErrorf(t, err, "%s for %s", preset, name)
		}
	}
}

// TestHiddenProducts: both the export and webhooks of WooCommerce say so of a product that the
// shop does not show.
func TestHiddenProducts(t *testing.T) {
	t.Parallel()
	for _, to := range mapping.Fills("woocommerce") {
		m, err := mapping.Compile(mapping.Spec{Preset: "woocommerce", Currency: "EUR", Zone: "UTC"}, target(to))
		require.NoError(t, err)
		for visibility, skipped := range map[string]bool{"hidden": true, "visible": false, "catalog": false, "search": false} {
			item, _ := m.Map(map[string]any{"id": "1", "name": "Shirt", "type": "simple", "status": "publish", "catalog_visibility": visibility})
			require.Equal(t, skipped, item.Skipped, "%s: %s", to, visibility)
		}
	}
}

// TestProductsThatAreNotForSale: a variation of such a product is not for sale either, whatever
// its own row or body says.
func TestProductsThatAreNotForSale(t *testing.T) {
	t.Parallel()
	parents := map[string]struct {
		parent  any
		skipped bool
	}{
		"draft in the export":     {map[string]any{"published": "-1"}, true},
		"private in the export":   {map[string]any{"published": "0"}, true},
		"published in the export": {map[string]any{"published": "1", "catalog_visibility": "visible"}, false},
		"draft":                   {map[string]any{"status": "draft"}, true},
		"trash":                   {map[string]any{"status": "trash"}, true},
		"published":               {map[string]any{"status": "publish", "catalog_visibility": "search"}, false},
		"hidden":                  {map[string]any{"status": "publish", "catalog_visibility": "hidden"}, true},
		"says nothing":            {map[string]any{}, false},
		"not in the file":         {nil, false},
	}
	for _, to := range mapping.Fills("woocommerce") {
		m, err := mapping.Compile(mapping.Spec{Preset: "woocommerce", Currency: "EUR", Zone: "UTC"}, target(to))
		require.NoError(t, err)
		for name, test := range parents {
			record := map[string]any{"id": "1", "name": "Shirt", "type": "variation", "status": "publish", "published": "1"}
			if test.parent != nil {
				record["parent_product"] = test.parent
			}
			item, findings := m.Map(record)
			require.Equal(t, test.skipped, item.Skipped, "%s: %s", to, name)
			for _, finding := range findings {
				require.NotEqual(t, mapping.KindFilter, finding.Kind, "%s: %s", to, name)
			}
		}
	}
}
