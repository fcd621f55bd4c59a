package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/migrations"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// TestMigrateDryRun lists what is missing and changes nothing.
func TestMigrateDryRun(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	variables := map[string]string{"DATABASE_URL": url}
	dry := execute(t, variables, "migrate", "--dry-run")
	require.Zero(t, dry.code, dry.err)
	require.Contains(t, dry.out, "00001_tables.sql\n  ")
	require.Contains(t, dry.out, "What is kept of sources: feeds and webhooks of shops that enqueue turns into mutations.")
	require.NotContains(t, dry.out, "\n  - ", "nothing is in use yet")
	files, err := migrations.Files.ReadDir(".")
	require.NoError(t, err)
	require.Equal(t, len(files), strings.Count(dry.out, ".sql\n"))
	_, err = persistence.CheckSchema(t.Context(), url)
	require.ErrorIs(t, err, persistence.ErrSchemaBehind)

	require.Zero(t, execute(t, variables, "migrate").code)
	require.Equal(t, "nothing to apply: the schema is up to date\n", execute(t, variables, "migrate", "--dry-run").out)
	require.Equal(t, 2, execute(t, variables, "migrate", "--dry-run", "--adopt-stream").code)
}
