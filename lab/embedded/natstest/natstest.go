// Package natstest gives tests a real NATS server with JetStream on disk, inside
// the test's process, which can be restarted and restored from an older copy.
package natstest

import (
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
)

// Server is a server of one test.
type Server struct {
	dir    string
	listen bool

	mu      sync.Mutex
	running *embedded.NATS // nil while stopped
}

// Start runs a server that listens nowhere, until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, false)
}

// Listen runs a server on a free port of 127.0.0.1, for other processes. After a
// restart it may have another port.
func Listen(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, true)
}

func start(tb testing.TB, listen bool) *Server {
	tb.Helper()
	s := &Server{dir: tb.TempDir(), listen: listen}
	s.Run(tb)
	tb.Cleanup(s.Stop)
	return s
}

// Run starts the stopped server again, on the same files.
func (s *Server) Run(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	options := embedded.NATSOptions{StoreDir: s.dir}
	if s.listen {
		options.Port = -1
	}
	running, err := embedded.StartNATS(options)
	if err != nil {
		tb.Fatalf("starting NATS for the test: %v", err)
	}
	s.running = running
}

// Stop ends the server and waits for it. Stopping twice is harmless.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Shutdown()
		s.running = nil
	}
}

// Restart stops the server and starts it again on the same files.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop()
	s.Run(tb)
}

// Copy keeps a copy of the stopped server's files and returns a function that
// puts it back, for which the server must be stopped again.
func (s *Server) Copy(tb testing.TB) (putBack func()) {
	tb.Helper()
	kept := filepath.Join(tb.TempDir(), "copy")
	if err := os.CopyFS(kept, os.DirFS(s.dir)); err != nil {
		tb.Fatalf("copying the server's files: %v", err)
	}
	return func() {
		tb.Helper()
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Fatalf("removing the server's files: %v", err)
		}
		if err := os.CopyFS(s.dir, os.DirFS(kept)); err != nil {
			tb.Fatalf("putting the server's files back: %v", err)
		}
	}
}

// Wipe removes the stopped server's files, as a lost volume does.
func (s *Server) Wipe(tb testing.TB) {
	tb.Helper()
	if err := os.RemoveAll(s.dir); err != nil {
		tb.Fatalf("removing the server's files: %v", err)
	}
}

// URL is where other processes connect; "" unless the server was made by Listen.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return ""
	}
	return s.running.URL()
}

// InProcessConn connects to whichever server runs now, so that a client made by
// Connect finds its way back after a restart.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil, nats.ErrNoServers
	}
	return s.running.InProcessConn()
}

// Connect makes a client that reconnects quickly and is closed with the test.
func (s *Server) Connect(tb testing.TB, options ...nats.Option) *nats.Conn {
	tb.Helper()
	const reconnectWait = 10 * time.Millisecond
	connection, err := nats.Connect("", append([]nats.Option{
		nats.InProcessServer(s), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(0, 0),
	}, options...)...)
	if err != nil {
		tb.Fatalf("connecting to the test's NATS: %v", err)
	}
	tb.Cleanup(func() {
		closed := make(chan struct{})
		connection.SetClosedHandler(func(*nats.Conn) { close(closed) })
		connection.Close()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			tb.Error("the NATS client did not close")
		}
	})
	return connection
}

// JetStream is a JetStream client of a new connection.
func (s *Server) JetStream(tb testing.TB) jetstream.JetStream {
	tb.Helper()
	js, err := jetstream.New(s.Connect(tb))
	if err != nil {
		tb.Fatalf("making a JetStream client: %v", err)
	}
	return js
}

// Answers reports that the server answers the connection now. A connection whose server
// was stopped says for a moment that it is connected, and loses what is written to it.
func Answers(conn *nats.Conn) bool {
	return conn.IsConnected() && conn.FlushTimeout(time.Second) == nil
}
