package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// startDev runs worker dev on free ports until it has said all.
func startDev(t *testing.T, state string, args ...string) *process {
	t.Helper()
	w := startProcess(t, map[string]string{"XDG_STATE_HOME": state},
		append([]string{"dev", "--nats-port", "-1", "--sandbox-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--console-listen", "127.0.0.1:0", "--postgres-port", freePort(t)}, args...)...)
	eventually(t, "the banner", func() bool { return strings.Contains(w.said.String(), "Query:") })
	return w
}

// freePort is a port that nobody has at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func get(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	return string(body)
}

// TestDevIsQuietAndFound: one line for all partitions, the banner last, and other commands
// find the database while it runs.
func TestDevIsQuietAndFound(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	w := startDev(t, state, "--fault", "meta/429=10%")
	said := w.said.String()
	require.NotContains(t, said, `"partition acquired"`)
	require.Equal(t, 1, strings.Count(said, `"msg":"partitions acquired","held":64,"of":64`))
	require.Greater(t, strings.Index(said, "NATS       nats://"), strings.LastIndex(said, "partitions acquired"))
	require.Regexp(t, `GROUP BY status'\nConsole:   http://127\.0\.0\.1:[1-9]\d*/\n$`, said, "the banner is last, and the console's address last of it")
	metrics := regexp.MustCompile(`metrics    (http://127\.0\.0\.1:[1-9]\d*)/metrics`).FindStringSubmatch(said)
	require.NotNil(t, metrics)
	require.Contains(t, get(t, metrics[1]+"/"), `"metrics":"/metrics"`)
	sandbox := regexp.MustCompile(`Meta +(http://127\.0\.0\.1:\d+)/meta`).FindStringSubmatch(said)
	require.NotNil(t, sandbox)
	require.Equal(t, "meta/429=10%\n", get(t, sandbox[1]+"/faults"))

	address := regexp.MustCompile(`Postgres   (postgres://courier:[A-Z2-7]+@127\.0\.0\.1:\d+/courier\?sslmode=disable)`).FindStringSubmatch(said)
	require.NotNil(t, address, "by TCP, for programs that cannot use a socket")
	require.Equal(t, cli.Done, execute(t, map[string]string{"DATABASE_URL": address[1]}, "status").code)
	_, err := pgx.Connect(t.Context(), regexp.MustCompile(`:[A-Z2-7]+@`).ReplaceAllString(address[1], ":WRONG@"))
	require.ErrorContains(t, err, "password authentication failed")

	variables := map[string]string{"XDG_STATE_HOME": state}
	info, err := os.Stat(filepath.Join(state, "catalog-courier", "dev.json"))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "it may hold a password")
	got := execute(t, variables, "status")
	require.Equal(t, cli.Done, got.code, got.err)
	require.Contains(t, got.err, "using the servers of worker dev (process "+strconv.Itoa(w.command.Process.Pid))
	require.Contains(t, got.err, "(of a running worker dev)")
	require.Contains(t, got.out, "demo-meta")
	// It has the accounts as well, which put together what was sent.
	got = execute(t, variables, "batch", "01a22495-0000-7000-8000-000000000001", "--body")
	require.Equal(t, cli.Failed, got.code, got.err)
	require.NotContains(t, got.err, "configuration")
	require.Contains(t, got.err, "01a22495-0000-7000-8000-000000000001")
	// So does a check, with its simulated platforms.
	got = execute(t, variables, "check", "--platforms")
	require.Contains(t, got.err, "using the servers of worker dev")
	require.Contains(t, got.out, "ok     configuration\n")
	require.Contains(t, got.out, "ok     platform.token demo-meta")
	require.Contains(t, got.out, "ok     platform.token demo-pinterest")
	require.NotContains(t, got.out, "FAILED")
	require.Equal(t, cli.Done, got.code, got.err)
	got = execute(t, variables, "notices", "test")
	require.Equal(t, cli.Usage, got.code)
	require.Contains(t, got.err, "has no notices.targets", "the demonstration has none")
	accounts := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(accounts, []byte("accounts:\n  demo-meta: {platform: meta, catalogs: {products: {}}}\n"), 0o600))
	got = execute(t, variables, "status", "--config", accounts)
	require.Equal(t, cli.Done, got.code, "a file that names no servers: %s", got.err)
	require.Contains(t, got.err, "using the servers of worker dev")
	variables["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/none"
	got = execute(t, variables, "status")
	require.Equal(t, cli.Failed, got.code, "what is named wins")
	require.NotContains(t, got.err, "worker dev")
	got = execute(t, map[string]string{"XDG_STATE_HOME": state}, "status", "--database", "postgres://nobody@127.0.0.1:1/none")
	require.Equal(t, cli.Failed, got.code)

	w.terminate(t)
	require.Zero(t, w.exitCode(t))
	require.NoFileExists(t, filepath.Join(state, "catalog-courier", "dev.json"))
	got = execute(t, map[string]string{"XDG_STATE_HOME": state}, "status")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "no database")
}

// TestStaleContextIsIgnored: of a dev that was killed, and of one that is half written.
func TestStaleContextIsIgnored(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	path := filepath.Join(state, "catalog-courier", "dev.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	for _, text := range []string{`{"process":99999999,"database":"postgres://127.0.0.1:1/x"}`, `{"process":`, `{}`, `{"process":-1}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		got := execute(t, map[string]string{"XDG_STATE_HOME": state}, "status")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "no database", text)
		require.NotContains(t, got.err, "using the servers")
	}
}

// TestDevSaysWhichPortsAreInUse, all at once and before anything starts.
func TestDevSaysWhichPortsAreInUse(t *testing.T) {
	t.Parallel()
	ports := make([]string, 0, 4)
	for range 4 {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		ports = append(ports, port)
	}
	began := time.Now()
	got := execute(t, nil, "dev", "--nats-port", ports[0], "--sandbox-listen", "127.0.0.1:"+ports[1], "--http-listen", "127.0.0.1:"+ports[2], "--console-listen", "127.0.0.1:0", "--postgres-port", ports[3])
	require.Equal(t, cli.Failed, got.code)
	require.Less(t, time.Since(began), 5*time.Second)
	for i, cure := range []string{"--nats-port -1", "--sandbox-listen 127.0.0.1:0", "--http-listen 127.0.0.1:0", "--postgres-port names another"} {
		require.Contains(t, got.err, "127.0.0.1:"+ports[i]+", for ")
		require.Contains(t, got.err, cure)
	}
	require.Contains(t, got.err, "is in use, probably by another worker dev")
}
