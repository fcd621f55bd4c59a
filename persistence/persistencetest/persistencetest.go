// Package persistencetest gives each test a database of its own with the schema.
//
// A package that uses it ends the server in TestMain, as lab/embedded/pgtest says.
package persistencetest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// migrated is global because a template database belongs to the test binary.
var migrated = pgtest.NewTemplate(func(ctx context.Context, url string) error {
	if _, err := persistence.Migrate(ctx, url); err != nil {
		return err
	}
	return startDays(ctx, url)
})

// Database makes a database with the schema and the partitions of the days that a worker
// makes when it starts, drops it when the test ends, and returns its URL.
func Database(tb testing.TB) string {
	tb.Helper()
	return migrated.Database(tb)
}

// startDays makes the partitions of today and the days that follow it once, for all tests:
// making them for each test took more of the server's time than any other statement.
func startDays(ctx context.Context, url string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, "SELECT courier.start_day(current_date + ahead) FROM generate_series(0, $1::integer) ahead", persistence.DaysAhead)
	if closeErr := connection.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}
