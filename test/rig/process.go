package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/service"
)

// The variables that make a test binary run a worker instead of its tests.
const (
	configVariable = "COURIER_TESTBED_CONFIG"
	nameVariable   = "COURIER_TESTBED_WORKER"
)

// ChildProcess runs a worker and does not return if this process was started by
// StartProcess. A package that uses it calls it first in TestMain.
func ChildProcess() {
	path := os.Getenv(configVariable)
	if path == "" {
		return
	}
	if err := runChild(path, os.Getenv(nameVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runChild(path, name string) error {
	go func() { // ends with the process: its end is the parent's end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	settings, err := config.Load(path, config.Options{})
	if err != nil {
		return err
	}
	told, err := telemetry.Start(ctx, telemetry.Options{
		Service: "catalog-courier", LogOutput: os.Stderr, LogFormat: "json", LogLevel: slog.LevelInfo,
	})
	if err != nil {
		return err
	}
	return errors.Join(service.Run(ctx, service.Options{Config: settings, Telemetry: told, Name: name}), told.Shutdown(ctx))
}

// Process is a worker in a process of its own.
type Process struct {
	Name string
	Log  *Log

	env     *Env
	command *exec.Cmd
	alive   io.Closer // the process ends when this end of its stdin closes
	done    chan struct{}
	err     error // read after done
	end     sync.Once
}

// StartProcess runs a worker in a process of its own, until Kill, Terminate or the
// end of the test. The environment must listen.
func (e *Env) StartProcess(name string, settings Settings) *Process {
	e.tb.Helper()
	return e.start(name, os.Args[0], nil, []string{
		configVariable + "=" + e.file(name, settings), nameVariable + "=" + name, "GORACE=halt_on_error=1",
	})
}

// StartProgram does the same with a program that was built of cmd/worker, and with
// variables besides those of this process.
func (e *Env) StartProgram(name, program string, settings Settings, variables ...string) *Process {
	e.tb.Helper()
	arguments := []string{"run", "--config", e.file(name, settings), "--name", name, "--log-format", "json"}
	return e.start(name, program, arguments, append([]string{"COURIER_HTTP_LISTEN=127.0.0.1:0"}, variables...))
}

func (e *Env) start(name, program string, arguments, variables []string) *Process {
	e.tb.Helper()
	p := &Process{Name: name, Log: &Log{}, env: e, done: make(chan struct{})}
	//nolint:gosec // this very binary, or one that the test built; it outlives the context until the cleanup
	p.command = exec.CommandContext(context.WithoutCancel(e.tb.Context()), program, arguments...)
	p.command.Env = append(os.Environ(), variables...)
	p.command.Stdout, p.command.Stderr = p.Log, p.Log
	alive, err := p.command.StdinPipe()
	require.NoError(e.tb, err)
	p.alive = alive
	require.NoError(e.tb, p.command.Start())
	go func() { // Kill, Terminate and the test's end wait for it
		defer close(p.done)
		p.err = p.command.Wait()
	}()
	e.tb.Cleanup(func() {
		p.Kill()
		if e.tb.Failed() {
			e.tb.Logf("log of process %s:\n%s", name, p.Log.tail(3200<<10))
		}
	})
	return p
}

// AwaitLog waits for a log line with the words.
func (p *Process) AwaitLog(words string, within time.Duration) {
	p.env.tb.Helper()
	p.env.Await("process "+p.Name+" logs "+words, within, func() bool { return p.Log.Contains(words) })
}

// Kill ends the process without any warning and waits until it is gone.
func (p *Process) Kill() {
	p.end.Do(func() { _ = p.command.Process.Kill() })
	<-p.done
	_ = p.alive.Close()
}

// Suspend stops the process where it stands; Resume lets it go on.
func (p *Process) Suspend() { p.signal(syscall.SIGSTOP) }

// Resume lets a frozen process go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// Terminate asks the process to drain and waits until it has ended; the error is
// not nil unless it ended well.
func (p *Process) Terminate(within time.Duration) error {
	p.env.tb.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(within):
		p.env.tb.Fatalf("process %s has not ended within %s", p.Name, within)
		return nil
	}
}

// Ended reports that the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) signal(s syscall.Signal) {
	p.env.tb.Helper()
	require.NoError(p.env.tb, p.command.Process.Signal(s))
}
