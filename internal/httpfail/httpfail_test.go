package httpfail_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
)

func TestCauseTellsNoAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1/"+r.URL.Path+"%zz")
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for address, want := range map[string]string{
		server.URL + "/canary":                             "the server redirects to a malformed address",
		"http://127.0.0.1:1/canary?key=canary":             "dial tcp 127.0.0.1:1",
		"http://user:canary@nowhere.invalid/canary#canary": "nowhere.invalid",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, http.NoBody)
		require.NoError(t, err)
		_, err = client.Do(request) //nolint:bodyclose // there is none
		require.ErrorContains(t, err, "canary", "net/http quotes it")
		err = httpfail.Cause(err)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestCauseKeepsTheKind(t *testing.T) {
	t.Parallel()
	inner := &url.Error{Op: "Get", URL: "https://host/canary", Err: context.DeadlineExceeded}
	require.Equal(t, context.DeadlineExceeded, httpfail.Cause(&url.Error{Op: "Post", URL: "https://host/canary", Err: fmt.Errorf("proxy: %w", inner)}))
	other := errors.New("not of net/http")
	require.Equal(t, other, httpfail.Cause(other))
	require.NoError(t, httpfail.Cause(nil))
	require.ErrorIs(t, httpfail.Cause(&url.Error{Err: net.ErrClosed}), net.ErrClosed)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for value, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		" 1.5 ":                         1500 * time.Millisecond,
		"0":                             0,
		"-5":                            0,
		"soon":                          0,
		"NaN":                           0,
		"+Inf":                          day,
		"1e300":                         day,
		"99999999999999999999":          day,
		"Sun, 22 Nov 2026 10:01:00 GMT": time.Minute,
		"Sun, 22 Nov 2026 09:59:00 GMT": 0,
		"Sun, 22 Nov 2099 10:00:00 GMT": day,
	} {
		require.Equal(t, want, httpfail.RetryAfter(http.Header{"Retry-After": {value}}, now, day), value)
	}
	require.Zero(t, httpfail.RetryAfter(nil, now, day))
	require.Equal(t, time.Hour, httpfail.RetryAfter(http.Header{"Retry-After": {"7200"}}, now, time.Hour))
	require.Zero(t, httpfail.Seconds(math.Inf(-1), day))
}

// TestRetryAfterGoesByTheServersClock: a clock here that is wrong by an hour must neither skip
// the pause nor make it an hour longer.
func TestRetryAfterGoesByTheServersClock(t *testing.T) {
	t.Parallel()
	server := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	header := http.Header{"Retry-After": {"Sun, 22 Nov 2026 10:01:00 GMT"}, "Date": {"Sun, 22 Nov 2026 10:00:00 GMT"}}
	for _, here := range []time.Duration{-time.Hour, 0, time.Hour} {
		require.Equal(t, time.Minute, httpfail.RetryAfter(header, server.Add(here), time.Hour))
	}
	header.Set("Date", "nonsense")
	require.Equal(t, time.Minute, httpfail.RetryAfter(header, server, time.Hour))
}
