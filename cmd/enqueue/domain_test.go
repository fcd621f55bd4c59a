package main

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/queue"
)

func runServer(t *testing.T, options *server.Options) *server.Server {
	t.Helper()
	options.Host, options.Port, options.NoSigs, options.NoLog = "127.0.0.1", -1, true, true
	options.JetStream, options.StoreDir, options.MaxPayload = true, t.TempDir(), 2<<20
	instance, err := server.NewServer(options)
	require.NoError(t, err)
	instance.Start()
	t.Cleanup(func() { instance.Shutdown(); instance.WaitForShutdown() })
	require.True(t, instance.ReadyForConnections(10*time.Second))
	return instance
}

// streamIn makes the stream in a domain and returns how many messages it has.
func streamIn(t *testing.T, address, domain string, options ...nats.Option) (messages func() uint64) {
	t.Helper()
	conn, err := nats.Connect(address, options...)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if domain != "" {
		js, err = jetstream.NewWithDomain(conn, domain)
	}
	require.NoError(t, err)
	var stream *queue.Stream
	require.Eventually(t, func() bool { // a leaf node is connected soon
		stream, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
	return func() uint64 {
		state, err := stream.State(t.Context())
		require.NoError(t, err)
		return state.Messages
	}
}

const oneLine = `{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}` + "\n"

func configured(t *testing.T, lines string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte(lines), 0o600))
	return path
}

// TestPublishingThroughALeafNode: the client is at the leaf, which has a domain of its
// own, and the stream is at the hub, or at the leaf itself.
func TestPublishingThroughALeafNode(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	free, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address, _ := free.Addr().(*net.TCPAddr)
	require.NoError(t, free.Close())
	runServer(t, &server.Options{
		ServerName: "hub", JetStreamDomain: "hub", LeafNode: server.LeafNodeOpts{Host: "127.0.0.1", Port: address.Port},
	})
	remote := &url.URL{Scheme: "nats-leaf", Host: address.String()}
	leaf := runServer(t, &server.Options{
		ServerName: "leaf", JetStreamDomain: "leaf", LeafNode: server.LeafNodeOpts{Remotes: []*server.RemoteLeafOpts{{URLs: []*url.URL{remote}}}},
	})
	atHub := streamIn(t, leaf.ClientURL(), "hub")
	got := execute(t, connect, oneLine, "--quiet", "--config", configured(t, "nats: {url: '"+leaf.ClientURL()+"', domain: hub}\n"))
	require.Zero(t, got.code, got.err)
	require.Equal(t, uint64(1), atHub())

	own := execute(t, connect, oneLine, "--quiet", "--config", configured(t, "nats: {url: '"+leaf.ClientURL()+"'}\n"))
	require.Equal(t, cli.Failed, own.code, "the leaf itself has no stream")
	require.Contains(t, own.err, "there is no stream CATALOG_MUTATIONS yet")
	require.Equal(t, uint64(1), atHub())
}

// TestPublishingWithAnNkey, given as it is or in a file.
func TestPublishingWithAnNkey(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := pair.PublicKey()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	instance := runServer(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	messages := streamIn(t, instance.ClientURL(), "", nats.Nkey(public, pair.Sign))
	file := configured(t, string(seed)+"\n")
	for i, setting := range []string{"nkey_seed: " + string(seed), "nkey_seed_file: " + file} {
		got := execute(t, connect, oneLine, "--quiet", "--config", configured(t, "nats: {url: '"+instance.ClientURL()+"', "+setting+"}\n"))
		require.Zero(t, got.code, got.err)
		require.Equal(t, uint64(i+1), messages())
	}
	other, err := nkeys.CreateUser()
	require.NoError(t, err)
	wrong, err := other.Seed()
	require.NoError(t, err)
	for setting, says := range map[string]string{
		"nkey_seed: " + string(wrong): "Authorization", "nkey_seed: SUNOTASEED": "nats.nkey_seed", "nkey_seed_file: /none.seed": "nats.nkey_seed_file",
	} {
		got := execute(t, connect, oneLine, "--quiet", "--config", configured(t, "nats: {url: '"+instance.ClientURL()+"', "+setting+"}\n"))
		require.Equal(t, cli.Failed, got.code, setting)
		require.Contains(t, got.err, says)
		require.NotContains(t, got.err, string(wrong), "no seed is told")
	}
	require.Equal(t, uint64(2), messages())
}
