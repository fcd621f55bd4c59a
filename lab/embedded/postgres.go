package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// ErrNoPostgres is returned when there is no Postgres to use, to start, or to
// download. Its message says what to install.
var ErrNoPostgres = errors.New("no Postgres found")

// The ways to have a server end; each is followed by the next where it stays.
var (
	stopFast      = process.Step{Signal: syscall.SIGINT, Within: 15 * time.Second} // roll back what is open, write a checkpoint, end
	stopImmediate = process.Step{Signal: syscall.SIGQUIT, Within: 5 * time.Second} // end at once; the next start recovers from the log
	stopKill      = process.Step{Signal: syscall.SIGKILL, Within: 5 * time.Second}
)

const (
	superuser    = "courier"
	databaseName = "courier"
	startTimeout = time.Minute
	// The longest path a Unix socket may have is 103 bytes on macOS and 107 on
	// Linux; Postgres adds /.s.PGSQL.5432.lock to the folder.
	maxSocketFolder = 80
)

// PostgresOptions say which Postgres to use. The zero value is a throw-away
// server that forgets everything on Stop.
type PostgresOptions struct {
	// URL, when not empty, is used as it is and nothing is started. A caller that
	// honours DATABASE_URL passes it here.
	URL string
	// Dir keeps the cluster between runs. Defaults to a private temporary folder
	// that Stop removes. As root, the user postgres (or nobody) must be able to
	// reach it.
	Dir string
	// Durable turns fsync and synchronous_commit on. Without it a crash of the
	// machine may destroy the cluster, a crash of the server does not.
	Durable bool
	// Port on 127.0.0.1, for programs that cannot use a socket, with a password; 0 listens
	// on the socket alone.
	Port int
	// Parameters are further server settings, such as max_connections.
	Parameters map[string]string
	// NoDownload forbids the last resort, fetching Postgres from the network.
	NoDownload bool
	// Logger is told of a download. Defaults to silence.
	Logger *slog.Logger

	// watched takes the way of systems whose kernel does not end orphans.
	watched bool
}

// Postgres is a server ready for connections.
type Postgres struct {
	url     string
	tcp     string
	process *process.Child
	cluster cluster
	folder  *folder
	stop    sync.Once
	stopErr error
}

// StartPostgres makes a Postgres ready: the one at options.URL, else one started
// from the newest binaries on this machine, else from downloaded ones. It waits
// until the server answers, at most a minute. The returned error is ErrNoPostgres
// where there is nothing to start.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	if options.URL != "" {
		return &Postgres{url: options.URL}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	id, err := serverIdentity()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPostgres, err)
	}
	binaries, err := findBinaries(ctx, id, options)
	if err != nil {
		return nil, err
	}
	home, err := openFolder(options.Dir, id)
	if err != nil {
		return nil, fmt.Errorf("preparing the folder of Postgres: %w", err)
	}
	server := &Postgres{folder: home}
	if err := server.start(ctx, cluster{binaries: binaries, id: id, folder: home, options: options}); err != nil {
		return nil, errors.Join(err, server.Stop()) //nolint:contextcheck // cleaning up must not end with ctx
	}
	return server, nil
}

func (p *Postgres) start(ctx context.Context, c cluster) error {
	if err := c.initialise(ctx); err != nil {
		return err
	}
	if err := c.writeRules(); err != nil {
		return err
	}
	started, err := c.start()
	if err != nil {
		return err
	}
	p.process, p.cluster = started, c
	if err := p.awaitReady(ctx, c); err != nil {
		return err
	}
	p.url = c.url(databaseName)
	p.tcp, err = c.openTCP(ctx)
	return err
}

// awaitReady connects until the server answers, and makes the database.
func (p *Postgres) awaitReady(ctx context.Context, c cluster) error {
	const pause = 20 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		err := createDatabase(ctx, c.url("postgres"), databaseName)
		if err == nil {
			return nil
		}
		select {
		case <-p.process.Done():
			return fmt.Errorf("postgres ended while starting: %s", c.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres did not become ready: %w; its log: %s", errors.Join(ctx.Err(), err), c.logTail())
		case <-ticker.C:
		}
	}
}

func createDatabase(ctx context.Context, maintenanceURL, name string) error {
	connection, err := pgx.Connect(ctx, maintenanceURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	var exists bool
	err = connection.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = connection.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}

// URL names the database to connect to, as DATABASE_URL would.
func (p *Postgres) URL() string { return p.url }

// TCP is the same by TCP, with a password in it; "" without a Port.
func (p *Postgres) TCP() string { return p.tcp }

// Stop ends the server, if it was started here, and waits for it: open
// transactions are rolled back. A temporary folder is removed. Stopping twice is
// harmless.
func (p *Postgres) Stop() error { return p.endBy(stopFast, stopImmediate, stopKill) }

// Crash ends the server as pg_ctl stop -m immediate does: nothing is written any
// more, and the next start on the same Dir recovers from the log. It is otherwise
// like Stop.
func (p *Postgres) Crash() error { return p.endBy(stopImmediate, stopKill) }

func (p *Postgres) endBy(ways ...process.Step) error {
	p.stop.Do(func() {
		if p.process != nil {
			ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
			defer cancel()
			if err := p.process.Stop(ctx, ways...); err != nil {
				p.stopErr = fmt.Errorf("stopping postgres: %w", err)
			}
		}
		if p.folder != nil {
			p.stopErr = errors.Join(p.stopErr, p.folder.release())
		}
	})
	return p.stopErr
}

// socketURL is a connection URL by Unix socket, which nobody but the owner of
// the folder can reach: so there is no password. port names the socket; "" is the
// default one.
func socketURL(socketFolder, port, database string) string {
	query := url.Values{"host": {socketFolder}, "sslmode": {"disable"}}
	if port != "" {
		query.Set("port", port)
	}
	return (&url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/" + database, RawQuery: query.Encode(),
	}).String()
}

// existingFile reports whether a regular file is there.
func existingFile(elements ...string) bool {
	info, err := os.Stat(filepath.Join(elements...))
	return err == nil && info.Mode().IsRegular()
}
