package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// TestFailuresTellNoSecret (I7): whatever is wrong with the address or the log-in, the
// password is in no message.
func TestFailuresTellNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-password-e07b"
	guarded, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, Username: "acme", Password: "another", NoSigs: true, NoLog: true,
	})
	require.NoError(t, err)
	guarded.Start()
	t.Cleanup(func() {
		guarded.Shutdown()
		guarded.WaitForShutdown()
	})
	address := guarded.Addr().String()
	for _, test := range []struct{ name, url, want string }{
		{"nobody there", "nats://acme:" + canary + "@127.0.0.1:1", "nats://127.0.0.1:1"},
		{"none of several there", "nats://acme:" + canary + "@127.0.0.1:1,nats://acme:" + canary + "@127.0.0.1:2", "nats://127.0.0.1:1,nats://127.0.0.1:2"},
		{"refused", "nats://acme:" + canary + "@" + address, "nats://" + address},
		{"token refused", "nats://" + canary + "@" + address, "nats://" + address},
		{"not escaped", "nats://acme:" + canary + "%zz@" + address, "nats.url: is not a NATS address"},
		{"no port", "nats://acme:" + canary + "@127.0.0.1:port", "nats.url: is not a NATS address"},
		{"no scheme", "acme:" + canary + "@" + address, "nats.url: is not a NATS address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, output := range []string{"table", "json"} {
				got := execute(t, connect, strings.Repeat(`{"item_id":"1","operation":"DELETE"}`+"\n", 3), "--output", output,
					"--account", "a", "--catalog", "c", "--type", "RETAIL", "--nats", test.url, "--timeout", "500ms")
				require.Equal(t, cli.Failed, got.code)
				require.Contains(t, got.err, test.want)
				require.NotContains(t, got.out+got.err, canary)
			}
		})
	}
}
