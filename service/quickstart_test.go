package service_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestQuickStarts: their configurations load, and their first items are taken without a
// warning.
func TestQuickStarts(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	for page, lane := range map[string]catalog.Lane{"pinterest": rig.Retail, "meta": rig.Products} {
		text, err := os.ReadFile("../docs/quickstart-" + page + ".md")
		require.NoError(t, err)
		settings := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
		require.NotNil(t, settings, page)
		withFile := regexp.MustCompile(`access_token_file: \S+`).ReplaceAll(settings[1], []byte("access_token: x"))
		loaded, err := config.Parse(page, withFile, config.Options{
			Platforms: platform.Configs(builtin.Platforms()), Lookup: func(name string) (string, bool) {
				return "value", regexp.MustCompile(`^(PINTEREST|META)_`).MatchString(name)
			},
		})
		require.NoError(t, err, page)
		require.Empty(t, loaded.Warnings)

		line := regexp.MustCompile(`(?m)^echo '(.*)' \|$`).FindSubmatch(text)
		require.NotNil(t, line, page)
		var item struct {
			ItemID     string         `json:"item_id"`
			Operation  string         `json:"operation"`
			Attributes map[string]any `json:"attributes"`
		}
		require.NoError(t, json.Unmarshal(line[1], &item))
		require.Equal(t, "UPSERT", item.Operation)
		id := env.Publish(rig.Mutation(lane, item.ItemID, catalog.Upsert, item.Attributes))[0]
		status := env.AwaitStatus(id, "succeeded", patience)
		require.Empty(t, status.Warnings, page)
		require.Regexp(t, `--type `+string(lane.Type)+` `, string(text))
	}
}
