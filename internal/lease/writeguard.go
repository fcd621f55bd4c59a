package lease

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// ErrWriteRefused is wrapped by the error of a connection that refuses a write
// because the worker's lease is over. A request that fails with it was certainly
// not sent only if none of its bytes went out before.
var ErrWriteRefused = errors.New("the lease no longer allows a write")

// WrittenCounter is offered by connections that count what they wrote. It tells
// a request refused before its first byte from one cut in the middle; without
// it the latter is assumed.
type WrittenCounter interface {
	// WrittenBytes is how many bytes the connection has passed on so far. It is safe
	// to call while a write is under way.
	WrittenBytes() int64
}

// GuardedTransport makes an HTTP transport whose connections check the lease
// before each write to the socket: after deadline() nothing more leaves this
// process. A context deadline is not enough: a process that was frozen in the
// middle of a request goes on writing before it looks at its context.
//
// deadline must be cheap and safe for concurrent use; a zero time refuses
// everything.
func GuardedTransport(deadline func() time.Time) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return Guard(conn, deadline), nil
		},
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Guard makes a connection look at the lease before each write: see
// GuardedTransport.
func Guard(conn net.Conn, deadline func() time.Time) net.Conn {
	return &guardedConn{Conn: conn, deadline: deadline}
}

// guardedConn is a connection that looks at the lease before each write.
type guardedConn struct {
	net.Conn
	deadline func() time.Time
	written  atomic.Int64
}

// maxWrite is the most that is written between two looks at the lease. A body in
// one piece would be bound to the deadline that stood at its beginning, though the
// lease may have been renewed since.
const maxWrite = 64 << 10

// WrittenBytes is how much was passed on so far.
func (c *guardedConn) WrittenBytes() int64 { return c.written.Load() }

// Write refuses once the lease's local deadline has passed, also in the middle.
func (c *guardedConn) Write(p []byte) (written int, err error) {
	for {
		piece := p[written:min(len(p), written+maxWrite)]
		n, err := c.writePiece(piece)
		written += n
		c.written.Add(int64(n))
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// writePiece also sets the socket's write deadline, so that a write that blocks
// ends by then.
func (c *guardedConn) writePiece(p []byte) (int, error) {
	until := c.deadline()
	if !time.Now().Before(until) {
		return 0, ErrWriteRefused
	}
	if err := c.SetWriteDeadline(until); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
