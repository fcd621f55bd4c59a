package telemetry_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

var update = flag.Bool("update", false, "regenerate docs/telemetry.md")

func TestReferenceIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	const path, marker = "../../docs/telemetry.md", "<!-- reference -->\n"
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, after, found := strings.Cut(string(content), marker)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+marker+telemetry.Reference()), 0o644))
		return
	}
	require.Equal(t, telemetry.Reference(), after, "run go test ./telemetry -run TestReference -update")
}
