package publish_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// TestRefusedInboxIsForgotten: once the user may listen to its answers and the client has
// connected again, its process can publish, and once it may not any more, it fails at once.
func TestRefusedInboxIsForgotten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats.conf")
	permit := func(inbox string) {
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
			listen: "127.0.0.1:-1"
			jetstream: {store_dir: %q}
			authorization: {users: [
				{user: worker, password: w}
				{user: shop, password: s, permissions: {publish: ">", subscribe: %q}}
			]}`, filepath.Join(filepath.Dir(path), "store"), inbox), 0o600))
	}
	permit("nothing")
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
	require.True(t, instance.ReadyForConnections(10*time.Second))
	connect := func(user string, options ...nats.Option) (*nats.Conn, jetstream.JetStream) {
		conn, err := nats.Connect("nats://"+user+"@"+instance.Addr().String(), append(options, nats.ReconnectWait(50*time.Millisecond))...)
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		return conn, js
	}
	_, js := connect("worker:w")
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CATALOG_MUTATIONS", Subjects: []string{"catalog.mutations.>"}, AllowAtomicPublish: true})
	require.NoError(t, err)
	denials := &publish.Denials{}
	conn, js := connect("shop:s", nats.ErrorHandler(denials.Handler(nil)))
	publisher := publish.NewPublisher(js, publish.Options{Denials: denials, RetryFor: 20 * time.Second})
	send := func() error {
		_, err := publisher.PublishMutations(t.Context(), publish.Mutation{
			Account: "acme", Catalog: "us", Type: "RETAIL", ItemID: "SKU-1", Operation: catalog.Delete,
		})
		return err
	}
	refused := func(why string) {
		t.Helper()
		began := time.Now()
		require.ErrorIs(t, send(), publish.ErrDenied, why)
		require.Less(t, time.Since(began), 10*time.Second, "at once")
	}
	reconnect := func() {
		t.Helper()
		before := conn.Stats().Reconnects
		require.NoError(t, conn.ForceReconnect())
		require.Eventually(t, func() bool { return conn.Stats().Reconnects > before && conn.IsConnected() }, 10*time.Second, 10*time.Millisecond)
	}
	refused("the first call finds out")
	refused("the next ones know")
	permit("_INBOX.>")
	require.NoError(t, instance.Reload())
	reconnect()
	require.NoError(t, send(), "granted")
	permit("nothing")
	require.NoError(t, instance.Reload()) // which ends the subscription
	refused("taken away")
	reconnect()
	refused("and not granted to the next connection")
	permit("_INBOX.>")
	require.NoError(t, instance.Reload())
	reconnect()
	require.NoError(t, send(), "granted again")
}
