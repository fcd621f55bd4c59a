package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/catalog-courier/catalog-courier/migrations"
)

// versionTable is where goose keeps which migrations were applied.
const versionTable = "courier.schema_version"

// ErrSchemaBehind is returned by CheckSchema when migrations are missing.
var ErrSchemaBehind = errors.New("the database schema is older than this program: run worker migrate")

// Migrate brings the schema up to date and returns its version. It is safe to
// run from many places at once: one applies, the others wait and find it done. The
// error is precondition.Failures where the database cannot be worked with at all;
// nothing is changed then.
func Migrate(ctx context.Context, url string) (version int64, err error) {
	if err := checked(ctx, url); err != nil {
		return 0, err
	}
	db, err := openForMigration(url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := createSchema(ctx, db); err != nil {
		return 0, err
	}
	// Tries every second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return 0, err
	}
	provider, err := newProvider(db, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating the schema: %w", err)
	}
	return provider.GetDBVersion(ctx)
}

// CheckSchema reports the schema's version and ErrSchemaBehind if it is older
// than this program needs. It changes nothing.
func CheckSchema(ctx context.Context, url string) (version int64, err error) {
	db, err := openForMigration(url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var exists bool
	row := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", versionTable)
	if err := row.Scan(&exists); err != nil {
		return 0, fmt.Errorf("looking for the schema: %w", err)
	}
	if !exists {
		return 0, ErrSchemaBehind
	}
	provider, err := newProvider(db)
	if err != nil {
		return 0, err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	if current < target {
		return current, fmt.Errorf("%w (version %d, needed %d)", ErrSchemaBehind, current, target)
	}
	return current, nil
}

func newProvider(db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	options = append(options, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, options...)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return provider, nil
}

func openForMigration(url string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the database URL: %w", err)
	}
	setSession(config.RuntimeParams)
	config.RuntimeParams["application_name"] = "catalog-courier migrate"
	return stdlib.OpenDB(*config), nil
}

// createSchema makes the schema for goose's own table. IF NOT EXISTS alone races
// with another CREATE, hence the lock.
func createSchema(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `DO $$ BEGIN
		PERFORM pg_advisory_xact_lock(hashtext('courier.schema'));
		CREATE SCHEMA IF NOT EXISTS courier;
	END $$`)
	if err != nil {
		return fmt.Errorf("creating the schema: %w", err)
	}
	return nil
}
