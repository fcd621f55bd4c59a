package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// misled is a plant's environment with the NATS of another.
func (p *plant) misled(other *plant) map[string]string {
	variables := maps.Clone(p.variables)
	variables["NATS_URL"] = other.variables["NATS_URL"]
	return variables
}

func (p *plant) deliver(t *testing.T, prefix string, count int) {
	t.Helper()
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		mutations[i] = publish.Mutation{ItemID: prefix + string(rune('a'+i)), Operation: catalog.Delete}
	}
	p.publish(t, mutations...)
	eventually(t, "all is final", func() bool {
		return p.counted(t, "SELECT count(*) FROM courier.mutation_status WHERE item_id LIKE '"+prefix+"%' AND status IN ('succeeded', 'failed', 'superseded')") == count
	})
}

func (p *plant) counted(t *testing.T, query string) (count int) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), p.environment.DatabaseURL)
	require.NoError(t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	require.NoError(t, connection.QueryRow(t.Context(), query).Scan(&count))
	return count
}

// worked runs a worker while work is done.
func (p *plant) worked(t *testing.T, work func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	exited := make(chan execution, 1)
	go func() { exited <- executeIn(ctx, builtin.Platforms(), p.variables, "run", "--config", p.config) }()
	p.awaitStream(t)
	work()
	cancel()
	got := <-exited
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.err, "worker started")
	require.Contains(t, got.err, p.variables["NATS_URL"]+" (environment NATS_URL)")
	require.Contains(t, got.err, "(environment DATABASE_URL)")
}

// TestAVariableLeftInTheShell: NATS_URL of another installation overrides the file.
// Check and run say so, exit with 1, and nothing is delivered; adopting it on purpose
// says what will be sent, and asks.
func TestAVariableLeftInTheShell(t *testing.T) {
	t.Parallel()
	x, y := newPlant(t, sandbox.Options{}), newPlant(t, sandbox.Options{})
	x.worked(t, func() { x.deliver(t, "own-", 5) })
	y.worked(t, func() { y.deliver(t, "foreign-", 8) })
	variables := x.misled(y)
	file := filepath.Join(t.TempDir(), "courier.yaml")
	text, err := os.ReadFile(x.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("nats:\n  url: "+x.variables["NATS_URL"]+"\n"), text...), 0o600))

	got := x.run(t, "check", "--config", file)
	require.Zero(t, got.code, got.out)
	require.Contains(t, got.out, "ok     NATS "+x.variables["NATS_URL"]+" (environment NATS_URL, which overrides "+file+":2), server courier-embedded")
	require.Contains(t, got.out, "ok     identity")
	require.Contains(t, got.out, "(environment DATABASE_URL)")

	got = execute(t, variables, "check", "--config", file)
	require.Equal(t, cli.Failed, got.code, got.out)
	require.Contains(t, got.out, y.variables["NATS_URL"]+" (environment NATS_URL, which overrides "+file+":2)")
	require.Contains(t, got.out, "FAILED identity: ")
	require.Contains(t, got.out, "--adopt-stream")
	for _, p := range []*plant{x, y} {
		require.Contains(t, got.out, metadataOf(t, p)["catalog-courier.stream"], "both ids are named")
	}
	got = execute(t, variables, "check", "--config", file, "--output", "json")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.out, `"check": "identity"`)

	got = execute(t, variables, "run", "--config", file)
	require.Equal(t, cli.Failed, got.code, got.err)
	require.Contains(t, got.err, "--adopt-stream")
	require.Equal(t, 5, x.counted(t, "SELECT count(*) FROM courier.mutation"))

	before := stored(t, y)
	got = execute(t, variables, "dead-letters", "replay", "--all", "--yes")
	require.Equal(t, cli.Failed, got.code, "the other installation would deliver them")
	require.Contains(t, got.err, y.variables["NATS_URL"])
	require.Equal(t, before, stored(t, y))

	got = execute(t, variables, "status")
	require.Zero(t, got.code)
	require.Contains(t, got.err, "database postgres://", "it says where it looks")
	require.Contains(t, got.err, "(environment DATABASE_URL)")

	got = execute(t, variables, "migrate", "--adopt-stream")
	require.Equal(t, cli.Failed, got.code, "nobody can answer")
	require.Contains(t, got.out, "8 of the stream's 8 messages are not recorded")
	require.Contains(t, got.out, "are refused by this stream from then on")
	require.Contains(t, got.err, "--yes")
	require.Equal(t, cli.Usage, execute(t, variables, "migrate", "--yes").code)
	require.Contains(t, x.run(t, "check", "--config", file).out, "ok     identity", "nothing was changed")
	require.Contains(t, x.run(t, "migrate", "--adopt-stream", "--yes").out, "there is nothing to adopt")

	require.Equal(t, cli.Usage, execute(t, variables, "migrate", "--reason", "why not").code)
	got = execute(t, variables, "migrate", "--adopt-stream", "--yes", "--reason", "the server was replaced")
	require.Zero(t, got.code, got.err)
	logged := execute(t, variables, "audit", "--action", "adopt_stream", "--output", "json")
	require.Zero(t, logged.code, logged.err)
	require.Equal(t, 1, strings.Count(logged.out, `"action"`), "what was only asked for is not there: %s", logged.out)
	require.Contains(t, logged.out, `"reason": "the server was replaced"`)
	require.Contains(t, logged.out, `"result": "done"`)
	require.Zero(t, execute(t, variables, "check", "--config", file).code)
	require.Equal(t, cli.Failed, x.run(t, "check", "--config", file).code, "the former stream is another one now")
	require.Equal(t, cli.Failed, y.run(t, "check", "--config", y.config).code, "the former installation is refused")
	misled := *x
	misled.variables, misled.js, misled.publisher = variables, y.js, y.publisher
	misled.worked(t, func() { misled.deliver(t, "later-", 3) })
	require.Equal(t, 5+8+3, x.counted(t, "SELECT count(*) FROM courier.mutation_status WHERE status IN ('succeeded', 'failed', 'superseded')"))
	require.Equal(t, 8, x.counted(t, "SELECT count(*) FROM courier.mutation WHERE item_id LIKE 'foreign-%'"))
}

func stored(t *testing.T, p *plant) uint64 {
	t.Helper()
	handle, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	return handle.CachedInfo().State.Msgs
}

func metadataOf(t *testing.T, p *plant) map[string]string {
	t.Helper()
	handle, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	return handle.CachedInfo().Config.Metadata
}

// TestAdoptAnEmptyServer: after a lost volume, a new stream is made on purpose. What
// was not final is brought to its end.
func TestAdoptAnEmptyServer(t *testing.T) {
	t.Parallel()
	x, y := newPlant(t, sandbox.Options{}), newPlant(t, sandbox.Options{})
	x.worked(t, func() { x.deliver(t, "own-", 5) })
	variables := x.misled(y)
	require.Equal(t, cli.Failed, execute(t, variables, "run", "--config", x.config).code)
	_, err := y.js.Stream(t.Context(), queue.DefaultStreamName)
	require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "no stream is made over recorded positions")
	got := execute(t, variables, "migrate", "--adopt-stream", "--yes")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "no stream: an empty one is made")
	misled := *x
	misled.variables, misled.js, misled.publisher = variables, y.js, y.publisher
	misled.worked(t, func() { misled.deliver(t, "later-", 3) })
	require.Equal(t, 5+3, x.counted(t, "SELECT count(*) FROM courier.mutation_status WHERE status IN ('succeeded', 'failed', 'superseded')"))
}

// TestAdoptWaitsForWorkers: not while one of the database runs.
func TestAdoptWaitsForWorkers(t *testing.T) {
	t.Parallel()
	x, y := newPlant(t, sandbox.Options{}), newPlant(t, sandbox.Options{})
	x.worked(t, func() {
		x.deliver(t, "own-", 1)
		got := execute(t, x.misled(y), "migrate", "--adopt-stream", "--yes")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "stop them first")
	})
}

// TestDevKeepsToItself: variables and a file that are there by accident lead neither
// dev nor demo anywhere.
func TestDevKeepsToItself(t *testing.T) {
	t.Parallel()
	production := pgtest.Database(t)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "courier.yaml"), []byte("database: {url: "+production+"}\nnonsense: {}\n"), 0o600))
	variables := map[string]string{
		"DATABASE_URL": production, "COURIER_DATABASE_URL": production, "NATS_URL": "nats://127.0.0.1:1", "COURIER_HTTP_LISTEN": "127.0.0.1:0",
		"COURIER_NATS_TOKEN": "of-another-server",
	}
	untouched := func() {
		connection, err := pgx.Connect(t.Context(), production)
		require.NoError(t, err)
		defer func() { _ = connection.Close(context.Background()) }()
		var touched bool
		require.NoError(t, connection.QueryRow(t.Context(), "SELECT to_regnamespace('courier') IS NOT NULL").Scan(&touched))
		require.False(t, touched)
	}
	kept := t.TempDir()
	for _, above := range []string{kept, filepath.Dir(kept)} {
		require.NoError(t, os.Chmod(above, 0o755), "Postgres may run as another user")
	}
	for _, dir := range []string{"", kept} {
		args := []string{"dev", "--nats-port", "-1", "--console-listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0", "--postgres-port", "0"}
		if dir != "" {
			args = append(args, "--dir", dir)
		}
		w := startProcessIn(t, folder, variables, args...)
		eventually(t, "it works", func() bool { return strings.Contains(w.said.String(), "Query:") })
		w.terminate(t)
		require.Zero(t, w.exitCode(t))
		require.Contains(t, w.said.String(), "ignored: NATS_URL, DATABASE_URL, COURIER_DATABASE_URL, courier.yaml")
		require.Contains(t, w.said.String(), "started by worker dev")
		untouched()
	}
	w := startProcessIn(t, folder, variables, "demo")
	require.Zero(t, w.exitCode(t))
	require.Contains(t, w.said.String(), "worker demo uses servers of its own; ignored: NATS_URL")
	untouched()
	require.Equal(t, cli.Usage, execute(t, nil, "dev", "--nats", "nats://127.0.0.1:1").code)
}
