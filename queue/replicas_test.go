package queue_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/queue"
)

// cluster runs three servers and returns a client of them.
func cluster(t *testing.T) jetstream.JetStream {
	t.Helper()
	const servers = 3
	routes := make([]*url.URL, 0, servers)
	ports := make([]int, 0, servers)
	for range servers {
		var config net.ListenConfig
		listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address, _ := listener.Addr().(*net.TCPAddr)
		require.NoError(t, listener.Close())
		ports = append(ports, address.Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: "127.0.0.1:" + strconv.Itoa(address.Port)})
	}
	var first *server.Server
	for i, port := range ports {
		one, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		require.NoError(t, err)
		one.Start()
		t.Cleanup(func() { one.Shutdown(); one.WaitForShutdown() })
		first = one
	}
	require.True(t, first.ReadyForConnections(10*time.Second))
	conn, err := nats.Connect(first.ClientURL())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	return js
}

// TestMoreCopiesAreAdded also to the bucket; fewer are not taken away.
func TestMoreCopiesAreAdded(t *testing.T) {
	t.Parallel()
	js := cluster(t)
	copies := func(name string) int {
		handle, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		return handle.CachedInfo().Config.Replicas
	}
	for _, step := range []struct {
		wanted, has int
		warning     string
	}{
		{wanted: 1, has: 1},
		{wanted: 3, has: 3, warning: "nats.stream.replicas: the stream has 1, 3 wanted"},
		{wanted: 1, has: 3, warning: "nats.stream.replicas: the stream has 3, 1 wanted"},
	} {
		config := queue.StreamConfig{Replicas: step.wanted, MaxBytes: 64 << 20}
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			warning, err := queue.CheckRoom(t.Context(), js, config)
			require.NoError(c, err)
			require.Contains(c, warning, step.warning)
		}, 30*time.Second, 100*time.Millisecond)
		_, err := queue.Ensure(t.Context(), js, config)
		require.NoError(t, err)
		_, err = queue.OpenMirror(t.Context(), js, config)
		require.NoError(t, err)
		require.Equal(t, step.has, copies("CATALOG_MUTATIONS"))
		require.Equal(t, step.has, copies("KV_CATALOG_MUTATIONS_COMMITS"))
	}
}
