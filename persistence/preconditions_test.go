package persistence_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// databaseWith makes a database on the tests' server.
func databaseWith(t *testing.T, options string) (address string) {
	t.Helper()
	base := pgtest.Database(t)
	name := "other_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run := func(statement string) {
		connection, err := pgx.Connect(context.Background(), base)
		require.NoError(t, err)
		defer func() { _ = connection.Close(context.Background()) }()
		_, err = connection.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
	run("CREATE DATABASE " + name + " TEMPLATE template0 " + options)
	t.Cleanup(func() { run("DROP DATABASE " + name + " WITH (FORCE)") })
	parsed, err := url.Parse(base)
	require.NoError(t, err)
	parsed.Path = "/" + name
	return parsed.String()
}

// TestOtherEncodingsAreRefused: what such a database cannot hold would stop a
// partition, and what it holds nobody finds again.
func TestOtherEncodingsAreRefused(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"EUC_JP", "LATIN1", "SQL_ASCII", "WIN1252", "EUC_KR", "KOI8R"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			address := databaseWith(t, "ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C'")
			_, err := persistence.Migrate(t.Context(), address)
			require.ErrorContains(t, err, "the database's encoding is "+encoding+"; UTF8 is needed")
			require.True(t, precondition.Permanent(err))
			failures, err := persistence.Preconditions(t.Context(), address)
			require.NoError(t, err)
			require.Len(t, failures, 1)
			require.Equal(t, "server_encoding", failures[0].Key)
			connection, err := pgx.Connect(t.Context(), address)
			require.NoError(t, err)
			defer func() { _ = connection.Close(context.Background()) }()
			var made bool
			require.NoError(t, connection.QueryRow(t.Context(), "SELECT to_regnamespace('courier') IS NOT NULL").Scan(&made))
			require.False(t, made, "nothing was made")
		})
	}
	failures, err := persistence.Preconditions(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	require.Empty(t, failures)
}

// withQuery adds a parameter to the address of a database.
func withQuery(t *testing.T, address, key, value string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	query := parsed.Query()
	query.Set(key, value)
	parsed.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return parsed.String()
}

// TestSessionsAreWhatTheyMustBe: whatever the address, the role or the database say.
func TestSessionsAreWhatTheyMustBe(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"client_encoding in the address":                     withQuery(t, persistencetest.Database(t), "client_encoding", "LATIN1"),
		"client_encoding in the options":                     withQuery(t, persistencetest.Database(t), "options", "-c client_encoding=LATIN1"),
		"standard_conforming_strings in the options":         withQuery(t, persistencetest.Database(t), "options", "-c standard_conforming_strings=off"),
		"client_encoding of the database":                    alter(t, "SET client_encoding = 'EUC_JP'"),
		"standard_conforming_strings of the database":        alter(t, "SET standard_conforming_strings = off"),
		"both, and a backslash_quote that hides what is off": alter(t, "SET backslash_quote = on"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures, err := persistence.Preconditions(t.Context(), address)
			require.NoError(t, err)
			require.Empty(t, failures)
			pool := newPool(t, address)
			var encoding, conforming, text string
			require.NoError(t, pool.QueryRow(t.Context(),
				"SELECT current_setting('client_encoding'), current_setting('standard_conforming_strings'), $1::text", "größe-🧥-コート\\").
				Scan(&encoding, &conforming, &text))
			require.Equal(t, []string{"UTF8", "on", "größe-🧥-コート\\"}, []string{encoding, conforming, text})
			_, err = persistence.Migrate(t.Context(), address)
			require.NoError(t, err)
		})
	}
}

// unfriendly are settings under which texts, names or locks mean something else.
var unfriendly = map[string]string{
	"DateStyle": "'German, DMY'", "IntervalStyle": "iso_8601", "TimeZone": "'Pacific/Kiritimati'",
	"search_path": "shadow, pg_catalog", "standard_conforming_strings": "off", "client_encoding": "LATIN1",
	"bytea_output": "escape", "array_nulls": "off", "extra_float_digits": "-15", "lock_timeout": "'1ms'",
	"statement_timeout": "'7s'", "default_transaction_isolation": "serializable", "plan_cache_mode": "force_generic_plan",
	"synchronous_commit": "off", "idle_in_transaction_session_timeout": "'7s'", "backslash_quote": "on",
}

// TestUnfriendlySettingsReachNoSession: neither those of the database nor of the role,
// and no function of another schema stands for one of Postgres.
func TestUnfriendlySettingsReachNoSession(t *testing.T) {
	t.Parallel()
	address := persistencetest.Database(t)
	admin, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	run := func(statement string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	role := "role_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run("CREATE ROLE " + role + " LOGIN SUPERUSER")
	run("CREATE SCHEMA shadow")
	run("CREATE FUNCTION shadow.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$")
	run("CREATE FUNCTION shadow.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$")
	for setting, value := range unfriendly {
		run("ALTER DATABASE " + admin.Config().Database + " SET " + setting + " = " + value)
		run("ALTER ROLE " + role + " SET " + setting + " = " + value)
	}
	for name, address := range map[string]string{"database": address, "role": withQuery(t, address, "user", role)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := persistence.Migrate(t.Context(), address)
			require.NoError(t, err)
			pool := newPool(t, address)
			for setting, value := range unfriendly {
				var found string
				require.NoError(t, pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&found))
				if setting != "backslash_quote" { // of no meaning with standard_conforming_strings
					require.NotEqual(t, strings.Trim(value, "'"), found, setting)
				}
			}
			var recent bool
			require.NoError(t, pool.QueryRow(t.Context(), "SELECT now() > '2000-01-01' AND clock_timestamp() > '2000-01-01'").Scan(&recent))
			require.True(t, recent, "the functions are Postgres's own")
			store, err := persistence.NewStore(pool, persistence.Config{})
			require.NoError(t, err)
			defer store.Close()
			at, err := store.Clock(t.Context())
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
			require.NoError(t, store.EnsurePartitions(t.Context(), 64))
		})
	}
}

// alter clones the migrated database and changes its settings.
func alter(t *testing.T, settings string) (address string) {
	t.Helper()
	address = persistencetest.Database(t)
	connection, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	_, err = connection.Exec(t.Context(), "ALTER DATABASE "+connection.Config().Database+" "+settings)
	require.NoError(t, err)
	return address
}

// TestReadOnlyDatabase is one that a worker waits for: a failover may be under way.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	address := alter(t, "SET default_transaction_read_only = on")
	failures, err := persistence.Preconditions(t.Context(), address)
	require.NoError(t, err)
	require.Len(t, failures, 1)
	require.Equal(t, "transaction_read_only", failures[0].Key)
	require.False(t, precondition.Permanent(failures.Err()))
	_, err = persistence.Migrate(t.Context(), address)
	require.ErrorContains(t, err, "default_transaction_read_only is on; off is needed")
}

// TestStandbyIsRefused: a worker waits for its promotion, and says so.
func TestStandbyIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, above := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(above, 0o755), "Postgres may run as another user")
	}
	start := func() *embedded.Postgres {
		server, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Dir: filepath.Join(dir, "postgres")})
		require.NoError(t, err)
		return server
	}
	require.NoError(t, start().Stop())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres", "data", "standby.signal"), nil, 0o644))
	server := start()
	defer func() { require.NoError(t, server.Stop()) }()
	failures, err := persistence.Preconditions(t.Context(), server.URL())
	require.NoError(t, err)
	require.Len(t, failures, 1)
	require.Equal(t, "in_recovery", failures[0].Key)
	require.False(t, precondition.Permanent(failures.Err()))
	_, err = persistence.Migrate(t.Context(), server.URL())
	require.ErrorContains(t, err, "the server's role is a standby in recovery; the primary is needed")
}
