package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
)

// servers are what a run needs beside the consumer, each a process of its own, so that the
// processor time and the memory of each can be seen. They keep nothing between runs.
type servers struct {
	folder     string
	broker     *process.Child
	sink       *process.Child
	natsURL    string
	sinkURL    string
	postgres   *embedded.Postgres
	postmaster int
	pool       *pgxpool.Pool
	js         jetstream.JetStream
}

// startServers starts the broker, the sink and Postgres. End them with stop.
func startServers(ctx context.Context) (s *servers, err error) {
	s = &servers{}
	defer func() { //nolint:contextcheck // cleaning up must not end with ctx
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.folder, err = os.MkdirTemp("", "courier-peers-"); err != nil {
		return s, err
	}
	for _, name := range []string{courierSettings, bentoSettings} {
		text, err := settings.ReadFile(name)
		if err != nil {
			return s, err
		}
		if err := os.WriteFile(filepath.Join(s.folder, name), text, 0o600); err != nil {
			return s, err
		}
	}
	if s.broker, s.natsURL, err = startService(brokerService, s.streams()); err != nil {
		return s, err
	}
	if s.sink, s.sinkURL, err = startService(sinkService, s.folder); err != nil {
		return s, err
	}
	if err := s.startPostgres(ctx); err != nil {
		return s, err
	}
	c, err := connect(s)
	s.js = c.js
	return s, err
}

// startPostgres starts a durable server with the settings of the project's other benchmark.
func (s *servers) startPostgres(ctx context.Context) (err error) {
	s.postgres, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true, Parameters: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
	}})
	if err != nil {
		return err
	}
	if s.pool, err = pgxpool.New(ctx, s.postgres.URL()); err != nil {
		return err
	}
	var backend int
	if err := s.pool.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return err
	}
	stat, err := process.ReadStat(backend)
	s.postmaster = stat.Parent
	return err
}

// stop ends everything at once: what the servers keep is thrown away.
func (s *servers) stop() (err error) {
	if s.js != nil {
		s.js.Conn().Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	for _, child := range []*process.Child{s.broker, s.sink} {
		if child != nil {
			child.Kill()
		}
	}
	if s.postgres != nil {
		err = s.postgres.Crash()
	}
	if s.folder != "" {
		err = errors.Join(err, os.RemoveAll(s.folder))
	}
	return err
}

// streams is the broker's folder.
func (s *servers) streams() string { return filepath.Join(s.folder, "nats") }

// environment tells a consumer where everything is.
func (s *servers) environment(o options) []string {
	return append(os.Environ(),
		"NATS_URL="+s.natsURL, "DATABASE_URL="+s.postgres.URL(), "SINK_URL="+s.sinkURL, "STREAM="+peerStream,
		"MAX_AGE="+o.maxAge.String(), "COURIER_HTTP_LISTEN=127.0.0.1:0")
}

// look is how often is looked whether something has happened.
const look = 25 * time.Millisecond

// until asks until the answer is yes. The consumer must not end before.
func (s *servers) until(ctx context.Context, within time.Duration, consumer *process.Child, ask func(context.Context) (bool, error)) error {
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
		case <-consumer.Done():
			return endedEarly(consumer)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endedEarly is the error of a consumer that has ended before it was asked to.
func endedEarly(consumer *process.Child) error {
	if err := consumer.Err(); err != nil {
		return fmt.Errorf("the consumer has ended too early: %w", err)
	}
	return errors.New("the consumer has ended too early")
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// A service is this program in another process, called with a name and a folder. It writes
// its address, a line, and serves until it is ended.
const (
	serviceArguments = 3 // the program, the service, the folder
	brokerService    = "serve-broker"
	sinkService      = "serve-sink"
)

// services by name, each of which returns once it can be reached.
var services = map[string]func(ctx context.Context, folder string) (address string, err error){
	brokerService: serveBroker,
	sinkService:   serveSink,
}

// runService returns the exit code.
func runService(serve func(context.Context, string) (string, error), folder string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address, err := serve(ctx, folder)
	if err == nil {
		_, err = fmt.Fprintln(os.Stdout, address)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		return 1
	}
	<-ctx.Done() // or the parent has ended, and the kernel ends this
	return 0
}

// serveBroker runs NATS as the project's other benchmark does.
func serveBroker(_ context.Context, folder string) (string, error) {
	server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: folder, Port: -1})
	if err != nil {
		return "", err
	}
	return server.URL(), nil
}

// startService starts this program as a service and returns the address that it writes.
func startService(name, folder string) (child *process.Child, address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = read.Close() }()
	command := exec.Command(self, name, folder) //nolint:gosec,noctx // this very program; stop ends it
	command.Stdout, command.Stderr = write, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process alone
	child, err = process.Start(command, process.Options{})
	_ = write.Close() // the child has its own
	if err != nil {
		return nil, "", err
	}
	const within = time.Minute
	if err := read.SetReadDeadline(time.Now().Add(within)); err != nil {
		return child, "", err
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		return child, "", fmt.Errorf("the address of %s: %w", name, err)
	}
	return child, strings.TrimSpace(line), nil
}

// listen takes a free port.
func listen(ctx context.Context) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
}

// usage is processor time, user and system.
type usage struct{ consumer, broker, sink, postgres time.Duration }

func (u usage) total() time.Duration { return u.consumer + u.broker + u.sink + u.postgres }

func (u usage) since(before usage) usage {
	return usage{u.consumer - before.consumer, u.broker - before.broker, u.sink - before.sink, u.postgres - before.postgres}
}

// used is what the processes have used so far; consumer may be nil.
func (s *servers) used(consumer *process.Child) (u usage, err error) {
	for _, one := range []struct {
		child *process.Child
		into  *time.Duration
	}{{consumer, &u.consumer}, {s.broker, &u.broker}, {s.sink, &u.sink}} {
		if one.child == nil {
			continue
		}
		stat, statErr := process.ReadStat(one.child.PID())
		err = errors.Join(err, statErr)
		*one.into = stat.CPU + stat.Ended
	}
	u.postgres = process.WithChildren(s.postmaster)
	return u, err
}

// usedHere is the processor time of this process.
func usedHere() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// sizeOf adds up the files of a folder, in bytes.
func sizeOf(folder string) (sum int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the broker has removed it meanwhile
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
