package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// TestRunReadsItsConfigurationAgain: on SIGHUP at once, and when the file changes. A file
// with an error is refused with the line, and nothing ends.
func TestRunReadsItsConfigurationAgain(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	first, err := os.ReadFile(p.config)
	require.NoError(t, err)
	w := p.startWorker(t, "reader", 30*time.Second, time.Second)
	p.awaitStream(t)
	says := func(words string) {
		t.Helper()
		eventually(t, "the worker says "+words, func() bool { return strings.Contains(w.said.String(), words) })
	}
	says("worker started")
	write := func(text string) { require.NoError(t, os.WriteFile(p.config, []byte(text), 0o600)) }

	write(string(first) + "\nacounts: {}\n")
	says("the new configuration is refused; the worker goes on as it was")
	says("acounts")
	published := lamps(0, 3)
	p.publish(t, published...)
	eventually(t, "it delivers", func() bool { return p.count(t, "WHERE status = 'succeeded'") == 3 })

	// Corrected to what it was, which changes nothing.
	write(string(first))
	says("the configuration is valid again")

	changed := strings.Replace(string(first), "platform: meta", "platform: meta\n    concurrency: 7", 1)
	require.NotEqual(t, string(first), changed)
	write(changed)
	says(`"changed":["demo-meta"]`) // without being asked
	write(strings.Replace(changed, "concurrency: 7", "concurrency: 8", 1))
	require.NoError(t, w.command.Process.Signal(syscall.SIGHUP))
	says("SIGHUP: the configuration will be read again")
	eventually(t, "it is taken over", func() bool { return strings.Count(w.said.String(), `"changed":["demo-meta"]`) == 2 })
	p.publish(t, lamps(3, 3)...)
	eventually(t, "it delivers", func() bool { return p.count(t, "WHERE status = 'succeeded'") == 6 })
	w.terminate(t)
	require.Zero(t, w.exitCode(t))
}
