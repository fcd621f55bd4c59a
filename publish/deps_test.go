package publish_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/catalog-courier/catalog-courier/"

// TestAProducerLinksNothingOfTheWorker: whoever imports the package builds and trusts all
// that it imports in turn.
func TestAProducerLinksNothingOfTheWorker(t *testing.T) {
	t.Parallel()
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(listed))
	require.Contains(t, packages, "github.com/nats-io/nats.go/jetstream", "the list is one of imports")
	for _, name := range packages {
		for _, foreign := range []string{
			"github.com/jackc/", "github.com/pressly/", "github.com/nats-io/nats-server/", "github.com/prometheus/",
			"go.opentelemetry.io/otel/sdk", "github.com/spf13/", "github.com/stretchr/", "testing",
		} {
			require.False(t, strings.HasPrefix(name, foreign), name)
		}
		if ours, ok := strings.CutPrefix(name, module); ok {
			require.Contains(t, []string{"publish", "catalog", "message", "internal/rawjson", "internal/legible"}, ours)
		}
	}
}
