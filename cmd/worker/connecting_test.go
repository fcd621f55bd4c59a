package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// TestWhyPostgresCannotBeReachedIsSaid by all that connects, where TLS is tried first and
// the server has none: that hides nothing.
func TestWhyPostgresCannotBeReachedIsSaid(t *testing.T) {
	t.Parallel()
	nats := broker(t, nil)
	database, err := pgx.ParseConfig(persistencetest.Database(t))
	require.NoError(t, err)
	address := forwarded(t, filepath.Join(database.Host, fmt.Sprintf(".s.PGSQL.%d", database.Port)))
	// Without sslmode, as most people write it.
	with := func(name, user, more string) string {
		return "postgres://" + user + ":p@" + address + "/" + name + "?" + more
	}
	for name, test := range map[string]struct{ database, says string }{
		"no such database": {with("no_such_database", database.User, ""), `database "no_such_database" does not exist`},
		"no such role":     {with(database.Database, "no_such_role", "sslmode=prefer"), `role "no_such_role" does not exist`},
		"no such setting":  {with(database.Database, database.User, "work_mem=nothing"), `invalid value for parameter "work_mem"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "courier.yaml")
			require.NoError(t, os.WriteFile(path, []byte("http: {listen: '127.0.0.1:0'}\n"+
				"accounts: {a: {platform: meta, access_token: t, base_url: 'http://127.0.0.1:1', catalogs: {c: {catalog_id: '1'}}}}\n"), 0o600))
			variables := map[string]string{"NATS_URL": nats, "DATABASE_URL": test.database}
			for _, command := range [][]string{{"check", "--config", path}, {"status"}, {"migrate"}, {"dead-letters", "list"}} {
				got := execute(t, variables, command...)
				require.Equal(t, cli.Failed, got.code)
				require.Contains(t, got.out+got.err, test.says, command)
				require.NotContains(t, got.out+got.err, "tls error", command)
			}
			limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			got := executeIn(limited, builtin.Platforms(), variables, "run", "--config", path)
			require.Contains(t, strings.ReplaceAll(got.err, `\"`, `"`), test.says)
			require.NotContains(t, got.err, "tls error")
			for line := range strings.Lines(got.err) {
				require.True(t, strings.HasPrefix(line, "time=") || strings.HasPrefix(line, "{") || strings.HasPrefix(line, "worker run:"), "one line each: %s", line)
			}
		})
	}
}

// forwarded is a TCP address that leads to a socket of this machine: servers of tests
// listen on one alone.
func forwarded(t *testing.T, socket string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
			if err != nil {
				_ = client.Close()
				continue
			}
			both := func() { _ = client.Close(); _ = server.Close() }
			ended := context.AfterFunc(ctx, both)
			running.Go(func() { _, _ = io.Copy(server, client); both() })
			running.Go(func() { _, _ = io.Copy(client, server); both(); ended() })
		}
	})
	return listener.Addr().String()
}
