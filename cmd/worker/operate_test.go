package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestMain(m *testing.M) {
	beTheCommand()
	goleak.VerifyTestMain(pgtest.Main(m), append(natstest.ServersOwn(),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))...)
}

// plant is everything that workers need, running.
type plant struct {
	environment *local.Environment
	variables   map[string]string
	config      string
	js          jetstream.JetStream
	publisher   *publish.Publisher
}

// simulatedPlatform is one of the simulated platforms.
func simulatedPlatform(t *testing.T, environment *local.Environment, name string) simulated.Platform {
	t.Helper()
	one, found := environment.Platforms.Find(name)
	require.True(t, found)
	return one
}

// newPlant starts everything without a worker.
func newPlant(t *testing.T, simulate sandbox.Options) *plant {
	t.Helper()
	environment, err := local.Start(context.WithoutCancel(t.Context()), local.Options{
		DatabaseURL: pgtest.Database(t), NATSPort: -1,
		Simulated: simulated.Options{Address: "127.0.0.1:0", Platforms: builtin.Platforms(), Behaviour: simulate},
		Logger:    telemetry.NewLogger(t.Output(), "text", 8),
	})
	require.NoError(t, err)
	p := &plant{
		environment: environment, config: filepath.Join(t.TempDir(), "courier.yaml"),
		variables: map[string]string{"NATS_URL": environment.NATS.URL(), "DATABASE_URL": environment.DatabaseURL, "COURIER_HTTP_LISTEN": "127.0.0.1:0"},
	}
	text := string(examples.Config)
	text = strings.Replace(text, "platform: pinterest", "platform: pinterest\n    base_url: "+simulatedPlatform(t, environment, "pinterest").URL, 1)
	text = strings.Replace(text, "platform: meta", "platform: meta\n    base_url: "+simulatedPlatform(t, environment, "meta").URL, 1)
	require.NoError(t, os.WriteFile(p.config, []byte(text), 0o600))

	conn, err := environment.NATS.Connect()
	require.NoError(t, err)
	p.js, err = jetstream.New(conn)
	require.NoError(t, err)
	p.publisher = publish.NewPublisher(p.js, publish.Options{PackLines: 1})
	t.Cleanup(func() {
		conn.Close()
		require.NoError(t, environment.Close())
	})
	return p
}

// work runs a worker in this process until the test ends.
func (p *plant) work(t *testing.T) {
	t.Helper()
	p.workOn(t, builtin.Platforms())
}

// workOn is work with a list of platforms.
func (p *plant) workOn(t *testing.T, platforms []platform.Descriptor) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	exited := make(chan execution, 1)
	go func() {
		exited <- executeIn(ctx, platforms, p.variables, "run", "--config", p.config, "--name", "tester")
	}()
	t.Cleanup(func() {
		cancel()
		got := <-exited
		require.Zero(t, got.code, got.err)
	})
	p.awaitStream(t)
}

// awaitStream waits until a worker has made the stream.
func (p *plant) awaitStream(t *testing.T) {
	t.Helper()
	eventually(t, "the stream is there", func() bool {
		_, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
		return err == nil
	})
}

func (p *plant) publish(t *testing.T, mutations ...publish.Mutation) {
	t.Helper()
	for i := range mutations {
		mutations[i].Account, mutations[i].Catalog, mutations[i].Type = "demo-meta", "products", "PRODUCT_ITEM"
	}
	results, err := p.publisher.PublishMutations(t.Context(), mutations...)
	require.NoError(t, err)
	require.Equal(t, len(mutations), publish.Summarize(results).Stored)
}

func (p *plant) run(t *testing.T, args ...string) execution {
	t.Helper()
	return execute(t, p.variables, args...)
}

// statuses are the statuses of a mutation's rows, oldest first.
func (p *plant) statuses(t *testing.T, id string) []string {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: p.environment.DatabaseURL, MaxConns: 1})
	require.NoError(t, err)
	defer pool.Close()
	rows, err := pool.Query(t.Context(), "SELECT status FROM courier.mutation_status WHERE mutation_id = $1 ORDER BY stream_sequence", id)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	awaiting(t, time.Minute, what, condition)
}

// awaiting is eventually with a time.
func awaiting(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			require.FailNow(t, "it never happened that "+what)
		}
	}
}

func lampOf(title string) map[string]any {
	return map[string]any{
		"title": title, "description": "d", "availability": "in stock", "condition": "new", "price": "1.00 USD",
		"link": "https://shop.example/1", "image": []map[string]string{{"url": "https://shop.example/1.jpg"}},
	}
}

//nolint:tparallel // each step stands on the one before
func TestOperatingAWorker(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "BAD", Action: sandbox.RefuseItem, Times: 1, Message: "not today"}}})
	p.work(t)

	t.Run("check finds nothing wrong", func(t *testing.T) {
		got := p.run(t, "check", "--config", p.config)
		require.Zero(t, got.code, got.out)
		require.Contains(t, got.out, "ok     schema version")
		require.Contains(t, got.out, "ok     clock")
	})
	t.Run("migrate is done already", func(t *testing.T) {
		got := p.run(t, "migrate")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "the schema is at version")
	})

	p.publish(t,
		publish.Mutation{ID: "m-bad", ItemID: "BAD-1", Operation: catalog.Create, Attributes: lampOf("one")},
		publish.Mutation{ID: "m-good", ItemID: "GOOD-1", Operation: catalog.Create, Attributes: lampOf("one")},
		publish.Mutation{ID: "m-bad-2", ItemID: "BAD-2", Operation: catalog.Create, Attributes: lampOf("one")})
	eventually(t, "all three are final", func() bool {
		return strings.Join(append(append(p.statuses(t, "m-bad"), p.statuses(t, "m-good")...), p.statuses(t, "m-bad-2")...), " ") == "failed succeeded failed"
	})

	t.Run("status shows accounts and batches", func(t *testing.T) {
		got := p.run(t, "status")
		require.Zero(t, got.code, got.err)
		require.Regexp(t, `demo-meta +meta +active`, got.out)
		require.Contains(t, got.out, "demo-meta/products/PRODUCT_ITEM")
		got = p.run(t, "status", "--output", "json", "--account", "demo-meta")
		var seen overview
		require.NoError(t, json.Unmarshal([]byte(got.out), &seen))
		require.Len(t, seen.Accounts, 1)
		require.NotEmpty(t, seen.Batches)
		require.Contains(t, p.run(t, "status", "--output", "yaml").out, "  - account: demo-meta\n")
		require.Regexp(t, `(?m)^account,platform,state,.*\ndemo-meta,meta,active,`, p.run(t, "status", "--output", "csv").out)
		got = p.run(t, "status", "--account", "demo-mata", "--output", "json")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.err, "no worker has the account demo-mata in its configuration; the nearest known name is demo-meta; known are demo-meta, demo-pinterest")
		require.True(t, json.Valid([]byte(got.out)))
		require.NotContains(t, p.run(t, "status", "--account", "demo-meta").err, "no worker has")
	})

	t.Run("dead letters are listed whole", func(t *testing.T) {
		got := p.run(t, "dead-letters", "list")
		require.Contains(t, got.out, "BAD-1")
		require.Contains(t, got.out, "not today")
		got = p.run(t, "dead-letters", "list", "--output", "json", "--mutation", "m-bad")
		var letters []letter
		require.NoError(t, json.Unmarshal([]byte(got.out), &letters))
		require.Len(t, letters, 1)
		require.Equal(t, "catalog.mutations.demo-meta.products.PRODUCT_ITEM", letters[0].Subject)
		require.Equal(t, "BAD-1", letters[0].Body.(map[string]any)["item_id"])
	})

	t.Run("a replay skips what has newer changes, and keeps the id", func(t *testing.T) {
		p.publish(t, publish.Mutation{ID: "m-newer", ItemID: "BAD-2", Operation: catalog.Create, Attributes: lampOf("two")})
		eventually(t, "the newer change is final", func() bool { return strings.Join(p.statuses(t, "m-newer"), " ") == "succeeded" })
		got := p.run(t, "dead-letters", "replay", "--reason", "refused", "--state", "open,resolved", "--yes")
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "replayed 1\n")
		require.Regexp(t, `skipped #\d+: item BAD-2 has a newer change; --force`, got.out)
		eventually(t, "the replayed mutation has a second row", func() bool {
			return strings.Join(p.statuses(t, "m-bad"), " ") == "failed succeeded"
		})
		require.Contains(t, simulatedPlatform(t, p.environment, "meta").Items("1000000001", "PRODUCT_ITEM"), "BAD-1")
		require.Contains(t, p.run(t, "dead-letters", "replay", "--all", "--yes").out, "replayed 0\n")
		require.Contains(t, p.run(t, "dead-letters", "replay", "--all", "--state", "open,resolved", "--force", "--yes").out, "replayed 1\n")
	})

	t.Run("a paused account sends nothing until it is resumed", func(t *testing.T) {
		require.Zero(t, p.run(t, "accounts", "pause", "demo-meta", "--reason", "stock-taking").code)
		got := p.run(t, "status")
		require.Regexp(t, `demo-meta +meta +paused .*stock-taking`, got.out)
		require.Zero(t, p.run(t, "accounts", "resume", "demo-meta").code)
		require.Regexp(t, `demo-meta +meta +active`, p.run(t, "status").out)
		got = p.run(t, "accounts", "pause", "nobody")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "no such account: nobody")
	})
}

func TestCommandsSayThatTheSchemaIsMissing(t *testing.T) {
	t.Parallel()
	got := execute(t, map[string]string{"DATABASE_URL": pgtest.Database(t)}, "status")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "run worker migrate")
}

func TestDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a second Postgres; make demo runs it")
	}
	got := execute(t, nil, "demo", "--timeout", "90s")
	require.Zero(t, got.code, "%s\n%s", got.out, got.err)
	require.Contains(t, got.out, "The platforms hold exactly what applying the mutations one at a time gives")
	require.Contains(t, got.out, "withheld")
	for _, status := range []string{"succeeded", "superseded", "failed", "invalid"} {
		require.Contains(t, got.out, status)
	}
}

func TestDemoSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	got := executeIn(ctx, builtin.Platforms(), nil, "demo")
	require.Equal(t, cli.Failed, got.code)
}
