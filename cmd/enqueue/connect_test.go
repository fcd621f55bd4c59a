package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/queue"
)

// serve runs a server on a folder; port 0 is any.
func serve(folder string, port int, edit func(*server.Options)) (*server.Server, error) {
	options := &server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: folder, NoSigs: true, NoLog: true, MaxPayload: embedded.MaxPayload,
	}
	if port == 0 {
		options.Port = server.RANDOM_PORT
	}
	if edit != nil {
		edit(options)
	}
	started, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	started.Start()
	if !started.ReadyForConnections(time.Minute) {
		return nil, errors.New("the server did not start")
	}
	return started, nil
}

func end(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// away is a server that has the stream and does not run; start runs it where it was.
func away(t *testing.T) (address string, start func(edit func(*server.Options)) error) {
	t.Helper()
	folder := t.TempDir()
	first, err := serve(folder, 0, nil)
	require.NoError(t, err)
	address = first.Addr().String()
	conn, err := nats.Connect("nats://" + address)
	require.NoError(t, err)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	conn.Close()
	port := first.Addr().(*net.TCPAddr).Port
	end(first)
	return address, func(edit func(*server.Options)) error {
		again, err := serve(folder, port, edit)
		if err == nil {
			t.Cleanup(func() { end(again) })
		}
		return err
	}
}

// heard is standard error; it calls act once, when it has heard the text.
type heard struct {
	mu   sync.Mutex
	said bytes.Buffer
	text string
	act  func()
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.said.Write(p)
	if h.act != nil && strings.Contains(h.said.String(), h.text) {
		h.act()
		h.act = nil
	}
	return n, err
}

func executeHeard(ctx context.Context, said *heard, input string, args ...string) execution {
	var out bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(input), Out: &out, Err: said, Lookup: func(string) (string, bool) { return "", false }}
	code := cli.Execute(ctx, newCommand(streams, connect), streams, args)
	return execution{code: code, out: out.String(), err: said.said.String()}
}

const notThere = "NATS does not answer, trying for up to"

// TestEnqueueWaitsForNATS: a server that comes while it tries takes the lines, and the
// wait is said once.
func TestEnqueueWaitsForNATS(t *testing.T) {
	t.Parallel()
	// Another server has to be there first: one that ends each connection at once, and one
	// that has no room for a connection.
	closing := func(address string) (func(), error) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			return nil, err
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		return func() { _ = listener.Close(); <-ended }, nil
	}
	crowded := func(address string) (func(), error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		number, err := net.LookupPort("tcp", port)
		if err != nil {
			return nil, err
		}
		full, err := serve(t.TempDir(), number, func(o *server.Options) { o.MaxConn = 1 })
		if err != nil {
			return nil, err
		}
		only, err := nats.Connect("nats://" + address)
		if err != nil {
			return nil, err
		}
		return func() { only.Close(); end(full) }, nil
	}
	for _, test := range []struct {
		name, prefix string
		before       func(address string) (stop func(), err error)
	}{
		{"nobody listens", "nats://", nil},
		{"one of two", "nats://127.0.0.1:1,nats://", nil},
		{"connections end", "nats://", closing},
		{"no room", "nats://", crowded},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address, start := away(t)
			stop := func() {}
			if test.before != nil {
				var err error
				stop, err = test.before(address)
				require.NoError(t, err)
			}
			var failed error
			said := &heard{text: notThere, act: func() {
				stop()
				failed = start(nil)
			}}
			got := executeHeard(t.Context(), said, goodLines(0, 1200), "--nats", test.prefix+address, "--quiet", "--output", "json")
			require.NoError(t, failed)
			require.Zero(t, got.code, got.err)
			require.Contains(t, got.out, `"published": 1200`)
			require.Equal(t, 1, strings.Count(got.err, notThere), got.err)
		})
	}
}

// TestWhatCannotPassEndsAtOnce: waiting helps against nothing of it.
func TestWhatCannotPassEndsAtOnce(t *testing.T) {
	t.Parallel()
	guarded, err := serve(t.TempDir(), 0, func(o *server.Options) { o.Username, o.Password = "right", "right" })
	require.NoError(t, err)
	t.Cleanup(func() { end(guarded) })
	tokened, err := serve(t.TempDir(), 0, func(o *server.Options) { o.Authorization = "right" })
	require.NoError(t, err)
	t.Cleanup(func() { end(tokened) })
	empty, err := serve(t.TempDir(), 0, nil)
	require.NoError(t, err)
	t.Cleanup(func() { end(empty) })
	missing := filepath.Join(t.TempDir(), "none.creds")
	for _, test := range []struct{ name, url, setting, says string }{
		{"wrong password", "nats://right:wrong@" + guarded.Addr().String(), "", "Authorization Violation"},
		{"no password", "nats://" + guarded.Addr().String(), "", "Authorization Violation"},
		{"wrong token", "nats://wrong@" + tokened.Addr().String(), "", "Authorization Violation"},
		{"wrong password at the one of two that is there", "nats://127.0.0.1:1,nats://right:wrong@" + guarded.Addr().String(), "", "Authorization Violation"},
		{"TLS where there is none", "tls://" + empty.Addr().String(), "", "secure connection not available"},
		{"no such port", "nats://127.0.0.1:99999", "", "port"},
		{"wrong password at the one of three that is there", "nats://127.0.0.1:1,nats://right:wrong@" + guarded.Addr().String() + ",nats://127.0.0.1:2", "", "Authorization Violation"},
		{"no credentials file", "nats://" + empty.Addr().String(), "creds_file: " + missing, "none.creds"},
		{"no stream", "nats://" + empty.Addr().String(), "", "there is no stream CATALOG_MUTATIONS yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "courier.yaml")
			writeFile(t, path, fmt.Sprintf("nats:\n  url: %q\n  %s\n", test.url, test.setting))
			started := time.Now()
			got := execute(t, connect, goodLines(0, 3), "--config", path)
			require.Equal(t, cli.Failed, got.code, got.err)
			require.Less(t, time.Since(started), 30*time.Second, "at once, not after the budget")
			require.Contains(t, got.err, test.says)
			require.NotContains(t, got.err, "right:wrong")
		})
	}
}

// TestEnqueueWithAnNkeyThroughAnotherDomain: the stream is in the domain of a hub, which
// the user reaches by a leaf server, with a seed.
func TestEnqueueWithAnNkeyThroughAnotherDomain(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := pair.PublicKey()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	hub, err := serve(t.TempDir(), 0, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	})
	require.NoError(t, err)
	t.Cleanup(func() { end(hub) })
	conn, err := nats.Connect("nats://" + hub.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	about, err := hub.Varz(nil)
	require.NoError(t, err)
	to := &url.URL{Scheme: "nats-leaf", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(about.LeafNode.Port))}
	leaf, err := serve(t.TempDir(), 0, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain, o.Nkeys = "leaf", "leaf", []*server.NkeyUser{{Nkey: public}}
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{to}}}
	})
	require.NoError(t, err)
	t.Cleanup(func() { end(leaf) })

	path := filepath.Join(t.TempDir(), "courier.yaml")
	writeFile(t, path+".nk", string(seed))
	for name, test := range map[string]struct {
		settings string
		code     int
		says     string
	}{
		"in the domain":       {"nkey_seed: " + string(seed) + "\n  domain: hub", cli.Done, `"published": 5`},
		"without the domain":  {"nkey_seed: " + string(seed), cli.Failed, "there is no stream CATALOG_MUTATIONS yet"},
		"without the seed":    {"domain: hub", cli.Failed, "Authorization Violation"},
		"seed as credentials": {"domain: hub\n  creds_file: " + path + ".nk", cli.Failed, "nats.nkey_seed_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := path + strings.ReplaceAll(name, " ", "-")
			writeFile(t, file, "nats:\n  url: nats://"+leaf.Addr().String()+"\n  "+test.settings+"\n")
			got := execute(t, connect, goodLines(0, 5), "--config", file, "--output", "json", "--timeout", "20s")
			require.Equal(t, test.code, got.code, got.err)
			require.Contains(t, got.out+got.err, test.says)
			require.NotContains(t, got.out+got.err, string(seed))
		})
	}
}

// TestABudgetOfTheStartEnds, and a signal ends it sooner.
func TestABudgetOfTheStartEnds(t *testing.T) {
	t.Parallel()
	address, _ := away(t)
	got := execute(t, connect, goodLines(0, 3), "--nats", "nats://127.0.0.1:1,nats://"+address, "--timeout", "700ms")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "tried for 700ms in vain")
	require.Contains(t, got.err, address+": connect: connection refused", "each address with its reason")
	require.Contains(t, got.err, "127.0.0.1:1: connect: connection refused")
	require.Equal(t, 1, strings.Count(got.err, notThere), got.err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := time.Now()
	said := &heard{text: notThere, act: cancel}
	got = executeHeard(ctx, said, goodLines(0, 3), "--nats", "nats://"+address)
	require.Equal(t, cli.Failed, got.code)
	require.Less(t, time.Since(started), 30*time.Second)

	for _, wrong := range []string{"0s", "-1s", "2m", "soon"} {
		require.Equal(t, cli.Usage, execute(t, connect, "", "--timeout="+wrong, "-").code, wrong)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
