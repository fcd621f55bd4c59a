package service_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// readsAll asks, with a role, for all that pages and commands show.
func readsAll(t *testing.T, g *guardedPostgres, role string) {
	t.Helper()
	pool := g.open(t, role)
	reader := status.NewReader(pool, status.Config{})
	ctx, account, to := t.Context(), "acme-pinterest", time.Now().Truncate(5*time.Minute)
	changes, _, err := reader.Timeline(ctx, "R-1", status.Filter{}, "", 5)
	require.NoError(t, err)
	require.NotEmpty(t, changes)
	_, err = reader.Mutation(ctx, changes[0].ID, account)
	require.NoError(t, err)
	_, err = reader.Item(ctx, "R-1", status.Filter{Account: account})
	require.NoError(t, err)
	batches, _, err := reader.Batches(ctx, status.BatchFilter{}, uuid.Nil, 5)
	require.NoError(t, err)
	require.NotEmpty(t, batches)
	_, _, err = reader.Batch(ctx, batches[0].ID)
	require.NoError(t, err)
	records, _, err := reader.Records(ctx, batches[0].ID, 0, 5)
	require.NoError(t, err)
	require.NotEmpty(t, records)
	accounts, err := reader.Accounts(ctx, "")
	require.NoError(t, err)
	require.NotEmpty(t, accounts)
	_, _, err = reader.Workers(ctx)
	require.NoError(t, err)
	counts := map[string]func() error{
		"sources":    func() error { _, err := reader.Sources(ctx); return err },
		"runs":       func() error { _, err := reader.Runs(ctx, "shop", 5); return err },
		"deliveries": func() error { _, err := reader.Deliveries(ctx, "shop", "", 0, 5); return err },
		"outcomes":   func() error { _, err := reader.Outcomes(ctx, []status.Published{{ID: changes[0].ID}}); return err },
		"follow":     func() error { _, err := reader.Follow(ctx); return err },
		"issues":     func() error { _, _, err := reader.Issues(ctx, status.IssueFilter{}, 5); return err },
		"failing":    func() error { _, _, err := reader.IssueItems(ctx, status.IssueFilter{}, 5, ""); return err },
		"export":     func() error { return reader.ExportIssues(ctx, status.IssueFilter{}, io.Discard) },
		"similar":    func() error { _, err := reader.Similar(ctx, "R-", account); return err },
		"search":     func() error { _, _, err := reader.Search(ctx, "R-1", 5, ""); return err },
		"counts":     func() error { _, err := reader.Counts(ctx, account); return err },
		"lag":        func() error { _, err := reader.IndexLag(ctx); return err },
		"items":      func() error { _, _, err := reader.Items(ctx, account, "us", "", 5, ""); return err },
		"waiting":    func() error { _, _, err := reader.Items(ctx, account, "us", "waiting", 5, ""); return err },
		"series": func() error {
			_, err := reader.Series(ctx, account, to.Add(-time.Hour), to, 5*time.Minute)
			return err
		},
		"quotas": func() error {
			_, err := reader.Quotas(ctx, account, to.Add(-time.Hour), to, 5*time.Minute)
			return err
		},
	}
	for name, ask := range counts {
		require.NoError(t, ask(), "%s: %s", role, name)
	}
}

// functionsAreClosed: what runs with the rights of its owner is only for those who may read
// the views, and erasing is only for the owner.
func functionsAreClosed(t *testing.T, g *guardedPostgres) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), g.admin)
	require.NoError(t, err)
	defer connection.Close(context.Background())
	rows, err := connection.Query(t.Context(), `SELECT p.proname || ' by ' || r.rolname FROM pg_proc p CROSS JOIN pg_roles r
		WHERE p.pronamespace = 'courier'::regnamespace AND (p.prosecdef OR p.proname = 'erase_item')
			AND r.rolname IN ('courier_worker', 'courier_enqueue', 'courier_reader', 'courier_operator')
			AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
			AND NOT (p.proname IN ('items', 'item', 'newer_changes', 'waiting_items', 'changes_of_item', 'mutations_at') AND r.rolname <> 'courier_enqueue')
		ORDER BY 1`)
	require.NoError(t, err)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, open)
}

// missingRightsAreNamed: a role that has none of the worker's rights hears of each table
// that the worker writes, and of no other.
func missingRightsAreNamed(t *testing.T, g *guardedPostgres) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), g.admin)
	require.NoError(t, err)
	defer connection.Close(context.Background())
	rows, err := connection.Query(t.Context(), `SELECT 'courier.' || relname FROM pg_class
		WHERE relnamespace = 'courier'::regnamespace AND relkind = 'r' AND NOT relispartition
			AND has_table_privilege('courier_worker', oid, 'UPDATE') AND has_table_privilege('courier_worker', oid, 'INSERT')
		ORDER BY 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, tables, "courier.outcome")
	pool := g.open(t, "courier_worker")
	require.NoError(t, persistence.CheckPrivileges(t.Context(), pool))
	for _, table := range tables {
		_, err := connection.Exec(t.Context(), "REVOKE INSERT ON "+table+" FROM courier_worker")
		require.NoError(t, err)
	}
	err = persistence.CheckPrivileges(t.Context(), pool)
	g.applyRoles(t)
	for _, table := range tables {
		require.ErrorContains(t, err, table)
	}
	require.NoError(t, persistence.CheckPrivileges(t.Context(), pool))
}
