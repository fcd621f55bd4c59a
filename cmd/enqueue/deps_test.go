package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnqueueLinksNothingOfTheWorker: the producers' program has no server inside, and
// nothing of the worker that delivers. Of the platforms it has what their types are.
func TestEnqueueLinksNothingOfTheWorker(t *testing.T) {
	t.Parallel()
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(listed))
	require.Contains(t, packages, "github.com/nats-io/nats.go/jetstream", "the list is one of imports")
	const ours = "github.com/catalog-courier/catalog-courier/"
	for _, name := range packages {
		for _, foreign := range []string{
			"github.com/nats-io/nats-server/", "github.com/fergusstrange/",
			ours + "service", ours + "delivery", ours + "quota", ours + "queue", ours + "batcher", ours + "lab/embedded", ours + "lab/process",
		} {
			require.False(t, strings.HasPrefix(name, foreign), name)
		}
	}
}
