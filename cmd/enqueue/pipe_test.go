package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

func namedPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// TestASignalEndsTheWaitForAWriter of a named pipe, and nothing is sent.
func TestASignalEndsTheWaitForAWriter(t *testing.T) {
	t.Parallel()
	path := namedPipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), pipePatience+500*time.Millisecond)
	defer cancel()
	r := &recorder{}
	got := executeWithin(ctx, r.open, strings.NewReader(""), path)
	require.Equal(t, cli.Failed, got.code)
	require.Equal(t, 1, strings.Count(got.err, "waiting for a writer of "+path), "%s", got.err)
	require.Contains(t, got.err, "which has no writer")
	require.Empty(t, r.all())
	writer, err := os.OpenFile(path, os.O_WRONLY, 0) // lets go of the one that still opens it
	require.NoError(t, err)
	require.NoError(t, writer.Close())
}

// TestALateWriterOfANamedPipe: its lines are published.
func TestALateWriterOfANamedPipe(t *testing.T) {
	t.Parallel()
	path := namedPipe(t)
	written := make(chan error, 1)
	go func() {
		<-time.After(100 * time.Millisecond)
		writer, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = io.WriteString(writer, goodLines(0, 7))
		}
		if err == nil {
			err = writer.Close()
		}
		written <- err
	}()
	r := &recorder{}
	got := execute(t, r.open, "", path)
	require.NoError(t, <-written)
	require.Zero(t, got.code, got.err)
	require.Len(t, r.all(), 7)
}

// TestASummaryThatCannotBePrinted is a failure.
func TestASummaryThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"table", "json"} {
		r, said := &recorder{}, &strings.Builder{}
		streams := cli.Streams{In: strings.NewReader(goodLines(0, 3)), Out: fullDisk{}, Err: said, Lookup: func(string) (string, bool) { return "", false }}
		require.Equal(t, cli.Failed, cli.Execute(t.Context(), newCommand(streams, r.open), streams, []string{"--output", output}))
		require.Contains(t, said.String(), "no space left on device")
	}
}

type fullDisk struct{}

// Write fails as a write to a full disk does.
func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
