package fetch_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/once": "/feed.csv", "/5": "/4?n=5", "/4": "/3", "/3": "/2", "/2": "/1", "/1": "/feed.csv", "/6": "/5",
			"/self": "/self", "/a": "/b?token=abcdef", "/b": "/a", "/ftp": "ftp://feeds.example/feed.csv", "/file": "file:///etc/passwd",
			"/none": "", "/bad": "http://[::1/?token=abcdef",
		}[r.URL.Path]
		if r.URL.Path == "/feed.csv" {
			_, _ = io.WriteString(w, content)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
	options := quick(t)
	for _, good := range []string{"/once", "/5"} {
		_, read := get(t, parse(t, address+good, options), "")
		require.Equal(t, content, read)
	}
	for path, text := range map[string]string{
		"/6": "more than 5 redirects, the last one to " + address + "/feed.csv", "/self": "in a circle, back to " + address + "/self",
		"/a": "in a circle, back to " + address + "/a", "/ftp": "ftp://feeds.example/feed.csv", "/file": "file:///etc/passwd",
	} {
		require.ErrorContains(t, fails(t, parse(t, address+path, options), options, fetch.ErrRedirect), text)
	}
	for _, path := range []string{"/none", "/bad"} {
		fetcher := parse(t, address+path, options)
		_, err := fetcher.Fetch(t.Context(), "")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "abcdef")
	}
}

// TestRedirectFromHTTPS to http would let anybody in between change the feed.
func TestRedirectFromHTTPS(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	plain := serve(t, func(http.ResponseWriter, *http.Request) { asked.Store(true) })
	secure := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain+"/feed.csv", http.StatusFound) })
	options := quick(t)
	err := fails(t, parse(t, secure, options), options, fetch.ErrRedirect)
	require.ErrorContains(t, err, "from https to "+plain+"/feed.csv")
	require.False(t, asked.Load())
	upwards := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secure, http.StatusFound) })
	fails(t, parse(t, upwards, options), options, fetch.ErrRedirect)
}

// TestRedirectsCarryNoCredentials to another host or port, and none back.
func TestRedirectsCarryNoCredentials(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	seen := map[string]http.Header{}
	var first, second string
	keep := func(r *http.Request, name string) {
		mutex.Lock()
		defer mutex.Unlock()
		seen[name] = r.Header.Clone()
	}
	second = serve(t, func(w http.ResponseWriter, r *http.Request) {
		keep(r, "second"+r.URL.Path)
		if r.URL.Path == "/back" {
			http.Redirect(w, r, first+"/feed.csv", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, content)
	})
	first = serve(t, func(w http.ResponseWriter, r *http.Request) {
		keep(r, "first"+r.URL.Path)
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/feed.csv", http.StatusFound)
		case "/away":
			http.Redirect(w, r, strings.Replace(second, "//", "//evil:login@", 1)+"/feed.csv", http.StatusFound)
		case "/round":
			http.Redirect(w, r, second+"/back", http.StatusFound)
		default:
			_, _ = io.WriteString(w, content)
		}
	})
	options := quick(t)
	options.Username, options.Password, options.Header = "shop", "pw", map[string]string{"X-Feed-Key": "k1", "Cookie": "session=1"}
	secrets := []string{"Authorization", "X-Feed-Key", "Cookie", "Referer"}

	get(t, parse(t, first+"/same?token=abcdef", options), "")
	require.Equal(t, "k1", seen["first/feed.csv"].Get("X-Feed-Key"))
	require.Contains(t, seen["first/feed.csv"].Get("Authorization"), "Basic ")
	require.Empty(t, seen["first/feed.csv"].Get("Referer"))
	get(t, parse(t, first+"/away?token=abcdef", options), "")
	for _, name := range secrets {
		require.Empty(t, seen["second/feed.csv"].Get(name), name)
	}
	get(t, parse(t, first+"/round", options), "")
	for _, name := range secrets {
		require.Empty(t, seen["second/back"].Get(name), name)
		require.Empty(t, seen["first/feed.csv"].Get(name), name)
	}
}
