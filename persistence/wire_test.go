package persistence_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// fault is what the wire does to the next flight that a client sends.
type fault int

const (
	none       fault = iota
	freezeCopy       // let a COPY begin, then send nothing more until thawed
	dropAnswer       // send the flight, then cut the connection
	dropFlight       // cut the connection before the flight
	holdFlight       // cut the client off, and deliver the flight when asked to
)

// wire connects a pool to Postgres and breaks when told.
type wire struct {
	mu     sync.Mutex
	next   fault
	marker []byte        // what is in the flight that the fault concerns
	frozen chan struct{} // closed once a COPY is frozen
	thaw   chan struct{}
	held   chan func() // delivers a held flight
}

func newWire() *wire {
	return &wire{frozen: make(chan struct{}), thaw: make(chan struct{}), held: make(chan func(), 1)}
}

// set breaks the wire at a flight. The fence's, the last one, is known by the
// lease's token in it.
func (w *wire) set(f fault, lease ledger.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.marker = f, lease.Token[:]
	if f == freezeCopy {
		w.marker = []byte("copy courier.mutation")
	}
}

// take returns the fault if it concerns these bytes, once.
func (w *wire) take(sent []byte) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.next
	if !bytes.Contains(sent, w.marker) {
		return none
	}
	w.next = none
	return f
}

type wireConn struct {
	net.Conn
	wire   *wire
	frozen bool
	cut    bool
}

var errCut = errors.New("the wire is cut")

func (c *wireConn) Write(b []byte) (int, error) {
	if c.frozen {
		<-c.wire.thaw
		c.frozen = false
	}
	switch c.wire.take(b) {
	case none:
	case freezeCopy:
		n, err := c.Conn.Write(b)
		c.frozen = true
		close(c.wire.frozen)
		return n, err
	case dropAnswer:
		_, _ = c.Conn.Write(b)
		c.cut = true
		return len(b), nil
	case dropFlight:
		_ = c.Close()
		return 0, errCut
	case holdFlight:
		flight, server := bytes.Clone(b), c.Conn
		c.wire.held <- func() {
			_, _ = server.Write(flight)
			_ = server.(interface{ CloseWrite() error }).CloseWrite()
			_, _ = io.Copy(io.Discard, server) // until the server is done with it
			_ = server.Close()
		}
		c.cut = true
		c.Conn = &deadConn{Conn: c.Conn}
		return 0, errCut
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	if c.cut {
		return 0, errCut
	}
	return c.Conn.Read(b)
}

// deadConn keeps the client from touching a held connection.
type deadConn struct{ net.Conn }

func (deadConn) Write([]byte) (int, error) { return 0, errCut }
func (deadConn) Read([]byte) (int, error)  { return 0, errCut }
func (deadConn) Close() error              { return nil }

// newWiredStore is a store whose only connection runs over the wire.
func newWiredStore(t *testing.T, plain *pgxpool.Pool, w *wire) *persistence.Store {
	t.Helper()
	config := plain.Config()
	config.MaxConns = 2
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wireConn{Conn: connection, wire: w}, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return newStore(t, pool)
}
