package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli/clitest"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

func quiet() cli.Streams {
	return cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Lookup: func(string) (string, bool) { return "", false }}
}

// execution is one run of the command.
type execution struct {
	code     int
	out, err string
}

func execute(t *testing.T, variables map[string]string, args ...string) execution {
	t.Helper()
	return executeIn(t.Context(), builtin.Platforms(), variables, args...)
}

func executeIn(ctx context.Context, platforms []platform.Descriptor, variables map[string]string, args ...string) execution {
	return executeTo(ctx, &bytes.Buffer{}, platforms, variables, args...)
}

// executeTo writes standard error to errOut, which others may read meanwhile.
func executeTo(
	ctx context.Context, errOut interface {
		io.Writer
		fmt.Stringer
	}, platforms []platform.Descriptor, variables map[string]string, args ...string,
) execution {
	var out bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: &out, Err: errOut, Lookup: func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	}}
	code := cli.Execute(ctx, newCommand(streams, platforms), streams, args) //nolint:contextcheck // cobra passes ctx on
	return execution{code: code, out: out.String(), err: errOut.String()}
}

func TestWrongUsageExitsWith2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"fly"},
		{"run", "--nope"},
		{"run", "extra"},
		{"accounts"},
		{"accounts", "stop"},
		{"accounts", "pause"},
		{"status", "--output", "xml"},
		{"status", "--batches", "0"},
		{"dead-letters", "replay"},
		{"dead-letters", "replay", "x"},
		{"dead-letters", "replay", "--mutation", "m"}, // of which account?
		{"dead-letters", "replay", "1", "--all"},      // which?
		{"dead-letters", "dismiss", "1", "--reason", "refused"},
		{"dead-letters", "dismiss", "--all", "--state", "replayed"},
		{"dead-letters", "replay", "--all", "--since", "yesterday"},
		{"dead-letters", "list", "--state", "gone"},
		{"dead-letters", "list", "--group", "colour"},
		{"dead-letters", "list", "--limit", "-1"},
		{"dead-letters", "edit", "1", "--set", "a=1", "--file", "x"},
		{"dead-letters", "edit", "1", "--operation", "UPSERT", "--file", "x"},
		{"dead-letters", "edit", "1", "--operation", "delete"},
		{"dead-letters", "edit", "1", "--set", "operation=delete"},
		{"dead-letters", "edit"},
		{"check", "--output", "xml"},
		{"item", ""},
		{"mutation", ""},
		{"webhooks", "list", "--limit", "0"},
		{"webhooks", "list", "--limit", "10001"},
		{"healthcheck", "--timeout", "0s"},
		{"demo", "--timeout", "0s"},
		{"dev", "--nats-port", "-2"},
		{"dev", "--postgres-port", "65536"},
		{"--log-level", "loud", "status"},
		{"--log-format", "xml", "status"},
	} {
		got := execute(t, nil, args...)
		require.Equal(t, cli.Usage, got.code, "%v: %s", args, got.err)
		require.Contains(t, got.err, "--help", "%v", args)
	}
}

func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	got := execute(t, nil, "--help")
	require.Zero(t, got.code)
	for _, command := range []string{
		"run", "dev", "demo", "migrate", "check", "status", "dead-letters", "accounts", "console", "healthcheck", "sandbox", "notices", "version", "completion",
	} {
		require.Contains(t, got.out, "\n  "+command+" ")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.NotEmpty(t, execute(t, nil, "completion", shell).out, shell)
	}
	require.Equal(t, "worker version "+cli.Version("")+"\n", execute(t, nil, "--version").out)
	require.Equal(t, "worker "+cli.Version("")+" "+runtime.Version()+"\n", execute(t, nil, "version").out)
}

func TestCheckSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte("accounts:\n  a: {platform: meta}\nnatz: {}\n"), 0o600))
	got := execute(t, map[string]string{"NATS_URL": "nats://u:canary@127.0.0.1:1", "DATABASE_URL": "postgres://u:canary@127.0.0.1:1/x"},
		"check", "--config", path)
	require.Equal(t, cli.Failed, got.code)
	for _, want := range []string{"FAILED configuration", ":3: natz: is not a known key", "access_token is missing"} {
		require.Contains(t, got.out, want)
	}
	require.NotContains(t, got.out+got.err, "canary")

	require.NoError(t, os.WriteFile(path, []byte("accounts:\n  a: {platform: meta, access_token: t, catalogs: {c: {catalog_id: '1'}}}\n"), 0o600))
	got = execute(t, map[string]string{"NATS_URL": "nats://u:canary@127.0.0.1:1", "DATABASE_URL": "postgres://u:canary@127.0.0.1:1/x"},
		"check", "--config", path, "--output", "json")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.out, `"check": "NATS"`)
	require.Contains(t, got.out, `"check": "Postgres"`)
	require.Contains(t, got.out, "127.0.0.1:1")
	require.NotContains(t, got.out+got.err, "canary")
}

func TestRunNeedsAConfigurationAndADatabase(t *testing.T) {
	t.Parallel()
	require.Equal(t, cli.Usage, execute(t, nil, "run").code)
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	got := execute(t, nil, "run", "--config", path)
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "DATABASE_URL")
	got = execute(t, nil, "run", "--config", path+"x")
	require.Contains(t, got.err, "courier.yamlx")
}

func TestHealthcheckAsksTheProbe(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "at "+r.URL.Path)
	}))
	defer server.Close()
	require.Zero(t, execute(t, nil, "healthcheck", "--url", server.URL).code)
	listen := map[string]string{"COURIER_HTTP_LISTEN": strings.TrimPrefix(server.URL, "http://")}
	require.Zero(t, execute(t, listen, "healthcheck").code)
	status = http.StatusServiceUnavailable
	got := execute(t, listen, "healthcheck")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "503 Service Unavailable: at /readyz")
	server.Close()
	require.Equal(t, cli.Failed, execute(t, listen, "healthcheck").code)
}

func TestProbeAddress(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		":8080": "http://127.0.0.1:8080/readyz", "0.0.0.0:1": "http://127.0.0.1:1/readyz",
		"10.0.0.1:2": "http://10.0.0.1:2/readyz", "[::]:3": "http://127.0.0.1:3/readyz",
	} {
		require.Equal(t, want, probeURL(listen))
	}
}

// TestNumbersBelowZero: no command takes one, but where its help says so.
func TestNumbersBelowZero(t *testing.T) {
	t.Parallel()
	clitest.RequireNoNegatives(t, newCommand(quiet(), builtin.Platforms()), func(args []string) (code int, text string) {
		got := execute(t, nil, args...)
		return got.code, got.err
	}, "--nats-port")
}
