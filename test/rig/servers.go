package rig

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
)

// ServerOptions say what servers to start.
type ServerOptions struct {
	// Config is the text of a courier.yaml. ${NATS_URL}, ${DATABASE_URL},
	// ${PINTEREST_URL}, ${META_URL} and ${TOKEN} stand for what is started.
	Config string
	// Postgres are further server settings; fsync and synchronous_commit are on.
	Postgres  map[string]string
	Pinterest sandbox.Options
	Meta      sandbox.Options
	// Around, when not nil, makes what stands between the workers and each simulated
	// platform.
	Around func(platform http.Handler) http.Handler
	// Log gets the warnings and errors of workers and servers.
	Log io.Writer
}

// Servers are a broker, a database and simulated platforms for programs, without a
// test: each is a server of its own, which nothing else uses. All but Postgres run in
// this process, so that one profile shows where the time goes.
type Servers struct {
	Config    *config.Config
	Conn      *nats.Conn
	JetStream jetstream.JetStream
	Stream    *queue.Stream
	Database  *pgxpool.Pool
	Pinterest *pinterestsim.Platform
	Meta      *metasim.Platform

	log       io.Writer
	logger    *slog.Logger
	variables map[string]string
	closers   []func() error // in the order they were opened
}

// Variables are what the configuration's ${…} stand for, for workers in processes of
// their own.
func (s *Servers) Variables() map[string]string { return maps.Clone(s.variables) }

// StartServers starts everything but workers. Close it, also after an error of its use.
func StartServers(ctx context.Context, options ServerOptions) (started *Servers, err error) {
	started = &Servers{log: options.Log, logger: telemetry.NewLogger(options.Log, logFormat, slog.LevelWarn)}
	defer func() {
		if err != nil {
			err = errors.Join(err, started.Close())
			started = nil
		}
	}()
	variables := map[string]string{"TOKEN": "sandbox-token"}
	if variables["NATS_URL"], err = started.startNATS(); err != nil {
		return started, err
	}
	if variables["DATABASE_URL"], err = started.startPostgres(ctx, options); err != nil {
		return started, err
	}
	if err := started.startPlatforms(ctx, options, variables); err != nil {
		return started, err
	}
	started.variables = variables
	if started.Config, err = loadConfig(options.Config, variables); err != nil {
		return started, err
	}
	return started, started.connect(ctx)
}

func (s *Servers) onClose(end func() error) { s.closers = append(s.closers, end) }

// Close ends everything, the last thing started first.
func (s *Servers) Close() error {
	var err error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		err = errors.Join(err, s.closers[last]())
		s.closers = s.closers[:last]
	}
	return err
}

func (s *Servers) startNATS() (url string, err error) {
	folder, err := os.MkdirTemp("", "courier-bench-nats-")
	if err != nil {
		return "", err
	}
	s.onClose(func() error { return os.RemoveAll(folder) })
	server, err := embedded.StartNATS(embedded.NATSOptions{
		StoreDir: folder, Port: -1, Logger: s.logger,
	})
	if err != nil {
		return "", err
	}
	s.onClose(func() error { server.Shutdown(); return nil })
	return server.URL(), nil
}

func (s *Servers) startPostgres(ctx context.Context, options ServerOptions) (url string, err error) {
	server, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Durable: true, Parameters: options.Postgres, Logger: s.logger,
	})
	if err != nil {
		return "", err
	}
	s.onClose(server.Stop)
	if _, err := persistence.Migrate(ctx, server.URL()); err != nil {
		return "", err
	}
	s.Database, err = pgxpool.New(ctx, server.URL())
	if err != nil {
		return "", err
	}
	s.onClose(func() error { s.Database.Close(); return nil })
	return server.URL(), nil
}

func (s *Servers) startPlatforms(ctx context.Context, options ServerOptions, variables map[string]string) error {
	s.Pinterest = pinterestsim.New(options.Pinterest)
	s.onClose(func() error { s.Pinterest.Close(); return nil })
	s.Meta = metasim.New(options.Meta)
	s.onClose(func() error { s.Meta.Close(); return nil })
	for name, handler := range map[string]http.Handler{"PINTEREST_URL": s.Pinterest, "META_URL": s.Meta} {
		if options.Around != nil {
			handler = options.Around(handler)
		}
		address, end, err := Serve(ctx, handler)
		if err != nil {
			return err
		}
		s.onClose(end)
		variables[name] = "http://" + address
	}
	return nil
}

// loadConfig reads the settings the way the worker does, from a file.
func loadConfig(text string, variables map[string]string) (*config.Config, error) {
	folder, err := os.MkdirTemp("", "courier-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "courier.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return config.Load(path, config.Options{Platforms: platform.Configs(builtin.Platforms()), Lookup: func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}})
}

func (s *Servers) connect(ctx context.Context) (err error) {
	var end func()
	if s.JetStream, end, err = s.Producer(); err != nil {
		return err
	}
	s.onClose(func() error { end(); return nil })
	s.Conn = s.JetStream.Conn()
	s.Stream, err = queue.Ensure(ctx, s.JetStream, service.StreamConfig(s.Config.NATS))
	return err
}

// Producer is a client with a connection of its own, as producers are programs of their
// own. end closes it.
func (s *Servers) Producer() (js jetstream.JetStream, end func(), err error) {
	connection, err := natsconn.Connect(s.Config.NATS, s.logger)
	if err != nil {
		return nil, nil, err
	}
	if js, err = jetstream.New(connection); err != nil {
		connection.Close()
		return nil, nil, err
	}
	return js, connection.Close, nil
}

// Publisher publishes to its stream.
func (s *Servers) Publisher() *publish.Publisher {
	return publish.NewPublisher(s.JetStream, publish.Options{})
}

// brokerAndPlatforms is the memory that a million mutations need beside the worker: the
// platforms keep the state of every item, the broker the ids of two minutes.
const brokerAndPlatforms = 5 << 30

// StartWorker runs a worker with everything a service has: its own connections,
// metrics, and leases like any other.
func (s *Servers) StartWorker(ctx context.Context, name string) (*Running, error) {
	measured, err := telemetry.Start(ctx, telemetry.Options{
		Service: name, LogOutput: s.log, LogFormat: logFormat, LogLevel: slog.LevelWarn,
	})
	if err != nil {
		return nil, err
	}
	service.TuneCollector(s.Config.Worker, brokerAndPlatforms)
	s.onClose(func() error { return measured.Shutdown(context.WithoutCancel(ctx)) })
	return run(ctx, service.Options{Config: s.Config, Name: name, Telemetry: measured}), nil
}

const logFormat = "text"
