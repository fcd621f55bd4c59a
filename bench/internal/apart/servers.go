// Package apart starts a broker, platforms and a Postgres as processes of their own, beside a
// program to measure, so that the processor time and the memory of each can be seen. The
// broker and the platforms are the benchmark's own program in other processes.
package apart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options say what to start.
type Options struct {
	// Platforms is the service that stands for the platforms, and Argument what it is told.
	Platforms string
	Argument  string
	// SyncAlways has the broker flush before each acknowledgement.
	SyncAlways bool
}

// Servers keep nothing once they are stopped.
type Servers struct {
	// Folder is removed with them.
	Folder       string
	NATSURL      string
	PlatformsURL string
	DatabaseURL  string
	Pool         *pgxpool.Pool
	JetStream    jetstream.JetStream

	broker     *process.Child
	platforms  *process.Child
	postgres   *embedded.Postgres
	postmaster int
}

// Start starts the servers. End them with Stop.
func Start(ctx context.Context, options Options) (s *Servers, err error) {
	s = &Servers{}
	defer func() { //nolint:contextcheck // cleaning up must not end with ctx
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.Folder, err = os.MkdirTemp("", "courier-bench-"); err != nil {
		return s, err
	}
	broker := brokerService
	if options.SyncAlways {
		broker = syncedBrokerService
	}
	if s.broker, s.NATSURL, err = startService(broker, s.streams()); err != nil {
		return s, err
	}
	if s.platforms, s.PlatformsURL, err = startService(options.Platforms, options.Argument); err != nil {
		return s, err
	}
	if err := s.startPostgres(ctx); err != nil {
		return s, err
	}
	s.JetStream, err = s.Connect()
	return s, err
}

// startPostgres starts a durable server with some memory. It keeps checkpoints out of a run
// of seconds: what is measured is commits, not the disk of this machine.
func (s *Servers) startPostgres(ctx context.Context) (err error) {
	s.postgres, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true, Parameters: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
	}})
	if err != nil {
		return err
	}
	s.DatabaseURL = s.postgres.URL()
	if s.Pool, err = pgxpool.New(ctx, s.DatabaseURL); err != nil {
		return err
	}
	var backend int
	if err := s.Pool.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return err
	}
	stat, err := process.ReadStat(backend)
	s.postmaster = stat.Parent
	return err
}

// Connect makes a connection to the broker; close it by its Conn.
func (s *Servers) Connect(options ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	connection, err := nats.Connect(s.NATSURL)
	if err != nil {
		return nil, err
	}
	return jetstream.New(connection, options...)
}

// Stop ends everything at once: what the servers keep is thrown away.
func (s *Servers) Stop() (err error) {
	if s.JetStream != nil {
		s.JetStream.Conn().Close()
	}
	if s.Pool != nil {
		s.Pool.Close()
	}
	for _, child := range []*process.Child{s.broker, s.platforms} {
		if child != nil {
			child.Kill()
		}
	}
	if s.postgres != nil {
		err = s.postgres.Crash()
	}
	if s.Folder != "" {
		err = errors.Join(err, os.RemoveAll(s.Folder))
	}
	return err
}

// streams is the broker's folder.
func (s *Servers) streams() string { return filepath.Join(s.Folder, "nats") }

// Environment tells a program where the broker and the database are.
func (s *Servers) Environment(more ...string) []string {
	return append(append(os.Environ(), "NATS_URL="+s.NATSURL, "DATABASE_URL="+s.DatabaseURL, "COURIER_HTTP_LISTEN=127.0.0.1:0"), more...)
}

// StartProgram starts a program to measure, which StopProgram ends.
func StartProgram(environment []string, path string, arguments ...string) (*process.Child, error) {
	command := exec.Command(path, arguments...) //nolint:gosec,noctx // a program to measure; the caller stops it
	command.Env = environment
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process alone
	return process.Start(command, process.Options{})
}

// StopProgram has a program end, firmly in the end.
func StopProgram(ctx context.Context, child *process.Child) error {
	return child.Stop(context.WithoutCancel(ctx),
		process.Step{Signal: syscall.SIGTERM, Within: 20 * time.Second},
		process.Step{Signal: syscall.SIGKILL, Within: 5 * time.Second})
}

// look is how often is looked whether something has happened.
const look = 25 * time.Millisecond

// Until asks until the answer is yes. The program must not end before.
func Until(ctx context.Context, within time.Duration, program *process.Child, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if done, err := ask(ctx); err != nil || done {
			return err
		}
		select {
		case <-ticker.C:
		case <-program.Done():
			return EndedEarly(program)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// EndedEarly is the error of a program that has ended before it was asked to.
func EndedEarly(program *process.Child) error {
	if err := program.Err(); err != nil {
		return fmt.Errorf("the program has ended too early: %w", err)
	}
	return errors.New("the program has ended too early")
}

// Pause waits, unless ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
