package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

var update = flag.Bool("update", false, "regenerate docs/configuration.md and schema/courier.schema.json")

func TestReferenceIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	const path, marker = "../../docs/configuration.md", "<!-- reference -->\n"
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, after, found := strings.Cut(string(content), marker)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+marker+config.Reference(platforms)), 0o644))
		return
	}
	require.Equal(t, config.Reference(platforms), after, "run go test ./internal/config -run TestReference -update")
}

func TestReferenceForEditorsIsTheSame(t *testing.T) {
	t.Parallel()
	const path = "../../schema/courier.schema.json"
	schema, err := config.Schema(platforms)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(path, schema, 0o644))
		return
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(schema), string(content), "run go test ./internal/config -run TestReference -update")
}
