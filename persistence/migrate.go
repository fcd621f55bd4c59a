package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	provider, err := newProvider(db, goose.WithSessionLocker(&schemaLock{db: db}))
	if err != nil {
		return 0, err
	}
	for attempt := 1; ; attempt++ {
		_, err := provider.Up(ctx)
		if hasCode(err, codeLockNotAvailable) && attempt < lockAttempts {
			continue // another migrates, or somebody reads what is to be changed
		}
		if err != nil {
			return 0, fmt.Errorf("migrating the schema: %w", err)
		}
		return provider.GetDBVersion(ctx)
	}
}

const (
	// migrationLockWait is how long a migration waits for a lock before it tries again
	// from the start. Whoever comes after it waits as long, so that it is short.
	migrationLockWait = "10s"
	// lockAttempts of them are five minutes.
	lockAttempts = 30
)

// schemaLock lets one migration run at a time. It locks a table, in a session of its
// own: advisory locks are open to every role that may connect, so that one that only
// reads could keep a migration from ever beginning.
type schemaLock struct {
	db      *sql.DB
	session *sql.Conn
	held    *sql.Tx
}

// SessionLock implements lock.SessionLocker. Goose calls it and SessionUnlock in turn.
func (l *schemaLock) SessionLock(ctx context.Context, _ *sql.Conn) (err error) {
	if l.session, err = l.db.Conn(ctx); err != nil {
		return err
	}
	if l.held, err = l.session.BeginTx(ctx, nil); err == nil {
		_, err = l.held.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`)
	}
	if err == nil {
		_, err = l.held.ExecContext(ctx, `LOCK TABLE courier.schema_lock IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("waiting for another migration: %w", err), l.SessionUnlock(ctx, nil))
	}
	return nil
}

// SessionUnlock implements lock.SessionLocker.
func (l *schemaLock) SessionUnlock(context.Context, *sql.Conn) error {
	var err error
	if l.held != nil {
		err = l.held.Rollback()
	}
	err = errors.Join(err, l.session.Close())
	l.held, l.session = nil, nil
	return err
}

var _ lock.SessionLocker = (*schemaLock)(nil)

// hasCode reports whether the server answered with one of these codes.
func hasCode(err error, codes ...string) bool {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	return answered && slices.Contains(codes, problem.Code)
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

// SchemaWarning says that a schema of the version is newer than this program; "" when it
// is not. It is not an error: workers that are replaced one by one meet it.
func SchemaWarning(version int64) string {
	if newest := migrations.Newest(); version > newest {
		return fmt.Sprintf("the database schema (version %d) is newer than this program (version %d): "+
			"use the program that migrated it, when its workers are all replaced", version, newest)
	}
	return ""
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
	config.ConnectTimeout = connectTimeout
	return stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, connection *pgx.Conn) error {
		settings := sessionSettings()
		settings["lock_timeout"] = migrationLockWait
		// What a role allows to statements of every day may be too short for a migration.
		settings["statement_timeout"], settings["idle_in_transaction_session_timeout"] = "0", "0"
		return set(ctx, connection, settings)
	})), nil
}

// createSchema makes the schema for goose's own table, and the table that migrations
// lock. IF NOT EXISTS races with another CREATE, of which one fails: by then it is there.
func createSchema(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{
		"CREATE SCHEMA IF NOT EXISTS courier",
		"CREATE TABLE IF NOT EXISTS courier.schema_lock ()",
	} {
		_, err := db.ExecContext(ctx, statement)
		if err != nil && !hasCode(err, codeUnique, codeDuplicateSchema, codeDuplicateTable, codeDuplicateType) {
			return fmt.Errorf("creating the schema: %w", err)
		}
	}
	return nil
}

// What Postgres says of what another has made meanwhile.
const (
	codeDuplicateSchema = "42P06"
	codeDuplicateTable  = "42P07"
	codeDuplicateType   = "42710"
)
