package rig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/service"
)

// The variables that make a test binary run a worker instead of its tests.
const (
	configVariable = "COURIER_RIG_CONFIG"
	nameVariable   = "COURIER_RIG_WORKER"
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	settings, err := config.Load(path, config.Options{Platforms: platform.Configs(builtin.Platforms())})
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
	*process.Child

	Name string
	Log  *Log

	env *Env
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
	p := &Process{Name: name, Log: &Log{}, env: e}
	command := exec.Command(program, arguments...) //nolint:gosec,noctx // this very binary, or one that the test built; the cleanup ends it
	command.Env = append(os.Environ(), variables...)
	command.Stdout, command.Stderr = p.Log, p.Log
	child, err := process.Start(command, process.Options{})
	require.NoError(e.tb, err)
	p.Child = child
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

// Suspend stops the process where it is; Resume lets it go on.
func (p *Process) Suspend() { p.send(syscall.SIGSTOP) }

// Resume lets a suspended process go on.
func (p *Process) Resume() { p.send(syscall.SIGCONT) }

// Terminate asks the process to drain and waits until it has ended; the error is
// not nil unless it ended well.
func (p *Process) Terminate(within time.Duration) error {
	p.env.tb.Helper()
	p.send(syscall.SIGTERM)
	err := p.Await(within)
	require.NotErrorIs(p.env.tb, err, process.ErrStays, "process %s", p.Name)
	return err
}

func (p *Process) send(s syscall.Signal) {
	p.env.tb.Helper()
	require.NoError(p.env.tb, p.Signal(s))
}

// ProcessorTime is how long processors have worked for the process so far. Only
// Linux tells it of a running process; elsewhere the test is skipped.
func (p *Process) ProcessorTime() time.Duration {
	p.env.tb.Helper()
	stat, err := process.ReadStat(p.PID())
	if errors.Is(err, process.ErrUnknown) && runtime.GOOS != "linux" {
		p.env.tb.Skip(err)
	}
	require.NoError(p.env.tb, err)
	return stat.CPU
}
