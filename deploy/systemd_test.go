package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUnits has systemd read the units. It does not start them.
func TestUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	command := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/(\S+)`)
	for name, section := range map[string]string{
		"courier-worker.service": "worker", "courier-enqueue.service": "serve",
	} {
		text := read(t, "systemd/"+name)
		require.Regexp(t, command, text)

		// verify wants the program to exist: one that does stands for it.
		folder := t.TempDir()
		changed := command.ReplaceAllString(text, "ExecStart=/bin/true")
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(changed), 0o600))
		output := run(t, folder, analyze, "--man=no", "verify", "./"+name)
		require.NotContains(t, output, name, "systemd has something to say of the unit")
		run(t, folder, analyze, "security", "--offline=true", "--threshold=20", "./"+name)

		stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindStringSubmatch(text)
		require.NotNil(t, stop, name)
		killed, err := time.ParseDuration(stop[1])
		require.NoError(t, err)
		require.Greater(t, killed, drainOf(t, section)+5*time.Second, "it is killed while it drains")
		require.NotRegexp(t, `(?im)^Environment=.*(token|password|secret)=`, text, "secrets are files")
	}
}

// drainOf is the documented default of worker.drain_timeout or serve.drain_timeout.
func drainOf(t *testing.T, section string) time.Duration {
	t.Helper()
	key := map[string]string{"worker": "worker.drain_timeout", "serve": "serve.drain_timeout"}[section]
	for line := range strings.Lines(read(t, "../docs/configuration.md")) {
		if rest, ok := strings.CutPrefix(line, "| `"+key+"` | `"); ok {
			text, _, _ := strings.Cut(rest, "`")
			drain, err := time.ParseDuration(text)
			require.NoError(t, err)
			return drain
		}
	}
	t.Fatalf("docs/configuration.md has no %s", key)
	return 0
}
