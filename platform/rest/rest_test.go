package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "tok-SECRET-0123456789"

// shapes are tokens as two platforms write them.
var shapes = regexp.MustCompile(`(?i)pin[a-z]_[A-Za-z0-9_\-.]{8,}|\bEAA[A-Za-z0-9]{12,}`)

func clientOf(transport http.RoundTripper, timeout time.Duration) *rest.Client {
	return rest.New(platform.Settings{
		HTTP: &http.Client{Transport: transport}, Timeout: timeout,
		Token: func(context.Context) (string, error) { return secret, nil },
	}, rest.Bearer(shapes))
}

func post(address string, body string) rest.Call {
	return rest.Call{Operation: "POST it", Method: http.MethodPost, URL: address, Body: []byte(body)}
}

// guardedConn refuses writes once more than limit bytes went out.
type guardedConn struct {
	net.Conn
	limit   int64
	written atomic.Int64
}

func (c *guardedConn) Write(data []byte) (int, error) {
	if left := c.limit - c.written.Load(); int64(len(data)) > left {
		n, _ := c.Conn.Write(data[:max(left, 0)])
		c.written.Add(int64(n))
		return n, fmt.Errorf("lease over: %w", lease.ErrWriteRefused)
	}
	n, err := c.Conn.Write(data)
	c.written.Add(int64(n))
	return n, err
}

type countingConn struct{ *guardedConn }

func (c countingConn) WrittenBytes() int64 { return c.written.Load() }

func guarded(t *testing.T, limit int64, counts bool) *http.Transport {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		guard := &guardedConn{Conn: conn, limit: limit}
		if counts {
			return countingConn{guard}, nil
		}
		return guard, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestARefusedWriteIsAmbiguousOnlyAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(server.Close)
	cases := []struct {
		name      string
		limit     int64
		counts    bool
		ambiguous bool
	}{
		{"before the first byte", 0, true, false},
		{"after some bytes", 100, true, true},
		{"on a connection that does not count", 0, false, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := clientOf(guarded(t, c.limit, c.counts), time.Second)
			_, failure := client.Do(t.Context(), post(server.URL, strings.Repeat("x", 100_000)))
			require.NotNil(t, failure)
			require.Equal(t, platform.ScopeCaller, failure.Scope)
			require.Equal(t, c.ambiguous, failure.Ambiguous)
			require.ErrorIs(t, failure, lease.ErrWriteRefused)
		})
	}
}

func TestAReusedConnectionCountsFromTheRequestsStart(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(server.Close)
	client := clientOf(guarded(t, 300, true), time.Second)
	_, failure := client.Do(t.Context(), post(server.URL, "{}"))
	require.Nil(t, failure)
	// The second request reuses the connection, which is then cut after some bytes.
	_, failure = client.Do(t.Context(), post(server.URL, strings.Repeat("x", 100_000)))
	require.NotNil(t, failure)
	require.True(t, failure.Ambiguous)
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestErrorsOfATransportThatDoesNotReportItsSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		ambiguous bool
	}{
		{&net.DNSError{Err: "no such host", Name: "nowhere"}, false},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		{fmt.Errorf("lease over: %w", lease.ErrWriteRefused), false},
		{errors.New("something about " + secret), true},
	} {
		_, failure := clientOf(failing{c.err}, time.Second).Do(t.Context(), post("http://x.test/path?q=1", "{}"))
		require.NotNil(t, failure)
		require.Equal(t, c.ambiguous, failure.Ambiguous, c.err)
		require.NotContains(t, failure.Error(), secret)
		require.NotContains(t, failure.Err.Error(), secret)
		require.NotContains(t, failure.Error(), "x.test/path")
	}
}

func TestACancelledCallIsTheCallers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, failure := clientOf(nil, time.Second).Do(ctx, post("http://127.0.0.1:1", "{}"))
	require.NotNil(t, failure)
	require.Equal(t, platform.ScopeCaller, failure.Scope)
	require.False(t, failure.Ambiguous)
}

func TestACallEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var server sync.WaitGroup
		server.Go(func() { _, _ = io.Copy(io.Discard, theirs) }) // it hears all and says nothing
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
		began := time.Now()
		_, failure := clientOf(transport, 30*time.Second).Do(t.Context(), post("http://platform.test", "{}"))
		require.Equal(t, 30*time.Second, time.Since(began))
		require.NotNil(t, failure)
		require.Equal(t, platform.ScopePlatform, failure.Scope)
		require.True(t, failure.Ambiguous)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
		server.Wait() // the connection was closed
	})
}

func TestNoTokenNoCall(t *testing.T) {
	t.Parallel()
	client := rest.New(platform.Settings{Token: func(context.Context) (string, error) {
		return "", errors.New("refused: refresh_token=abc123secret")
	}}, rest.Bearer(shapes))
	_, failure := client.Do(t.Context(), post("http://127.0.0.1:1", "{}"))
	require.NotNil(t, failure)
	require.Equal(t, platform.ScopeAccount, failure.Scope)
	require.NotContains(t, failure.Message, "abc123secret")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var stranger atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stranger.Add(1) }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	answer, failure := clientOf(transport, time.Second).Do(t.Context(), post(server.URL, "{}"))
	require.Nil(t, failure)
	require.Equal(t, http.StatusTemporaryRedirect, answer.Status)
	require.Zero(t, stranger.Load())
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                             "plain",
		"token pina_AbC123_456-xyz here":    "token [redacted] here",
		"EAABsbCS1iHgBAKZC9ZB and more":     "[redacted] and more",
		`{"access_token": "abc"}`:           `{"[redacted]"}`,
		"?access_token=abc&x=1":             "?[redacted]&x=1",
		"Authorization: Bearer abc.def":     "Authorization: [redacted]",
		"line one\nline two\x00\x7f\u0085!": "line one line two!",
		"bad \xff utf-8":                    "bad  utf-8",
		"one\u2028two \u202etxt.exe":        "one two txt.exe",
		"it is " + secret + ".":             "it is [redacted].",
		"it is " + broken(secret, "\x00"):   "it is [redacted]",
		"it is " + broken(secret, "\xff"):   "it is [redacted]",
		"it is " + broken(secret, "\u200b"): "it is [redacted]",
		"pin\x01a_AbC123_\x02456-xyz":       "[redacted]",
	} {
		require.Equal(t, want, rest.Redact(text, shapes, secret))
	}
	long := rest.Redact(strings.Repeat("ü", 100_000), shapes)
	require.LessOrEqual(t, utf8.RuneCountInString(long), 600)
	require.True(t, strings.HasSuffix(long, "ü…"))
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 1.5 ": 1500 * time.Millisecond, "0": 0, "-5": 0, "soon": 0, "NaN": 0, "+Inf": 24 * time.Hour,
		"1e300": 24 * time.Hour, "Sun, 22 Nov 2026 10:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 09:00:00 GMT": 0,
		"Sunday, 22-Nov-26 10:01:00 GMT": time.Minute,
	} {
		header := http.Header{"Retry-After": {value}}
		require.Equal(t, want, rest.RetryAfter(header, now), value)
	}
}

// broken is the text with something between each two characters.
func broken(text, between string) string { return strings.Join(strings.Split(text, ""), between) }

func TestRedactFindsASecretBehindManyControlCharacters(t *testing.T) {
	t.Parallel()
	for before := 2300; before < 2500; before++ {
		redacted := rest.Redact(strings.Repeat("\x00", before)+secret+" end", shapes, secret)
		require.Equal(t, "[redacted] end", redacted, before)
	}
}

func FuzzRedactKeepsNoSecret(f *testing.F) {
	f.Add("a", 3, "", 0)
	f.Add("tok-", 2000, "\x00", 4)
	f.Add("\x01\x02", 300, "\xff\u200b", 1)
	f.Fuzz(func(t *testing.T, around string, times int, inside string, at int) {
		// What removes nothing but itself; anything else makes another text of it.
		inside = strings.Map(func(r rune) rune { // a bad byte becomes utf8.RuneError
			if r == utf8.RuneError || r == 0x7f || r < ' ' && !strings.ContainsRune("\t\r\n", r) || unicode.Is(unicode.Cf, r) {
				return r
			}
			return -1
		}, inside)
		at = int(uint(at) % uint(len(secret)))
		torn := secret[:at] + inside + secret[at:]
		text := strings.Repeat(around+torn, min(max(times, 0), 300)) + secret[:len(secret)-1] + around + torn
		require.NotContains(t, rest.Redact(text, shapes, secret), secret)
		require.LessOrEqual(t, len(rest.Redact(text, shapes, secret)), 600)
	})
}
