package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/mapping"
)

var update = flag.Bool("update", false, "write the expected items")

type records struct {
	Mapping string           `json:"mapping"`
	Targets []string         `json:"targets"`
	Records []map[string]any `json:"records"`
}

func readRecords(tb testing.TB, file string) (found records) {
	tb.Helper()
	data, err := os.ReadFile(file)
	require.NoError(tb, err)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	require.NoError(tb, decoder.Decode(&found))
	return found
}

type outcome struct {
	ID         string            `json:"item_id"`
	Group      string            `json:"group,omitempty"`
	Skipped    bool              `json:"skipped,omitempty"`
	Attributes json.RawMessage   `json:"attributes,omitempty"`
	Findings   []mapping.Finding `json:"findings,omitempty"`
}

// TestPresetItems: records as the readers give them become the expected items, and each
// destination that a preset fills is among them.
func TestPresetItems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/records/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	covered := map[string]bool{}
	for _, file := range files {
		given := readRecords(t, file)
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		preset, _, _ := strings.Cut(name, "-")
		for _, to := range given.Targets {
			covered[preset+" "+to] = true
			m, err := mapping.Compile(mapping.Spec{File: file, Data: []byte(given.Mapping)}, target(to))
			require.NoError(t, err, name)
			outcomes := make([]outcome, 0, len(given.Records))
			for _, record := range given.Records {
				item, findings := m.Map(record)
				outcomes = append(outcomes, outcome{item.ID, item.Group, item.Skipped, item.Attributes, findings})
			}
			var got bytes.Buffer
			encoder := json.NewEncoder(&got)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			require.NoError(t, encoder.Encode(outcomes))
			golden := filepath.Join("testdata/golden", name+"."+strings.ReplaceAll(to, "/", "-")+".json")
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got.String(), golden)
		}
	}
	for _, preset := range mapping.Presets() {
		for _, to := range mapping.Fills(preset) {
			assert.True(t, covered[preset+" "+to], "%s for %s has no records", preset, to)
		}
	}
}
