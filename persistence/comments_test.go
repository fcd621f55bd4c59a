package persistence_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestEveryViewIsExplained: whoever opens the database with a tool of theirs reads what
// each view, each column of one, and each function that people call, is.
func TestEveryViewIsExplained(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	rows, err := pool.Query(t.Context(), `
		SELECT c.relname::text FROM pg_class c
		WHERE c.relnamespace = 'courier'::regnamespace AND c.relkind = 'v' AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''
		UNION ALL
		SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'courier'::regnamespace AND c.relkind = 'v' AND coalesce(col_description(c.oid, a.attnum), '') = ''
		UNION ALL
		SELECT p.oid::regprocedure::text FROM pg_proc p
		WHERE p.pronamespace = 'courier'::regnamespace AND p.proname IN ('item', 'items', 'first_id', 'readable', 'moment')
			AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
		ORDER BY 1`)
	require.NoError(t, err)
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, missing, "no comment")
}
