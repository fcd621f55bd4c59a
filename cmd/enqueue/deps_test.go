package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnqueueLinksNoDatabase: a program that publishes lines has no database driver, no
// migrations and no server inside.
func TestEnqueueLinksNoDatabase(t *testing.T) {
	t.Parallel()
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(listed))
	require.Contains(t, packages, "github.com/nats-io/nats.go/jetstream", "the list is one of imports")
	const ours = "github.com/catalog-courier/catalog-courier/"
	for _, name := range packages {
		for _, foreign := range []string{
			"github.com/jackc/", "github.com/pressly/", "github.com/nats-io/nats-server/", "github.com/fergusstrange/",
			"github.com/prometheus/", "go.opentelemetry.io/otel/sdk",
			ours + "service", ours + "delivery", ours + "persistence", ours + "platform", ours + "queue", ours + "lab",
		} {
			require.False(t, strings.HasPrefix(name, foreign), name)
		}
	}
}
