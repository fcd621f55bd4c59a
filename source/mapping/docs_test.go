package mapping_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/mapping"
)

var block = regexp.MustCompile("(?s)```([a-z-]+)\n(.*?)```")

// TestPage: each mapping of docs/mapping.md makes of the record that follows it the
// attributes after that, and all presets and keys are on the page.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/mapping.md")
	require.NoError(t, err)
	blocks := block.FindAllStringSubmatch(string(page), -1)
	examples := 0
	for i, each := range blocks {
		switch each[1] {
		case "yaml":
			require.Less(t, i+2, len(blocks), each[2])
			m, err := mapping.Compile(mapping.Spec{File: "docs/mapping.md", Data: []byte(each[2])}, target("meta/PRODUCT_ITEM"))
			require.NoError(t, err)
			item, _ := m.Map(decoded(t, blocks[i+1][2]))
			assert.JSONEq(t, blocks[i+2][2], string(item.Attributes), each[2])
			examples++
		case "text":
			_, err := mapping.Compile(mapping.Spec{Preset: "google", Filter: strings.TrimSpace(each[2])}, target("meta/PRODUCT_ITEM"))
			require.NoError(t, err)
			examples++
		case "yaml-samples":
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(dir+"/samples.yaml", []byte(each[2]), 0o600))
			outcomes, err := compiled(t, "item_id: \"{id}\"\nattributes: {title: title, price: {from: price, as: price}}").Check(dir)
			require.NoError(t, err)
			assert.Empty(t, outcomes[0].Differences)
			examples++
		}
	}
	assert.Equal(t, 7, examples)
	for _, preset := range mapping.Presets() {
		assert.Contains(t, string(page), "| `"+preset+"` |")
	}
}
