package lease_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/lease"
)

// deadline is one that a test moves.
type deadline struct{ until atomic.Int64 }

func (l *deadline) end(at time.Time) { l.until.Store(at.UnixNano()) }

func (l *deadline) get() time.Time { return time.Unix(0, l.until.Load()) }

func guarded(t *testing.T) (*http.Client, *deadline) {
	t.Helper()
	held := &deadline{}
	held.end(time.Now().Add(time.Minute))
	transport := lease.GuardedTransport(held.get)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, held
}

func send(t *testing.T, client *http.Client, url string, body io.Reader) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// TestLeaseIsOver: nothing leaves the process, on an open connection or a new one.
func TestLeaseIsOver(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	client, held := guarded(t)
	require.NoError(t, send(t, client, server.URL, bytes.NewReader(make([]byte, 300<<10))))

	held.end(time.Now().Add(-time.Millisecond))
	require.ErrorIs(t, send(t, client, server.URL, bytes.NewReader([]byte("{}"))), lease.ErrWriteRefused)
	client.CloseIdleConnections()
	require.ErrorIs(t, send(t, client, server.URL, bytes.NewReader([]byte("{}"))), lease.ErrWriteRefused)
	require.EqualValues(t, 1, requests.Load())

	held.end(time.Now().Add(time.Minute))
	require.NoError(t, send(t, client, server.URL, bytes.NewReader([]byte("{}"))))
}

// thaw is a body that is read on only after something has happened.
type thaw struct {
	first, rest []byte
	between     func()
}

func (b *thaw) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.between != nil {
		b.between()
		b.between = nil
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// TestLeaseEndsInTheMiddle: of a body that was frozen half-way the rest is never
// written, and the connection says how much was.
func TestLeaseEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	whole := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		whole <- err == nil && n == 800<<10
	}))
	defer server.Close()
	client, held := guarded(t)
	var counter lease.WrittenCounter
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		counter, _ = info.Conn.(lease.WrittenCounter)
	}})
	body := &thaw{first: make([]byte, 400<<10), rest: make([]byte, 400<<10), between: func() { held.end(time.Now().Add(-time.Second)) }}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
	require.NoError(t, err)
	request.ContentLength = 800 << 10
	_, err = client.Do(request) //nolint:bodyclose // it fails
	require.ErrorIs(t, err, lease.ErrWriteRefused)
	require.False(t, <-whole)
	require.NotNil(t, counter)
	require.Greater(t, counter.WrittenBytes(), int64(300<<10))
	require.Less(t, counter.WrittenBytes(), int64(500<<10))
}

// TestBlockedWriteEndsWithTheLease: the peer reads nothing, so that the write
// blocks until the lease is over.
func TestBlockedWriteEndsWithTheLease(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	client, held := guarded(t)
	held.end(time.Now().Add(300 * time.Millisecond))
	began := time.Now()
	err = send(t, client, "http://"+listener.Addr().String(), bytes.NewReader(make([]byte, 64<<20)))
	require.Error(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, (<-accepted).Close())
}

// readSlowly is a platform behind a slow line: it reads a request, a piece at a time,
// answers it and tells its body's size.
func readSlowly(conn net.Conn) (size int64, err error) {
	request, err := http.ReadRequest(bufio.NewReaderSize(conn, 64<<10))
	if err != nil {
		return 0, err
	}
	for buffer := make([]byte, 64<<10); ; {
		n, err := request.Body.Read(buffer)
		size += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return size, err
		}
		time.Sleep(50 * time.Millisecond) // the bubble's clock
	}
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	return size, err
}

// TestRenewedLeaseLetsALongBodyGoOn: a body that takes longer than the lease had
// left at its beginning is written to its end when the lease is renewed.
func TestRenewedLeaseLetsALongBodyGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size, ttl = 8 << 20, time.Second
		held := &deadline{}
		held.end(time.Now().Add(ttl))
		ours, theirs := net.Pipe()
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return lease.Guard(ours, held.get), nil
		}}}
		defer client.CloseIdleConnections()
		var platform, heart sync.WaitGroup
		var got int64
		var failure error
		platform.Go(func() { got, failure = readSlowly(theirs) })
		stop := make(chan struct{})
		heart.Go(func() {
			for tick := time.Tick(ttl / 5); ; {
				select {
				case <-tick:
					held.end(time.Now().Add(ttl))
				case <-stop:
					return
				}
			}
		})
		began := time.Now()
		err := send(t, client, "http://platform.test", bytes.NewReader(make([]byte, size)))
		close(stop)
		heart.Wait()
		require.NoError(t, err)
		platform.Wait()
		require.NoError(t, failure)
		require.EqualValues(t, size, got)
		require.Greater(t, time.Since(began), 3*ttl, "the lease that stood at the beginning was over")
	})
}
