package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// freezer makes connections that stand still, all at once, as those of a frozen
// process do: nothing is sent any more, and nothing closed.
type freezer struct {
	mu     sync.Mutex
	armed  bool
	left   int // writes that still get through
	thawed chan struct{}
	conns  []net.Conn
}

var errFrozen = errors.New("frozen")

// freezeAfter lets a few more writes through.
func (f *freezer) freezeAfter(writes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.left = true, writes
}

func (f *freezer) frozen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.armed && f.left == 0
}

func (f *freezer) mayWrite() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return true
	}
	if f.left == 0 {
		return false
	}
	f.left--
	return true
}

func (f *freezer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if f.frozen() {
		return nil, errFrozen
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, conn)
	return &freezingConn{Conn: conn, freezer: f}, nil
}

// end breaks all connections, as the end of the process would.
func (f *freezer) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thawed)
	for _, conn := range f.conns {
		_ = conn.Close() // closed twice at worst
	}
}

type freezingConn struct {
	net.Conn
	freezer *freezer
}

func (c *freezingConn) Write(p []byte) (int, error) {
	if !c.freezer.mayWrite() {
		<-c.freezer.thawed
		return 0, errFrozen
	}
	return c.Conn.Write(p)
}

// Close leaves the connection open: the server must not notice.
func (c *freezingConn) Close() error {
	if c.freezer.frozen() {
		return nil
	}
	return c.Conn.Close()
}

// TestFrozenHeartbeatDoesNotHoldItsSuccessorUp: a worker that is frozen in the
// middle of a heartbeat must not sit on a lock that its successor needs.
func TestFrozenHeartbeatDoesNotHoldItsSuccessorUp(t *testing.T) {
	t.Parallel()
	for writes := range 6 {
		t.Run(fmt.Sprint("after ", writes, " writes"), func(t *testing.T) {
			t.Parallel()
			_, pool := newDatabase(t)
			f := &freezer{thawed: make(chan struct{})}
			settings := pool.Config()
			settings.ConnConfig.DialFunc = f.dial
			theirs, err := pgxpool.NewWithConfig(t.Context(), settings)
			require.NoError(t, err)
			t.Cleanup(theirs.Close)
			sleeper := join(t, theirs)
			t.Cleanup(f.end)
			eventually(t, "it owns all", func() bool { return sleeper.owns() == partitions })
			f.freezeAfter(writes)
			eventually(t, "it is frozen", f.frozen)
			successor := join(t, pool)
			began := time.Now()
			eventually(t, "the successor owns all", func() bool { return successor.owns() == partitions })
			require.Less(t, time.Since(began), 3*ttl)
		})
	}
}
