package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRunSurvivesHangups: a worker that still waits for its servers says so in its log.
func TestRunSurvivesHangups(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(config, []byte("nats: {url: nats://127.0.0.1:1}\ndatabase: {url: postgres://127.0.0.1:1/none}\nhttp: {listen: 127.0.0.1:0}\naccounts: {}\n"), 0o600))
	w := startProcess(t, nil, "run", "--config", config, "--log-format", "json")
	eventually(t, "the worker listens", func() bool { return strings.Contains(w.said.String(), "listening for probes") })
	require.NoError(t, w.command.Process.Signal(syscall.SIGHUP))
	eventually(t, "it is told", func() bool {
		return strings.Contains(w.said.String(), `"msg":"SIGHUP: the configuration will be read again"`)
	})
	w.terminate(t)
	_ = w.exitCode(t)
}
