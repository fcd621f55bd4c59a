package publish_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/catalog-courier/catalog-courier"

// TestWhatAProducerLinks: whoever imports the package builds and trusts all that it imports in
// turn. A module more is a decision: the package's own comment and docs/publishing.md name them.
func TestWhatAProducerLinks(t *testing.T) {
	t.Parallel()
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{end}}{{.ImportPath}}", ".").Output()
	require.NoError(t, err)
	var modules, own []string
	for line := range strings.Lines(string(listed)) {
		path, name, ofModule := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !ofModule: // of the standard library
			require.NotEqual(t, "testing", path)
		case path == module:
			own = append(own, strings.TrimPrefix(name, module+"/"))
		default:
			modules = append(modules, path)
		}
	}
	slices.Sort(modules)
	require.Equal(t, []string{
		"github.com/cenkalti/backoff/v4",
		"github.com/cespare/xxhash/v2", // of otel
		"github.com/google/uuid",
		"github.com/klauspost/compress", // zstd, and nats.go
		"github.com/nats-io/nats.go",
		"github.com/nats-io/nkeys", // of nats.go, as are nuid and x/crypto
		"github.com/nats-io/nuid",
		"github.com/rivo/uniseg",
		"github.com/synadia-io/orbit.go/jetstreamext",
		"github.com/synadia-io/orbit.go/natsext", // of jetstreamext
		"github.com/tidwall/gjson",
		"github.com/tidwall/match", // of gjson, as is pretty
		"github.com/tidwall/pretty",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/trace",
		"golang.org/x/crypto",
		"golang.org/x/sys", // of x/crypto
	}, slices.Compact(modules))
	require.ElementsMatch(t, []string{"publish", "catalog", "message", "internal/rawjson", "internal/legible", "internal/instant"}, own)
}
