package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// keepState writes down what the database says, for whoever looks for the cause of
// a violation.
func (r *run) keepState(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var text strings.Builder
	for _, relation := range []string{
		"courier.lease", "courier.worker", "courier.partition", "courier.account_status", "courier.quota_scope",
		"courier.batch_status WHERE state NOT IN ('succeeded', 'failed', 'finished') LIMIT 200",
		"courier.attempt LIMIT 500",
		"courier.mutation_status WHERE status IN ('waiting', 'submitted', 'failed', 'unconfirmed') LIMIT 1000",
	} {
		table, rest, _ := strings.Cut(relation, " ")
		var rows string
		err := r.database.pool.QueryRow(ctx,
			`SELECT coalesce(string_agg(r::text, E'\n'), '') FROM (SELECT r FROM `+table+` r `+rest+`) r`).Scan(&rows)
		_, _ = fmt.Fprintf(&text, "== %s (%v)\n%s\n\n", relation, err, rows)
	}
	return os.WriteFile(r.path("state.txt"), []byte(text.String()), 0o600)
}
