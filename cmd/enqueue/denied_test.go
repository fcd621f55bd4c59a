package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/queue"
)

const deniedConfig = `
listen: "127.0.0.1:-1"
max_payload: %d
jetstream { store_dir: %q }
authorization { users = [
 {user: w, password: w}
 {user: acme, password: a, permissions: {publish: {allow: ["catalog.mutations.demo-meta.>", "$JS.API.STREAM.INFO.CATALOG_MUTATIONS"]}, subscribe: {allow: ["_INBOX_acme.>"]}}}
 {user: noinfo, password: a, permissions: {publish: {allow: ["catalog.mutations.demo-meta.>"]}, subscribe: {allow: ["_INBOX_acme.>"]}}}
 {user: nothing, password: a, permissions: {publish: {deny: [">"]}, subscribe: {allow: ["_INBOX_acme.>"]}}}
] }`

// guarded is a server with permissions and the stream.
func guarded(t *testing.T) (address string, js jetstream.JetStream) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, deniedConfig, embedded.MaxPayload, t.TempDir()), 0o600))
	options, err := server.ProcessConfigFile(path)
	require.NoError(t, err)
	options.NoLog, options.NoSigs = true, true
	instance, err := server.NewServer(options)
	require.NoError(t, err)
	instance.Start()
	t.Cleanup(func() {
		instance.Shutdown()
		instance.WaitForShutdown()
	})
	require.True(t, instance.ReadyForConnections(time.Minute))
	address = instance.Addr().String()
	conn, err := nats.Connect("nats://w:w@" + address)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err = jetstream.New(conn)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = queue.Ensure(ctx, js, queue.StreamConfig{})
	require.NoError(t, err)
	return address, js
}

// TestWhatNATSRefusesIsSaidAtOnce: with the subject, and allowed lines are published.
//
//nolint:tparallel // each step counts what it added to the stream
func TestWhatNATSRefusesIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	address, js := guarded(t)
	line := func(account, catalog string, i int) string {
		return fmt.Sprintf(`{"account":%q,"catalog":%q,"type":"RETAIL","item_id":"%d","operation":"DELETE"}`+"\n", account, catalog, i)
	}
	var mixed, many strings.Builder
	for i := range 2500 {
		mixed.WriteString(line(map[bool]string{true: "demo-pinterest", false: "demo-meta"}[i%5 == 0], "us", i))
	}
	for i := range 300 {
		many.WriteString(line("demo-meta", "us", i) + line("demo-pinterest", fmt.Sprint("c", i), i))
	}
	const denied = "NATS refuses the subject catalog.mutations.demo-pinterest.us.RETAIL to this user"
	for _, test := range []struct {
		name, user, inbox, input string
		published, refused       int
		says                     string
	}{
		{"alone", "acme", "_INBOX_acme", line("demo-pinterest", "us", 1), 0, 1, denied},
		{"first of two", "acme", "_INBOX_acme", line("demo-pinterest", "us", 1) + line("demo-meta", "us", 2), 1, 1, denied},
		{"last of two", "acme", "_INBOX_acme", line("demo-meta", "us", 2) + line("demo-pinterest", "us", 1), 1, 1, denied},
		{"among many", "acme", "_INBOX_acme", mixed.String(), 2000, 500, denied},
		{"many subjects", "acme", "_INBOX_acme", many.String(), 300, 300, "demo-pinterest.c299.RETAIL"},
		{"may not ask", "noinfo", "_INBOX_acme", line("demo-meta", "us", 2), 1, 0, "may not ask for stream CATALOG_MUTATIONS ($JS.API.STREAM.INFO.CATALOG_MUTATIONS)"},
		{"may not ask, and denied", "noinfo", "_INBOX_acme", line("demo-pinterest", "us", 1), 0, 1, denied},
		{"may nothing", "nothing", "_INBOX_acme", line("demo-pinterest", "us", 1), 0, 1, denied},
		{"wrong inbox", "acme", "_INBOX_other", line("demo-meta", "us", 1), -1, 0, "NATS refuses a subscription to _INBOX_other"},
		{"default inbox", "acme", "_INBOX", line("demo-meta", "us", 1), -1, 0, "set nats.inbox_prefix"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := stored(t, js)
			path := filepath.Join(t.TempDir(), "acme.yaml")
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "nats:\n  url: nats://%s:a@%s\n  inbox_prefix: %s\n", test.user, address, test.inbox), 0o600))
			started := time.Now()
			got := execute(t, connect, test.input, "--config", path, "--output", "json")
			require.Less(t, time.Since(started), 8*time.Second, "at once")
			require.Equal(t, test.refused > 0 || test.published < 0, got.code == cli.Failed, got.err)
			require.Contains(t, got.err+got.out, test.says)
			if test.published < 0 {
				return
			}
			var report summary
			require.NoError(t, json.Unmarshal([]byte(got.out), &report), got.err)
			require.Equal(t, test.published, report.Published)
			require.Equal(t, test.refused, report.Refused)
			require.Equal(t, uint64(test.published), stored(t, js)-before)
		})
	}
}

func stored(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	return stream.CachedInfo().State.Msgs
}
