package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStopping: the request under way is stored and acknowledged, the next one is answered
// 503 on a connection that is then closed, and Serve ends without an error.
func TestStopping(t *testing.T) {
	t.Parallel()
	h := hold1()
	a := start(t, setup{wrap: func(p Publisher) Publisher { h.Publisher = p; return h }})
	kept, from := a.dial() // a connection that was open before
	_, err := io.WriteString(kept, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, readAny(t, from).status)

	first := make(chan answer, 1)
	go func() {
		got, _ := a.try(call{body: remove})
		first <- got
	}()
	<-h.begun
	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	var got answer
	require.Eventually(t, func() bool {
		got = a.do(call{method: http.MethodGet, path: "/readyz"})
		return got.status == http.StatusServiceUnavailable
	}, patience, time.Millisecond)
	got.problem(t, kindStopping)

	_, err = io.WriteString(kept, head(authorized+fmt.Sprintf("Content-Length: %d\r\n", len(remove)))+remove)
	require.NoError(t, err)
	refused := read(t, from)
	refused.problem(t, kindStopping)
	require.Equal(t, "5", refused.header.Get("Retry-After"))
	require.Equal(t, "close", refused.header.Get("Connection"))
	_, err = from.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	a.do(call{body: remove}).problem(t, kindStopping) // also on a new connection
	require.Equal(t, http.StatusOK, a.do(call{method: http.MethodGet, path: "/livez"}).status)

	close(h.free)
	require.Equal(t, http.StatusAccepted, (<-first).status)
	require.NoError(t, <-stopped)
	require.Len(t, a.stored(), 1)
	_, err = net.Dial("tcp", a.url[len("http://"):])
	require.Error(t, err, "nobody listens any more")
}

// TestStoppingIsBounded: what does not end in the drain time is cut off, and answered.
func TestStoppingIsBounded(t *testing.T) {
	t.Parallel()
	h := hold1()
	a := start(t, setup{
		publish: quick, wrap: func(p Publisher) Publisher { h.Publisher = p; return h }, serving: Serving{DrainTime: 50 * time.Millisecond},
	})
	first := make(chan answer, 1)
	go func() {
		got, _ := a.try(call{body: remove})
		first <- got
	}()
	<-h.begun
	require.ErrorIs(t, a.stop(), ErrCutOff)
	(<-first).problem(t, kindUnavailable)
}

// TestSlowHeaders: a caller that never ends its headers is cut off.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	a := start(t, setup{serving: Serving{HeaderTimeout: 50 * time.Millisecond}})
	conn, from := a.dial()
	_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	require.NoError(t, err)
	_, err = io.ReadAll(from)
	require.NoError(t, err, "closed before the deadline of the test")
}

func TestLongHeaders(t *testing.T) {
	t.Parallel()
	a := start(t, setup{serving: Serving{MaxHeader: 1 << 10}})
	conn, from := a.dial()
	_, err := io.WriteString(conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nX-Long: %08000d\r\n\r\n", 0))
	require.NoError(t, err)
	response, err := http.ReadResponse(from, nil)
	if errors.Is(err, syscall.ECONNRESET) { // the rest of the headers was not read
		return
	}
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

// TestLargeBodiesAreAnswered: the caller looks at the answer after it has sent everything.
func TestLargeBodiesAreAnswered(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	body := bytes.Repeat([]byte("\n"), 24<<20)
	for token, want := range map[string]int{tokenOf: http.StatusRequestEntityTooLarge, "unknown": http.StatusUnauthorized} {
		conn, from := a.dial()
		_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n", lanePath, token, len(body))
		require.NoError(t, err)
		for rest := body; len(rest) > 0; rest = rest[4<<20:] {
			time.Sleep(150 * time.Millisecond) // net/http waits half a second
			_, err = conn.Write(rest[:4<<20])
			require.NoError(t, err)
		}
		require.Equal(t, want, readAny(t, from).status)
	}
}

// TestConnectionsAreLimited: one more waits until another ends.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	a := start(t, setup{serving: Serving{MaxConnections: 1}})
	idle, from := a.dial()
	_, err := io.WriteString(idle, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	readAny(t, from)

	waiting, answers := a.dial()
	_, err = io.WriteString(waiting, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = answers.Peek(1)
	require.ErrorContains(t, err, "timeout")
	require.NoError(t, idle.Close())
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(patience)))
	require.Equal(t, http.StatusOK, readAny(t, answers).status)
}

// TestTLS also speaks HTTP/2.
func TestTLS(t *testing.T) {
	t.Parallel()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	defer certificates.Close()
	a := start(t, setup{serving: Serving{TLS: &tls.Config{Certificates: certificates.TLS.Certificates, MinVersion: tls.VersionTLS12}}})
	client := certificates.Client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	defer client.CloseIdleConnections()
	response, err := client.Get("https" + a.url[len("http"):] + "/readyz")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, 2, response.ProtoMajor)
}

func TestAListenerThatFails(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, Serve(t.Context(), listener, http.NotFoundHandler(), Serving{}), net.ErrClosed)
}

// TestReadinessIsAskedOnceASecond: probes need no token, and must not load NATS.
func TestReadinessIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, away := 0, errors.New("away")
		ready := readiness{check: func(ctx context.Context) error {
			asked++
			deadline, bounded := ctx.Deadline()
			require.True(t, bounded)
			require.LessOrEqual(t, time.Until(deadline), readyWithin)
			require.NoError(t, ctx.Err(), "a probe that left does not spoil the answer")
			return away
		}}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			require.ErrorIs(t, ready.now(gone), away)
		}
		require.Equal(t, 1, asked)
		time.Sleep(readyFor)
		away = nil
		require.NoError(t, ready.now(gone))
		require.Equal(t, 2, asked)
	})
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{Ready: func(context.Context) error { return errors.New("nats://secret-host is away") }}})
	got := a.do(call{method: http.MethodGet, path: "/readyz", token: "-"})
	got.problem(t, kindNotReady)
	require.NotContains(t, string(got.body), "secret-host")
	require.Equal(t, http.StatusOK, a.do(call{method: http.MethodGet, path: "/livez", token: "-"}).status)
}
