// Package rig starts everything a mutation meets on its way: a broker on disk, a
// durable Postgres, the simulated platforms, and workers. All but Postgres run in
// this process, so that one profile shows where the time goes.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
)

// Options say what to start.
type Options struct {
	// Config is the text of a courier.yaml. ${NATS_URL}, ${DATABASE_URL},
	// ${PINTEREST_URL}, ${META_URL} and ${TOKEN} stand for what the rig starts.
	Config string
	// SyncAlways makes the broker flush before each acknowledgement.
	SyncAlways bool
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

// Rig is the running whole.
type Rig struct {
	Config    *config.Config
	Conn      *nats.Conn
	JetStream jetstream.JetStream
	Stream    *queue.Stream
	Database  *pgxpool.Pool
	Pinterest *sandbox.Pinterest
	Meta      *sandbox.Meta

	log       io.Writer
	logger    *slog.Logger
	variables map[string]string
	closers   []func() error // in the order they were opened
}

// Variables are what the configuration's ${…} stand for, for workers in processes of
// their own.
func (r *Rig) Variables() map[string]string { return maps.Clone(r.variables) }

// Start starts everything but workers. Close it, also after an error of its use.
func Start(ctx context.Context, options Options) (rig *Rig, err error) {
	rig = &Rig{log: options.Log, logger: telemetry.NewLogger(options.Log, logFormat, slog.LevelWarn)}
	defer func() {
		if err != nil {
			err = errors.Join(err, rig.Close())
			rig = nil
		}
	}()
	variables := map[string]string{"TOKEN": "sandbox-token"}
	if variables["NATS_URL"], err = rig.startNATS(options); err != nil {
		return rig, err
	}
	if variables["DATABASE_URL"], err = rig.startPostgres(ctx, options); err != nil {
		return rig, err
	}
	if err := rig.startPlatforms(ctx, options, variables); err != nil {
		return rig, err
	}
	rig.variables = variables
	if rig.Config, err = loadConfig(options.Config, variables); err != nil {
		return rig, err
	}
	return rig, rig.connect(ctx)
}

func (r *Rig) later(end func() error) { r.closers = append(r.closers, end) }

// Close ends everything, the last thing started first.
func (r *Rig) Close() error {
	var err error
	for len(r.closers) > 0 {
		last := len(r.closers) - 1
		err = errors.Join(err, r.closers[last]())
		r.closers = r.closers[:last]
	}
	return err
}

func (r *Rig) startNATS(options Options) (url string, err error) {
	folder, err := os.MkdirTemp("", "courier-bench-nats-")
	if err != nil {
		return "", err
	}
	r.later(func() error { return os.RemoveAll(folder) })
	server, err := embedded.StartNATS(embedded.NATSOptions{
		StoreDir: folder, SyncAlways: options.SyncAlways, Port: -1, Logger: r.logger,
	})
	if err != nil {
		return "", err
	}
	r.later(func() error { server.Shutdown(); return nil })
	return server.URL(), nil
}

func (r *Rig) startPostgres(ctx context.Context, options Options) (url string, err error) {
	server, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Durable: true, Parameters: options.Postgres, Logger: r.logger,
	})
	if err != nil {
		return "", err
	}
	r.later(server.Stop)
	if _, err := persistence.Migrate(ctx, server.URL()); err != nil {
		return "", err
	}
	r.Database, err = pgxpool.New(ctx, server.URL())
	if err != nil {
		return "", err
	}
	r.later(func() error { r.Database.Close(); return nil })
	return server.URL(), nil
}

func (r *Rig) startPlatforms(ctx context.Context, options Options, variables map[string]string) error {
	r.Pinterest = sandbox.NewPinterest(options.Pinterest)
	r.later(func() error { r.Pinterest.Close(); return nil })
	r.Meta = sandbox.NewMeta(options.Meta)
	r.later(func() error { r.Meta.Close(); return nil })
	for name, handler := range map[string]http.Handler{"PINTEREST_URL": r.Pinterest, "META_URL": r.Meta} {
		if options.Around != nil {
			handler = options.Around(handler)
		}
		url, err := r.serve(ctx, handler)
		if err != nil {
			return err
		}
		variables[name] = url
	}
	return nil
}

// serve makes a handler reachable on a free port of this machine.
func (r *Rig) serve(ctx context.Context, handler http.Handler) (url string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	r.later(func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return "http://" + listener.Addr().String(), nil
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
	return config.Load(path, config.Options{Lookup: func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}})
}

func (r *Rig) connect(ctx context.Context) (err error) {
	var end func()
	if r.JetStream, end, err = r.Producer(); err != nil {
		return err
	}
	r.later(func() error { end(); return nil })
	r.Conn = r.JetStream.Conn()
	r.Stream, err = queue.Ensure(ctx, r.JetStream, service.StreamConfig(r.Config.NATS))
	return err
}

// Producer is a client with a connection of its own, as producers are programs of their
// own. end closes it.
func (r *Rig) Producer() (js jetstream.JetStream, end func(), err error) {
	connection, err := natsconn.Connect(r.Config.NATS, r.logger)
	if err != nil {
		return nil, nil, err
	}
	if js, err = jetstream.New(connection); err != nil {
		connection.Close()
		return nil, nil, err
	}
	return js, connection.Close, nil
}

// Publisher publishes to the rig's stream.
func (r *Rig) Publisher() *publish.Publisher {
	return publish.NewPublisher(r.JetStream, publish.Options{})
}

// Worker is a worker running in this process.
type Worker struct {
	name   string
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // set when ended is closed
}

// brokerAndPlatforms is the memory that a million mutations need beside the worker: the
// platforms keep the state of every item, the broker the ids of two minutes.
const brokerAndPlatforms = 5 << 30

// StartWorker runs a worker with everything a service has: its own connections,
// metrics, and leases like any other.
func (r *Rig) StartWorker(ctx context.Context, name string) (*Worker, error) {
	measured, err := telemetry.Start(ctx, telemetry.Options{
		Service: name, LogOutput: r.log, LogFormat: logFormat, LogLevel: slog.LevelWarn,
	})
	if err != nil {
		return nil, err
	}
	service.TuneCollector(r.Config.Worker, brokerAndPlatforms)
	ctx, cancel := context.WithCancel(ctx)
	w := &Worker{name: name, cancel: cancel, ended: make(chan struct{})}
	go func() { // ends with Run; Stop waits for it
		defer close(w.ended)
		err := service.Run(ctx, service.Options{Config: r.Config, Name: name, Telemetry: measured})
		w.err = errors.Join(err, measured.Shutdown(context.WithoutCancel(ctx)))
	}()
	return w, nil
}

// Ended is closed when the worker has ended, by Stop or by itself.
func (w *Worker) Ended() <-chan struct{} { return w.ended }

// Stop drains the worker and returns how it ended.
func (w *Worker) Stop() error {
	w.cancel()
	<-w.ended
	if w.err != nil {
		return fmt.Errorf("%s: %w", w.name, w.err)
	}
	return nil
}

const logFormat = "text"
