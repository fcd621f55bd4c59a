package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// commandVariable makes the test binary be the command itself.
const commandVariable = "COURIER_TEST_COMMAND"

// beTheCommand does what main does, and does not return, if this process was started
// by startProcess.
func beTheCommand() {
	if os.Getenv(commandVariable) == "" {
		return
	}
	go func() { // ends with the process: its end is the parent's end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	streams := cli.Standard()
	os.Exit(cli.Run(newCommand(streams, builtin.Platforms()), streams, os.Args[1:]))
}

// process is the command in a process of its own, with real signals and real
// streams.
type process struct {
	command *exec.Cmd
	said    *recording // standard output and error
	done    chan struct{}
}

// startProcess runs the command with those variables until it ends or the test does.
func startProcess(t *testing.T, variables map[string]string, args ...string) *process {
	t.Helper()
	return startProcessIn(t, "", variables, args...)
}

// startProcessIn is startProcess in a folder; "" is that of the tests.
func startProcessIn(t *testing.T, folder string, variables map[string]string, args ...string) *process {
	t.Helper()
	p := &process{said: &recording{}, done: make(chan struct{})}
	p.command = exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], args...)
	p.command.Dir = folder
	p.command.Env = []string{commandVariable + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=halt_on_error=1"}
	if variables["XDG_STATE_HOME"] == "" { // no test writes into the user's own, nor finds what another wrote
		p.command.Env = append(p.command.Env, "XDG_STATE_HOME="+t.TempDir())
	}
	for name, value := range variables {
		p.command.Env = append(p.command.Env, name+"="+value)
	}
	p.command.Stdout, p.command.Stderr = p.said, p.said
	alive, err := p.command.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	go func() { // the cleanup waits for it
		defer close(p.done)
		_ = p.command.Wait() // ProcessState has it
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.done
		_ = alive.Close()
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(args, " "), p.said)
		}
	})
	return p
}

// terminate sends SIGTERM.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
}

// exitCode waits until the process has ended unexpectedly.
func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	status := p.ended(t)
	require.True(t, status.Exited(), "killed by %s", status.Signal())
	return status.ExitStatus()
}

// requireKilled waits until a signal has ended the process.
func (p *process) requireKilled(t *testing.T) {
	t.Helper()
	status := p.ended(t)
	require.True(t, status.Signaled(), "exited with %d", status.ExitStatus())
}

func (p *process) ended(t *testing.T) syscall.WaitStatus {
	t.Helper()
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		require.FailNow(t, "the process has not ended", "within %s", soon)
	}
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	return status
}

// recording keeps what a process says.
type recording struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (r *recording) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(text)
}

func (r *recording) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
