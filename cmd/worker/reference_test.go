package main

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

var update = flag.Bool("update", false, "regenerate this program's part of docs/cli.md")

func TestReferenceIsInTheDocumentation(t *testing.T) { //nolint:paralleltest // two programs write one file
	const path = "../../docs/cli.md"
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	want, found := cli.PutReference(string(content), "worker", cli.Reference(newCommand(quiet(), builtin.Platforms())))
	require.True(t, found, "the markers are there")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(content), "run go test -p 1 ./cmd/worker ./cmd/enqueue -run TestReference -update")
}
