package persistence

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// writtenTables are those that a worker adds to and changes, without those that it owns and
// cuts into days.
var writtenTables = []string{
	"account", "account_health", "configured", "credential", "day_lock", "dead_letter", "dead_letter_size", "index_lock",
	"item", "item_count", "item_filling", "item_version", "lane", "lane_series", "lease",
	"notice", "notice_runner", "notice_state", "outcome", "outcome_cursor", "outcome_delivery", "outcome_webhook_disabled",
	"quota_scope", "quota_series", "recorded", "retention_clock", "rewind", "stream", "stream_mark", "waiting", "worker",
}

// CheckPrivileges says what the pool's role lacks on a migrated schema. The error is
// precondition.Failures, which pass when somebody grants it, or that of a failed call.
func CheckPrivileges(ctx context.Context, pool *pgxpool.Pool) error {
	var role string
	var schema bool
	var tables []string
	err := pool.QueryRow(ctx, `SELECT current_user, has_schema_privilege('courier', 'USAGE') AND has_schema_privilege('courier', 'CREATE'),
		coalesce((SELECT array_agg(name ORDER BY name) FROM unnest($1::text[]) AS name
			WHERE NOT (has_table_privilege('courier.' || name, 'SELECT') AND has_table_privilege('courier.' || name, 'INSERT')
				AND has_table_privilege('courier.' || name, 'UPDATE'))), '{}')`, writtenTables).Scan(&role, &schema, &tables)
	if hasCode(err, codePrivilege) {
		schema, err = false, nil
	}
	if err != nil {
		return fmt.Errorf("asking for the role's privileges: %w", err)
	}
	const cure = "grant them, as deploy/postgres/roles.sql does"
	var failures precondition.Failures
	if !schema {
		failures = append(failures, precondition.Failure{
			Key: "privileges", What: "the privileges of role " + role + " on schema courier", Found: "not enough (permission denied)",
			Wanted: "USAGE and CREATE", Cure: cure, Passing: true,
		})
	}
	if len(tables) > 0 {
		failures = append(failures, precondition.Failure{
			Key: "privileges", What: "what role " + role + " lacks", Found: "a privilege on courier." + strings.Join(tables, ", courier."),
			Wanted: "SELECT, INSERT and UPDATE", Cure: cure, Passing: true,
		})
	}
	return failures.Err()
}

const codePrivilege = "42501"
