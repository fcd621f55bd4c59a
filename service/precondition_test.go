package service_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

func executed(t *testing.T, database, statement string) {
	t.Helper()
	connection, err := pgx.Connect(context.Background(), database)
	require.NoError(t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	_, err = connection.Exec(context.Background(), statement)
	require.NoError(t, err, statement)
}

// databaseOf makes a database with the encoding.
func databaseOf(t *testing.T, encoding string) string {
	t.Helper()
	base, name := pgtest.Database(t), "other_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	executed(t, base, "CREATE DATABASE "+name+" ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	t.Cleanup(func() { executed(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	parsed, err := url.Parse(base)
	require.NoError(t, err)
	parsed.Path = "/" + name
	return parsed.String()
}

// TestRunAndCheckRefuseTheSame: what a database must be is one list.
func TestRunAndCheckRefuseTheSame(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	for _, encoding := range []string{"EUC_JP", "LATIN1", "SQL_ASCII"} {
		settings := rig.Settings{"database.url": databaseOf(t, encoding)}
		err := env.StartWorker(encoding, rig.WorkerOptions{Settings: settings}).Wait(patience)
		require.ErrorContains(t, err, "the database's encoding is "+encoding+"; UTF8 is needed")
		require.True(t, precondition.Permanent(err))
		refused, _ := errors.AsType[precondition.Failures](err)
		looked, _ := errors.AsType[precondition.Failures](lookOf(t, env, settings)["Postgres"])
		require.Equal(t, refused, looked)
	}
}

func lookOf(t *testing.T, env *rig.Env, settings rig.Settings) map[string]error {
	t.Helper()
	looked := map[string]error{}
	for _, finding := range service.Look(t.Context(), env.Config("look", settings), nats.InProcessServer(env.NATS)) {
		looked[finding.Check] = finding.Err
	}
	return looked
}

// TestReadOnlyDatabaseIsWaitedFor: a failover may be under way; the worker says what it
// waits for.
func TestReadOnlyDatabaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	parsed, err := url.Parse(env.Database)
	require.NoError(t, err)
	name := strings.TrimPrefix(parsed.Path, "/")
	executed(t, env.Database, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	w := env.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("default_transaction_read_only is on; off is needed", patience)
	require.ErrorContains(t, lookOf(t, env, nil)["Postgres"], "default_transaction_read_only")
	executed(t, env.Database+"&options=-c%20default_transaction_read_only%3Doff", "ALTER DATABASE "+name+" RESET default_transaction_read_only")
	w.AwaitLog("worker started", patience)
	for check, err := range lookOf(t, env, nil) {
		require.NoError(t, err, check)
	}
}
