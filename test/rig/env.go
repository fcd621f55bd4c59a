// Package rig is a place to try whole workers out: a real NATS server with
// its stream on disk, a real Postgres with the schema, and simulated platforms
// that keep state. It says what must be true in the end (see Env.CheckInvariants)
// by applying the published mutations one at a time to platforms of its own,
// never by the code that merges them.
package rig

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Options say how the environment differs from a quick and honest one.
type Options struct {
	Pinterest sandbox.Options
	Meta      sandbox.Options
	// Settings are overlaid on those of Settings' documentation.
	Settings Settings
	// Listen makes NATS reachable for other processes.
	Listen bool
	// Database is the URL of an empty database to use instead of a fresh one.
	Database string
	// PackLines is how many mutations may travel in one message. 0: one, so that a test may
	// count messages.
	PackLines int
	// Unmigrated leaves the schema of Database as it is.
	Unmigrated bool
}

// Env is one test's surroundings.
type Env struct {
	NATS      *natstest.Server
	Database  string // its URL
	DB        *pgxpool.Pool
	Store     *persistence.Store
	Pinterest *pinterestsim.Platform
	Meta      *metasim.Platform
	// PinterestInterceptor and MetaInterceptor stand before the platforms.
	PinterestInterceptor *Interceptor
	MetaInterceptor      *Interceptor

	tb        testing.TB
	options   Options
	settings  Settings
	js        jetstream.JetStream
	publisher *publish.Publisher
	restored  time.Time
}

// Start makes an environment that ends with the test. Its stream is there already, so that
// a test may publish before the first worker starts.
func Start(tb testing.TB, options Options) *Env {
	tb.Helper()
	e := &Env{tb: tb, options: options, Database: options.Database}
	if e.Database == "" {
		e.Database = persistencetest.Database(tb)
	} else if !options.Unmigrated {
		_, err := persistence.Migrate(tb.Context(), e.Database)
		require.NoError(tb, err)
	}
	if options.Listen {
		e.NATS = natstest.Listen(tb)
	} else {
		e.NATS = natstest.Start(tb)
	}
	e.DB = e.openDatabase()
	e.startPlatforms()
	e.settings = e.baseSettings().With(options.Settings)
	e.js = e.NATS.JetStream(tb)
	e.publisher = publish.NewPublisher(e.js, publish.Options{
		Timeout: 5 * time.Second, RetryFor: time.Minute, PackLines: max(options.PackLines, 1),
	})
	_, err := queue.Ensure(tb.Context(), e.js, e.streamConfig())
	require.NoError(tb, err)
	return e
}

func (e *Env) openDatabase() *pgxpool.Pool {
	pool, err := persistence.Open(e.tb.Context(), persistence.PoolConfig{URL: e.Database, MaxConns: 4, ApplicationName: "rig"})
	require.NoError(e.tb, err)
	e.tb.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(e.tb, err)
	e.tb.Cleanup(store.Close)
	e.Store = store
	return pool
}

func (e *Env) startPlatforms() {
	e.Pinterest = pinterestsim.New(e.options.Pinterest)
	e.tb.Cleanup(e.Pinterest.Close)
	e.Meta = metasim.New(e.options.Meta)
	e.tb.Cleanup(e.Meta.Close)
	e.PinterestInterceptor, e.MetaInterceptor = e.intercept(e.Pinterest), e.intercept(e.Meta)
}

func (e *Env) intercept(platform http.Handler) *Interceptor {
	i := NewInterceptor(platform, "")
	address, end, err := Serve(e.tb.Context(), i)
	require.NoError(e.tb, err)
	e.tb.Cleanup(func() { _ = end() })
	i.base = "http://" + address
	return i
}

// Restored says that the database was restored from an older copy just now: what was
// published before may be applied twice.
func (e *Env) Restored() {
	e.DB.Reset() // its connections knew the database of before
	e.restored = time.Now()
}

// JetStream is a client of the environment's server.
func (e *Env) JetStream() jetstream.JetStream { return e.js }

// Context ends with the test.
func (e *Env) Context() context.Context { return e.tb.Context() }

// Await looks again and again until condition holds, and fails the test when it
// does not within the time. It looks less often the longer it waits: what most conditions ask
// costs the database as much as the work they wait for.
func (e *Env) Await(what string, within time.Duration, condition func() bool) {
	e.tb.Helper()
	const shortest, longest, part = 10 * time.Millisecond, 250 * time.Millisecond, 10
	began := time.Now()
	for !condition() {
		waited := time.Since(began)
		if waited > within {
			e.tb.Fatalf("not within %s: %s", within, what)
		}
		<-time.After(min(max(waited/part, shortest), longest))
	}
}
