package service_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestCheckAndRunSayWhyPostgresLetsNobodyIn: for want of a password or of TLS, on either
// side. A worker waits meanwhile: somebody may correct it at the server.
func TestCheckAndRunSayWhyPostgresLetsNobodyIn(t *testing.T) {
	t.Parallel()
	g := startGuardedPostgres(t)
	_, err := persistence.Migrate(t.Context(), g.url("courier_migrate"))
	require.NoError(t, err)
	env := rig.Start(t, rig.Options{})
	wrong := strings.Replace(g.url("courier_worker"), rolePassword, "canary-wrong", 1)
	parsed, err := url.Parse(g.url("courier_worker"))
	require.NoError(t, err)
	parsed.RawQuery = "sslmode=disable"
	tries := func(name, address, says string) {
		t.Helper()
		settings := rig.Settings{"database.url": address}
		looked := lookOf(t, env, settings)["Postgres"]
		require.ErrorContains(t, looked, says, name)
		require.ErrorContains(t, looked, "database.url", name)
		require.NotContains(t, looked.Error(), "canary", name)
		w := env.StartWorker(name, rig.WorkerOptions{Settings: settings})
		env.Await(name+" is logged", patience, func() bool { return strings.Contains(w.Log.String(), says) })
		require.NotContains(t, w.Log.String(), "worker started", name)
		require.NotContains(t, w.Log.String(), "canary", name)
		w.Stop()
	}
	tries("wrong-password", wrong, "password authentication failed")
	tries("tls-required", parsed.String(), "no encryption")
	port := freePort(t)
	plain, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Parameters: map[string]string{
		"listen_addresses": "127.0.0.1", "port": port,
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, plain.Stop()) })
	tries("tls-not-offered", "postgres://courier_worker:"+rolePassword+"@127.0.0.1:"+port+"/courier?sslmode=require", "server refused TLS connection")
}
