package reason_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

var update = flag.Bool("update", false, "regenerate docs/errors.md")

func TestReferenceIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	const path, marker = "../../docs/errors.md", "<!-- reference -->\n"
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, after, found := strings.Cut(string(content), marker)
	require.True(t, found)
	require.Contains(t, before, "\n## Platform codes that are not listed\n", "advice for these leads there")
	reference := platform.Reasons(builtin.Platforms()).Reference()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+marker+reference), 0o644))
		return
	}
	require.Equal(t, reference, after, "run go test ./internal/reason -run TestReference -update")
}
