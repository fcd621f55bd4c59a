package natstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
)

const (
	clusterSize  = 3
	clusterStart = time.Minute
)

const clusterConfig = `
server_name: courier-%d
listen: "127.0.0.1:%d"
max_payload: %d
jetstream { store_dir: %q, max_file_store: 1G }
cluster { name: courier, listen: "127.0.0.1:%d", routes: [%s] }
`

// Cluster is three servers of one test, which hold streams of three replicas.
type Cluster struct {
	options [clusterSize]*server.Options
	running [clusterSize]*server.Server // nil while stopped
}

// StartCluster runs three servers on free ports of 127.0.0.1 until the test ends, and
// waits until they have a leader.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c := &Cluster{}
	tb.Cleanup(func() {
		for i := range c.running {
			c.Stop(i)
		}
	})
	// A server of a cluster must know the others' addresses before it starts.
	clients, peers := freePorts(tb, clusterSize), freePorts(tb, clusterSize)
	var routes [clusterSize]string
	for i, peer := range peers {
		routes[i] = fmt.Sprintf("\"nats://127.0.0.1:%d\"", peer)
	}
	for i := range c.options {
		path := filepath.Join(tb.TempDir(), "nats.conf")
		text := fmt.Sprintf(clusterConfig, i, clients[i], embedded.MaxPayload, tb.TempDir(), peers[i], strings.Join(routes[:], ", "))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		options, err := server.ProcessConfigFile(path)
		if err != nil {
			tb.Fatalf("configuring server %d of the cluster: %v", i, err)
		}
		options.NoSigs, options.NoLog, options.DisableJetStreamBanner = true, true, true
		c.options[i] = options
		c.start(tb, i)
	}
	for i := range c.running {
		c.await(tb, i)
	}
	js, deadline := c.JetStream(tb), time.Now().Add(clusterStart)
	for {
		err := place(js)
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the cluster has no leader, or not all its servers: %v", err)
		}
	}
}

// place makes and removes a stream that each server has a copy of. Without a leader there is no
// answer at all, and a new leader may take a server for one that is away.
func place(js jetstream.JetStream) error {
	const name = "PLACED"
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Replicas: clusterSize}); err != nil {
		return err
	}
	return js.DeleteStream(ctx, name)
}

// Run starts a stopped server again on the same files and ports.
func (c *Cluster) Run(tb testing.TB, i int) {
	tb.Helper()
	c.start(tb, i)
	c.await(tb, i)
}

func (c *Cluster) start(tb testing.TB, i int) {
	tb.Helper()
	instance, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		tb.Fatalf("starting server %d of the cluster: %v", i, err)
	}
	c.running[i] = instance
	instance.Start()
}

func (c *Cluster) await(tb testing.TB, i int) {
	tb.Helper()
	if !c.running[i].ReadyForConnections(clusterStart) {
		tb.Fatalf("server %d of the cluster did not become ready", i)
	}
}

// Stop ends a server and waits for it. Stopping twice is harmless.
func (c *Cluster) Stop(i int) {
	if c.running[i] != nil {
		c.running[i].Shutdown()
		c.running[i].WaitForShutdown()
		c.running[i] = nil
	}
}

// Leader is the server that leads the stream, -1 while there is none.
func (c *Cluster) Leader(stream string) int {
	for i, instance := range c.running {
		if instance != nil && instance.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

// URL lists all servers, but for the one excepted; -1 excepts none.
func (c *Cluster) URL(except int) string {
	var all []string
	for i, options := range c.options {
		if i != except {
			all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", options.Port))
		}
	}
	return strings.Join(all, ",")
}

// JetStream is a JetStream client of a new connection, which is closed with the test.
func (c *Cluster) JetStream(tb testing.TB) jetstream.JetStream {
	tb.Helper()
	connection, err := nats.Connect(c.URL(-1), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		tb.Fatalf("connecting to the cluster: %v", err)
	}
	tb.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	if err != nil {
		tb.Fatalf("making a JetStream client: %v", err)
	}
	return js
}

// freePorts finds ports of 127.0.0.1 that nobody listens on. They are below those that
// systems give to connections and to listeners on any port: a server that is stopped for a
// while must find its port free again.
func freePorts(tb testing.TB, count int) (ports []int) {
	tb.Helper()
	const from, to, tries = 11_000, 32_000, 1000
	for range tries {
		port := from + rand.IntN(to-from)                                                     //nolint:gosec // no secret
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // closed with the function
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }()
		if ports = append(ports, port); len(ports) == count {
			return ports
		}
	}
	tb.Fatalf("there are no %d free ports", count)
	return ports
}
