package persistence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolConfig says how to connect.
type PoolConfig struct {
	// URL is a connection string, as libpq takes it. It may hold a password and is
	// never logged. The connections must be direct or pooled by session: the
	// settings below and prepared statements belong to a session.
	URL string
	// MaxConns bounds the connections. Defaults to 10.
	MaxConns int
	// ApplicationName is shown in pg_stat_activity. Defaults to catalog-courier.
	ApplicationName string
	// StatementTimeout bounds every statement on the server, also one whose client
	// has stopped in the middle of it: that is how long a worker that stops between
	// the first and the last byte of a flight can hold a lock. Defaults to 30 s.
	StatementTimeout time.Duration
	// Tracer, when not nil, sees every call.
	Tracer pgx.QueryTracer
}

// connectTimeout bounds the making of one connection.
const connectTimeout = 10 * time.Second

// setSession sets what every session of this program depends on. Sent with the start
// of the connection, it overrides what the URL's options, the environment, the role
// and the database say.
func setSession(parameters map[string]string) {
	parameters["client_encoding"] = "UTF8"
	parameters["standard_conforming_strings"] = "on"
	parameters["DateStyle"] = "ISO, MDY"
	parameters["timezone"] = "UTC"
}

// sessionSettings are the rest of it, which a pooler does not take at the start of a
// connection. Statements name the schema of every table: with an empty search path
// nobody's object of another schema is meant instead, of a name that a statement uses.
func sessionSettings() map[string]string {
	return map[string]string{
		"search_path":        "pg_catalog, pg_temp",
		"IntervalStyle":      "postgres",
		"bytea_output":       "hex",
		"array_nulls":        "on",
		"lock_timeout":       "0",
		"extra_float_digits": "1",
	}
}

// Open prepares a pool without connecting. Errors never hold the URL's password.
func Open(ctx context.Context, config PoolConfig) (*pgxpool.Pool, error) {
	parsed, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the database URL: %w", err)
	}
	parsed.MaxConns = int32(min(cmp.Or(config.MaxConns, 10), 1000)) //nolint:gosec // bounded
	parsed.MaxConnIdleTime = 5 * time.Minute
	parsed.ConnConfig.ConnectTimeout = connectTimeout
	parsed.ConnConfig.Tracer = config.Tracer
	timeout := cmp.Or(config.StatementTimeout, 30*time.Second)
	setSession(parsed.ConnConfig.RuntimeParams)
	parsed.ConnConfig.RuntimeParams["application_name"] = cmp.Or(config.ApplicationName, "catalog-courier")
	settings := sessionSettings()
	maps.Copy(settings, map[string]string{
		"statement_timeout":                   milliseconds(timeout),
		"idle_in_transaction_session_timeout": milliseconds(timeout),
		"default_transaction_isolation":       "read committed",
		// Look-ups through the views are short; compiling them costs more than it saves.
		"jit": "off",
		// Arrays have one row or thousands. A plan for any number of them takes them to
		// be ten, and joins thousands by nested loops: minutes instead of milliseconds.
		"plan_cache_mode": "force_custom_plan",
	})
	parsed.AfterConnect = prepare(settings)
	return pgxpool.NewWithConfig(ctx, parsed)
}

// closeTimeout bounds ClosePool.
const closeTimeout = 3 * time.Second

// ClosePool closes a pool and waits until its connections are closed, or for three seconds: of
// a server that does not answer, pgx waits 15 s for the answer to each call that it gave
// up. What is left then ends by those limits, without anybody's help.
func ClosePool(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// prepare sets what a session needs besides setSession, makes times come as UTC, turns
// synchronous_commit on where the server's default is weaker, and leaves a stronger one
// (remote_apply) alone. It uses SQL: a pooler refuses a connection that asks for these
// settings at its start.
func prepare(settings map[string]string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, connection *pgx.Conn) error {
		connection.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		registerUUIDs(connection.TypeMap())
		registerArrays(connection.TypeMap())
		if err := set(ctx, connection, settings); err != nil {
			return err
		}
		_, err := connection.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false)
			WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')`, pgx.QueryExecModeSimpleProtocol)
		return err
	}
}

// set gives the session the settings. It prepares nothing: that would fail behind a
// pooler by transaction, which is to be recognised and not to be stumbled over.
func set(ctx context.Context, connection *pgx.Conn, settings map[string]string) error {
	keys := slices.Sorted(maps.Keys(settings))
	values := make([]string, len(keys))
	for i, key := range keys {
		values[i] = settings[key]
	}
	_, err := connection.Exec(ctx, `SELECT set_config(key, value, false) FROM unnest($1::text[], $2::text[]) AS settings (key, value)`,
		pgx.QueryExecModeSimpleProtocol, keys, values)
	if err != nil {
		return fmt.Errorf("setting up the session: %w", err)
	}
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
