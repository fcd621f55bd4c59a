package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// roleVariable makes the test binary be a command that works until it is stopped.
const roleVariable = "COURIER_TEST_HANGUP"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if role == "ignored" {
		signal.Ignore(syscall.SIGHUP) // what nohup does before it starts the command
	}
	streams := cli.Standard()
	root := &cobra.Command{Use: "patient", RunE: func(c *cobra.Command, _ []string) error {
		if role == "logs" {
			cli.OnHangup(c.Context(), func() { fmt.Fprintln(os.Stderr, "logged: SIGHUP is ignored") })
		}
		fmt.Fprintln(os.Stdout, "working")
		<-c.Context().Done()
		fmt.Fprintln(os.Stdout, "drained")
		return nil
	}}
	os.Exit(cli.Run(root, streams, nil))
}

// patient is the command in a process of its own.
type patient struct {
	command *exec.Cmd
	out     *bufio.Reader
	err     *bufio.Reader
	stderr  io.Closer
}

func startPatient(t *testing.T, role string) *patient {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	command.Env = append(os.Environ(), roleVariable+"="+role)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	stderr, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	p := &patient{command: command, out: bufio.NewReader(stdout), err: bufio.NewReader(stderr), stderr: stderr}
	require.Equal(t, "working\n", p.line(t, p.out))
	return p
}

func (p *patient) line(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	line, err := from.ReadString('\n')
	require.NoError(t, err, "ended by a signal")
	return line
}

func (p *patient) send(t *testing.T, signals ...os.Signal) {
	t.Helper()
	for _, each := range signals {
		require.NoError(t, p.command.Process.Signal(each))
	}
}

// stop ends the command as an operator does, and returns what else it said.
func (p *patient) stop(t *testing.T) string {
	t.Helper()
	p.send(t, syscall.SIGTERM)
	require.Equal(t, "drained\n", p.line(t, p.out))
	rest, _ := io.ReadAll(p.err)
	require.NoError(t, p.command.Wait())
	return string(rest)
}

func TestHangupEndsNothing(t *testing.T) {
	t.Parallel()
	p := startPatient(t, "plain")
	for range 3 {
		p.send(t, syscall.SIGHUP)
		require.Equal(t, "patient: SIGHUP is ignored: nothing is reloaded and nothing ends; SIGTERM stops\n", p.line(t, p.err))
	}
	require.Empty(t, p.stop(t))
}

func TestHangupIsToldInTheLog(t *testing.T) {
	t.Parallel()
	p := startPatient(t, "logs")
	p.send(t, syscall.SIGHUP)
	require.True(t, strings.HasPrefix(p.line(t, p.err), "logged: SIGHUP is ignored"))
	require.Empty(t, p.stop(t))
}

func TestHangupWhereNobodyReadsAnyMore(t *testing.T) {
	t.Parallel()
	p := startPatient(t, "plain")
	require.NoError(t, p.stderr.Close()) // the reader went with the session
	p.send(t, syscall.SIGHUP)
	require.Empty(t, p.stop(t))
}

func TestHangupStaysIgnoredUnderNohup(t *testing.T) {
	t.Parallel()
	p := startPatient(t, "ignored")
	p.send(t, syscall.SIGHUP, syscall.SIGHUP)
	require.Empty(t, p.stop(t), "nothing is told either")
}
