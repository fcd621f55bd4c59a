package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/platform"
)

// lease is a deadline that a test moves.
type lease struct{ until atomic.Int64 }

func (l *lease) end(at time.Time) { l.until.Store(at.UnixNano()) }

func (l *lease) deadline() time.Time { return time.Unix(0, l.until.Load()) }

func guarded(t *testing.T) (*http.Client, *lease) {
	t.Helper()
	held := &lease{}
	held.end(time.Now().Add(time.Minute))
	transport := delivery.GuardedTransport(held.deadline)
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
	require.ErrorIs(t, send(t, client, server.URL, bytes.NewReader([]byte("{}"))), platform.ErrWriteRefused)
	client.CloseIdleConnections()
	require.ErrorIs(t, send(t, client, server.URL, bytes.NewReader([]byte("{}"))), platform.ErrWriteRefused)
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
	var counter platform.WrittenCounter
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		counter, _ = info.Conn.(platform.WrittenCounter)
	}})
	body := &thaw{first: make([]byte, 400<<10), rest: make([]byte, 400<<10), between: func() { held.end(time.Now().Add(-time.Second)) }}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
	require.NoError(t, err)
	request.ContentLength = 800 << 10
	_, err = client.Do(request) //nolint:bodyclose // it fails
	require.ErrorIs(t, err, platform.ErrWriteRefused)
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

// TestRenewedLeaseLetsALongBodyGoOn: a body that takes longer than the lease had
// left at its beginning is written to its end when the lease is renewed.
func TestRenewedLeaseLetsALongBodyGoOn(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	got := make(chan int64, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n int64
		buffer := make([]byte, 256<<10)
		for {
			read, err := r.Body.Read(buffer)
			n += int64(read)
			if err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond) // a slow line, no synchronisation
		}
		got <- n
	}))
	defer server.Close()
	client, held := guarded(t)
	held.end(time.Now().Add(150 * time.Millisecond))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				held.end(time.Now().Add(150 * time.Millisecond))
			case <-stop:
				return
			}
		}
	}()
	err := send(t, client, server.URL, bytes.NewReader(make([]byte, size)))
	close(stop)
	<-done
	require.NoError(t, err)
	require.EqualValues(t, size, <-got)
}
