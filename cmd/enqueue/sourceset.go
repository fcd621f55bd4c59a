package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/destination"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// sourceFlags are the flags of all commands about sources.
type sourceFlags struct {
	configPath, database, natsURL string
	output                        string
	quiet                         bool
	noPacks                       bool
}

// packLines is how many changes may travel in one message.
func (f *sourceFlags) packLines() int {
	if f.noPacks {
		return 1
	}
	return publish.DefaultPackLines
}

// sources is what the commands about sources share.
type sources struct {
	streams cli.Streams
	open    connector
	given   *sourceFlags
}

// load reads the configuration with its sources.
func (s *sources) load() (*config.Config, error) {
	path, err := cli.ConfigPath(s.given.configPath)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, cli.UsageErrorf("there is no %s here: name the configuration with --config", cli.DefaultConfig)
	}
	flags := map[string]string{}
	if s.given.database != "" {
		flags["database.url"] = s.given.database
	}
	if s.given.natsURL != "" {
		flags["nats.url"] = s.given.natsURL
	}
	options := config.Options{
		Lookup: s.streams.Lookup, Environ: s.streams.Environ, Flags: flags, WithoutAccounts: true, WithSources: true, Platforms: platform.Configs(builtin.Platforms()),
	}
	loaded, err := config.Load(path, options)
	if err != nil {
		return nil, cli.ConfigError(err)
	}
	if loaded.Database.URL.IsZero() && loaded.NATS.URL.Reveal() == config.DefaultNATS && len(flags) == 0 {
		// The file names no servers: it may be one for worker dev.
		if options.Flags, options.FlagsFrom = devservers.Flags(s.streams), devservers.From; options.Flags != nil {
			if loaded, err = config.Load(path, options); err != nil {
				return nil, cli.ConfigError(err)
			}
		}
	}
	for _, warning := range loaded.Warnings {
		_, _ = fmt.Fprintln(s.streams.Err, "warning: "+warning.Error())
	}
	return loaded, nil
}

// named finds a source of the configuration.
func named(c *config.Config, name string) (config.Source, error) {
	found, ok := c.Sources[name]
	if ok {
		return found, nil
	}
	if len(c.Sources) == 0 {
		return config.Source{}, cli.UsageErrorf("the configuration has no sources: docs/feeds.md shows how one is written")
	}
	return config.Source{}, cli.UsageErrorf("there is no source %q; there is: %s", name, strings.Join(slices.Sorted(maps.Keys(c.Sources)), ", "))
}

// destinations are the types of the platforms that are built in.
var destinations = destination.Of(builtin.Platforms())

// database is the store of sources with its connections.
type database struct {
	*persistence.Sources

	pool *pgxpool.Pool
}

var errNoDatabase = errors.New("database.url is missing: sources keep in Postgres what was sent. Give --database, $DATABASE_URL or the key in the configuration")

func openDatabase(ctx context.Context, c *config.Config) (*database, error) {
	if c.Database.URL.IsZero() {
		return nil, errNoDatabase
	}
	url := c.Database.URL.Reveal()
	if _, err := persistence.CheckSchema(ctx, url); err != nil {
		return nil, fmt.Errorf("the database at %s: %w", c.Database.URL.Address(), err)
	}
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: url, MaxConns: c.Database.MaxConns, ApplicationName: "catalog-courier enqueue"})
	if err != nil {
		return nil, err
	}
	return &database{Sources: persistence.NewSources(pool, 0), pool: pool}, nil
}

// session is a source that is ready to run, with its connections.
type session struct {
	source  *source.Source
	config  *config.Config
	store   *database
	runner  *run.Runner
	closers []func()
}

func (s *session) close() {
	for _, closer := range slices.Backward(s.closers) {
		closer()
	}
}

// start connects for one source. Without publishing, NATS is not needed.
func (s *sources) start(ctx context.Context, name string, publishing bool) (_ *session, err error) {
	loaded, err := s.load()
	if err != nil {
		return nil, err
	}
	settings, err := named(loaded, name)
	if err != nil {
		return nil, err
	}
	if settings.Feed == nil {
		return nil, cli.UsageErrorf("the source %s has no feed: it has a webhook only", name)
	}
	made, err := source.New(settings, destinations, "")
	if err != nil {
		return nil, err
	}
	session := &session{source: made, config: loaded}
	defer func() {
		if err != nil {
			session.close()
		}
	}()
	if session.store, err = openDatabase(ctx, loaded); err != nil {
		return nil, err
	}
	session.closers = append(session.closers, session.store.pool.Close)
	session.runner = &run.Runner{
		Store: session.store, Logger: telemetry.NewLogger(s.streams.Err, "text", slog.LevelWarn), Name: runnerName(),
		Publish: func(context.Context, []publish.Mutation) error { return errors.New("planned only") },
	}
	if publishing {
		say := func(text string) { _, _ = fmt.Fprintln(s.streams.Err, text) }
		target, closeAll, err := s.open(ctx, loaded.NATS, publish.DefaultRetryFor, s.given.packLines(), say)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", natsconn.Address(loaded, nil), err)
		}
		session.closers = append(session.closers, closeAll)
		session.runner.Publish = run.Publishing(target)
	}
	return session, nil
}

// runnerName says to people which process holds a source.
func runnerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	// Containers may share a host name and a process id.
	return fmt.Sprintf("enqueue on %s, process %d, %s", host, os.Getpid(), rand.Text()[:6])
}
