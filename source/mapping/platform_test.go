package mapping_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/source/mapping"
)

// endpoint is the platform's own, with its strictest rules.
func endpoint(tb testing.TB, to mapping.Target) platform.Endpoint {
	tb.Helper()
	open, keys := meta.New, setting.Values{"catalog_id": "1"}
	if to.Platform == "pinterest" {
		open, keys = pinterest.New, setting.Values{"catalog_id": "1", "country": "US", "language": "en-US"}
	}
	account, err := open(platform.Settings{
		Name: "acme", Rules: platform.RulesStrict, Token: func(context.Context) (string, error) { return "", nil },
		Catalogs: map[string]setting.Values{"products": keys},
	})
	require.NoError(tb, err)
	found, problem := account.Endpoint("products", to.Type)
	require.Nil(tb, problem)
	return found
}

// TestPlatformsTakeItems: what a preset makes without errors breaks no rule of the platform.
func TestPlatformsTakeItems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/records/*.json")
	require.NoError(t, err)
	checked := map[string]int{}
	for _, file := range files {
		given := readRecords(t, file)
		for _, name := range given.Targets {
			to := target(name)
			m, err := mapping.Compile(mapping.Spec{File: file, Data: []byte(given.Mapping)}, to)
			require.NoError(t, err)
			at := endpoint(t, to)
			for i, record := range given.Records {
				item, findings := m.Map(record)
				if item.Skipped || slices.ContainsFunc(findings, func(f mapping.Finding) bool { return f.Severity == mapping.Error }) {
					continue
				}
				refused, warnings := at.Validate(&catalog.Mutation{
					ID: "1", Lane: catalog.Lane{Account: "acme", Catalog: "products", Type: to.Type}, ItemID: item.ID,
					Operation: catalog.Upsert, Attributes: item.Attributes,
				})
				assert.Nil(t, refused, "%s for %s, record %d: %+v", file, name, i, refused)
				warnings = slices.DeleteFunc(warnings, func(p catalog.Problem) bool {
					// Meta's feeds have image and image_link; Meta takes the first of them.
					return p.Field == "attributes.image_link" && strings.Contains(p.Text, "is ignored where the item has image")
				})
				assert.Empty(t, warnings, "%s for %s, record %d", file, name, i)
				checked[name]++
			}
		}
	}
	for _, preset := range mapping.Presets() {
		for _, name := range mapping.Fills(preset) {
			assert.Positive(t, checked[name], name)
		}
	}
}
