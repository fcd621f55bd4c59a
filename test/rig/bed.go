// Package rig is a place to try whole workers out: a real NATS server with
// its stream on disk, a real Postgres with the schema, and simulated platforms
// that keep state. It says what must be true in the end (see Bed.CheckInvariants)
// by applying the published mutations one at a time to platforms of its own,
// never by the code that merges them.
package rig

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Options say how the bed differs from a quick and honest one.
type Options struct {
	Pinterest sandbox.Options
	Meta      sandbox.Options
	// Settings are overlaid on those of Settings' documentation.
	Settings Settings
	// Listen makes NATS reachable for other processes.
	Listen bool
	// Database is the URL of an empty database to use instead of a fresh one.
	Database string
}

// Bed is one test's surroundings.
type Bed struct {
	NATS      *natstest.Server
	Database  string // its URL
	DB        *pgxpool.Pool
	Store     *persistence.Store
	Pinterest *sandbox.Pinterest
	Meta      *sandbox.Meta
	// PinterestGate and MetaGate stand before the platforms.
	PinterestGate *Gate
	MetaGate      *Gate

	tb        testing.TB
	options   Options
	settings  Settings
	js        jetstream.JetStream
	publisher *publish.Publisher
}

// migrated is global because a template database belongs to the test binary.
var migrated = pgtest.NewTemplate(func(ctx context.Context, url string) error {
	_, err := persistence.Migrate(ctx, url)
	return err
})

// Start makes a bed that ends with the test. Its stream is there already, so that
// a test may publish before the first worker starts.
func Start(tb testing.TB, options Options) *Bed {
	tb.Helper()
	b := &Bed{tb: tb, options: options, Database: options.Database}
	if b.Database == "" {
		b.Database = migrated.Database(tb)
	} else {
		_, err := persistence.Migrate(tb.Context(), b.Database)
		require.NoError(tb, err)
	}
	if options.Listen {
		b.NATS = natstest.Listen(tb)
	} else {
		b.NATS = natstest.Start(tb)
	}
	b.DB = b.openDatabase()
	b.startPlatforms()
	b.settings = b.baseSettings().With(options.Settings)
	b.js = b.NATS.JetStream(tb)
	b.publisher = publish.NewPublisher(b.js, publish.Options{Timeout: 2 * time.Second, RetryFor: 20 * time.Second})
	_, err := queue.Ensure(tb.Context(), b.js, b.streamConfig())
	require.NoError(tb, err)
	return b
}

func (b *Bed) openDatabase() *pgxpool.Pool {
	pool, err := persistence.Open(b.tb.Context(), persistence.PoolConfig{URL: b.Database, MaxConns: 4, ApplicationName: "rig"})
	require.NoError(b.tb, err)
	b.tb.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b.tb, err)
	b.tb.Cleanup(store.Close)
	b.Store = store
	return pool
}

func (b *Bed) startPlatforms() {
	b.Pinterest = sandbox.NewPinterest(b.options.Pinterest)
	b.tb.Cleanup(b.Pinterest.Close)
	b.Meta = sandbox.NewMeta(b.options.Meta)
	b.tb.Cleanup(b.Meta.Close)
	b.PinterestGate = newGate(b.tb, b.Pinterest)
	b.MetaGate = newGate(b.tb, b.Meta)
}

// JetStream is a client of the bed's server.
func (b *Bed) JetStream() jetstream.JetStream { return b.js }

// Context ends with the test.
func (b *Bed) Context() context.Context { return b.tb.Context() }

// Await looks again and again until condition holds, and fails the test when it
// does not within the time.
func (b *Bed) Await(what string, within time.Duration, condition func() bool) {
	b.tb.Helper()
	const pause = 25 * time.Millisecond
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	look := time.NewTicker(pause)
	defer look.Stop()
	for !condition() {
		select {
		case <-look.C:
		case <-deadline.C:
			b.tb.Fatalf("not within %s: %s", within, what)
		}
	}
}
