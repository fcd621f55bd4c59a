package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// serve is a web server that ends with the test.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// serveTLS is a server of HTTP/2.
func serveTLS(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// TestHTTP2: lengths, breaks and silence are noticed there too.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	address := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		switch r.URL.Path {
		case "/short":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, content)
		case "/broken":
			_, _ = io.WriteString(w, content)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/silent":
			_, _ = io.WriteString(w, content)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, content)
		}
	})
	options := quick(t)
	file, read := get(t, parse(t, address+"/feed.csv", options), "")
	require.Equal(t, content, read)
	require.Empty(t, file.Notes)
	fails(t, parse(t, address+"/short", options), options, fetch.ErrShort)
	fails(t, parse(t, address+"/broken", options), options, fetch.ErrShort)
	options.StallTimeout = 300 * time.Millisecond
	fails(t, parse(t, address+"/silent", options), options, fetch.ErrStalled)
}

func TestHTTPContent(t *testing.T) {
	t.Parallel()
	modified := time.Now().Add(-time.Hour).Truncate(time.Second)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if name+":"+password != "shop:p:w" || r.Header.Get("X-Feed-Key") != "k1" || r.URL.RawQuery != "lang=pl&token=abc" || r.Header.Get("Accept-Encoding") != "gzip" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		http.ServeContent(w, r, "", modified, strings.NewReader(content))
	})
	options := quick(t)
	options.Username, options.Password, options.Header = "shop", "p:w", map[string]string{"x-feed-key": "k1"}
	fetcher := parse(t, address+"/feeds/feed.csv?lang=pl&token=abc#part", options)
	file, read := get(t, fetcher, "")
	require.Equal(t, content, read)
	require.Equal(t, "text/csv", file.ContentType)
	require.Equal(t, "feed.csv", file.Name)
	require.Equal(t, modified.UTC(), file.At.UTC())
	require.Empty(t, file.Notes)
	require.NoFileExists(t, file.Path, "closing removes it")
	require.NoError(t, file.Close(), "closing twice is harmless")
	require.Equal(t, address+"/feeds/feed.csv?…", fetcher.String())
	failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged)
}

// TestHTTPUnchanged: which of the three ways to notice it a server knows.
func TestHTTPUnchanged(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	fresh := time.Now().UTC().Format(http.TimeFormat)
	for _, test := range []struct {
		name               string
		etag, modified     string
		wantTag, wantSince string
	}{
		{"strong etag", `"a"`, "", `"a"`, ""},
		{"weak etag", `W/"a&b=c"`, "", `W/"a&b=c"`, ""},
		{"etag and time", `"a"`, old, `"a"`, old},
		{"time", "", old, "", old},
		{"a time that the next version may have too", "", fresh, "", ""},
		{"nothing", "", "", "", ""},
		{"an absurd etag", `"` + strings.Repeat("x", 2000) + `"`, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			body := atomic.Pointer[string]{}
			body.Store(new(content))
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if test.etag != "" {
					w.Header().Set("ETag", test.etag)
				}
				if test.modified != "" {
					w.Header().Set("Last-Modified", test.modified)
				}
				if requests.Add(1) > 1 {
					if r.Header.Get("If-None-Match") != test.wantTag || r.Header.Get("If-Modified-Since") != test.wantSince {
						w.WriteHeader(http.StatusTeapot)
						return
					}
					if test.wantTag+test.wantSince != "" && *body.Load() == content {
						w.WriteHeader(http.StatusNotModified)
						return
					}
				}
				_, _ = io.WriteString(w, *body.Load())
			})
			options := quick(t)
			fetcher := parse(t, address, options)
			file, _ := get(t, fetcher, "")
			failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged)
			body.Store(new(content + "3,chair,5.00 EUR\n"))
			_, read := get(t, fetcher, file.Fingerprint)
			require.Contains(t, read, "chair")
		})
	}
}

// TestHTTPRefusals: each status with its kind, its piece of the body, and how often it is asked.
func TestHTTPRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		kind   error
		text   string
		again  bool
	}{
		{400, "bad\r\n\x1b[31mrequest " + strings.Repeat("x", 100_000), fetch.ErrStatus, `bad \x1b[31mrequest xxx`, false},
		{401, "", fetch.ErrDenied, "401 Unauthorized: check username", false},
		{403, "<html><head><title>Blocked &amp; logged</title></head></html>", fetch.ErrDenied, "Blocked & logged", false},
		{404, "<h1>No such</h1> <p>page</p>", fetch.ErrNotFound, "No such page", false},
		{410, "", fetch.ErrNotFound, "410", false},
		{204, "", fetch.ErrStatus, "204", false},
		{206, "1", fetch.ErrStatus, "206", false},
		{304, "", fetch.ErrStatus, "without a condition", false},
		{300, "", fetch.ErrRedirect, "without saying where", false},
		{418, "", fetch.ErrStatus, "418", false},
		{429, "", fetch.ErrStatus, "429", true},
		{500, "database", fetch.ErrStatus, "database", true},
		{503, "\x1f\x8bbroken", fetch.ErrStatus, "503", true},
	} {
		t.Run(strconv.Itoa(test.status), func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			options := quick(t)
			options.RetryFor = 500 * time.Millisecond
			err := fails(t, parse(t, address, options), options, test.kind)
			require.ErrorContains(t, err, test.text)
			require.Equal(t, test.again, requests.Load() > 1, "%d requests", requests.Load())
			require.Equal(t, test.again, err.Temporary)
		})
	}
}

// TestHTTPRetries: the source is well after some attempts.
func TestHTTPRetries(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	var waited atomic.Int64
	var last time.Time
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch requests.Add(1) {
		case 1:
			panic(http.ErrAbortHandler) // no answer at all
		case 2:
			last = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			waited.Store(int64(time.Since(last)))
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, content)
		default:
			_, _ = io.WriteString(w, content)
		}
	})
	options := quick(t)
	options.RetryFor = 10 * time.Second
	_, read := get(t, parse(t, address, options), "")
	require.Equal(t, content, read)
	require.Equal(t, int32(4), requests.Load())
	require.GreaterOrEqual(t, time.Duration(waited.Load()), time.Second)
}

// TestHTTPRetryAfterBeyondTheBudget is not waited for.
func TestHTTPRetryAfterBeyondTheBudget(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"86400", "99999999999999999", time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat)} {
		address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		options := quick(t)
		options.RetryFor = 10 * time.Second
		began := time.Now()
		err := fails(t, parse(t, address, options), options, fetch.ErrStatus)
		require.Less(t, time.Since(began), 5*time.Second)
		require.ErrorContains(t, err, "asks to wait for ")
	}
}

func TestHTTPPages(t *testing.T) {
	t.Parallel()
	squeeze := func(text string) string {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, _ = io.WriteString(writer, text)
		_ = writer.Close()
		return packed.String()
	}
	login := "<!DOCTYPE html>\n<html><head><title> Log\n in </title></head><body><form><input name=p type=\"password\"></form></body></html>"
	for _, test := range []struct {
		name, kind, body string
		text             string // empty: it is a feed
	}{
		{"error page", "text/html; charset=utf-8", "<html><body><h1>Service down</h1></body></html>", "“Service down”"},
		{"login page", "text/html", login, "“Log in”, and it asks for a password"},
		{"page called XML", "application/xml", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- x --><!doctype HTML><title>Sorry</title>", "“Sorry”"},
		{"page called CSV", "text/csv", "\n <HTML lang=en>", "nothing visible"},
		{"XHTML", "application/xhtml+xml", "<div>Hi</div>", "“Hi”"},
		{"PHP's error", "text/html", "<br />\n<b>Fatal error</b>: Allowed memory size", "Fatal error : Allowed memory"},
		{"text of an error", "text/html", "Database is down, sorry", "Database is down"},
		{"packed page", "application/gzip", squeeze(login), "asks for a password"},
		{"packed page called HTML", "text/html", squeeze("oops"), "“oops”"},
		{"UTF-16 page", "text/plain", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", "nothing visible"},
		{"feed called HTML", "text/html", "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel/></rss>", ""},
		{"Atom called HTML", "text/html", "<feed xmlns=\"http://www.w3.org/2005/Atom\"/>", ""},
		{"packed feed called HTML", "text/html", squeeze("<rss/>"), ""},
		{"JSON called HTML", "text/html", "[{\"id\": 1}]", ""},
		{"zip called HTML", "text/html", "PK\x03\x04rest", ""},
		{"table with markup", "text/csv", "id,description\n1,<html>", ""},
		{"short", "text/csv", "i", ""},
		{"nothing", "text/html", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/feed" {
					http.Redirect(w, r, "/login?next=%2Ffeed%3Ftoken%3Dabc", http.StatusFound)
					return
				}
				w.Header().Set("Content-Type", test.kind)
				_, _ = io.WriteString(w, test.body)
			})
			options := quick(t)
			if test.text == "" {
				_, read := get(t, parse(t, address, options), "")
				require.Equal(t, test.body, read)
				return
			}
			require.ErrorContains(t, fails(t, parse(t, address, options), options, fetch.ErrHTMLPage), test.text)
			err := fails(t, parse(t, address+"/feed", options), options, fetch.ErrHTMLPage)
			require.ErrorContains(t, err, "after a redirect to "+address+"/login?…")
		})
	}
}

func TestHTTPEncodings(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = io.WriteString(writer, content)
	require.NoError(t, writer.Close())
	encoding := atomic.Pointer[string]{}
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", *encoding.Load())
		w.Header().Set("Content-Length", strconv.Itoa(packed.Len()))
		_, _ = w.Write(packed.Bytes())
	})
	options := quick(t)
	fetcher := parse(t, address, options)
	for _, known := range []string{"gzip", "X-GZIP", "identity", ""} {
		encoding.Store(&known)
		_, read := get(t, fetcher, "")
		require.Equal(t, packed.String(), read, "kept as it came, for the reader of the feed")
	}
	encoding.Store(new("br"))
	require.ErrorContains(t, fails(t, fetcher, options, fetch.ErrStatus), `"br"`)
}

func TestHTTPClocks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		date, modified time.Duration // from now; 0: none
		age            string
		at             time.Duration
		note           string
	}{
		{"right", time.Millisecond, -time.Hour, "", -time.Hour, ""},
		{"no time", time.Millisecond, 0, "", 0, ""},
		{"ahead", 3 * time.Hour, 2 * time.Hour, "", -time.Hour, "ahead of"},
		{"behind", -3 * time.Hour, -5 * time.Hour, "", -2 * time.Hour, "behind"},
		{"of the future", time.Millisecond, 24 * time.Hour, "", 0, "is in the future"},
		{"never set", time.Millisecond, -time.Since(time.Unix(1, 0)), "", 0, ""},
		{"from a cache", -2 * time.Hour, -4 * time.Hour, "7200", -4 * time.Hour, ""},
		{"absurd age", time.Millisecond, -time.Hour, "99999999999999999999", -time.Hour, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now := time.Now().Truncate(time.Second)
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", now.Add(test.date).UTC().Format(http.TimeFormat))
				if test.modified != 0 {
					w.Header().Set("Last-Modified", now.Add(test.modified).UTC().Format(http.TimeFormat))
				}
				if test.age != "" {
					w.Header().Set("Age", test.age)
				}
				_, _ = io.WriteString(w, content)
			})
			file, _ := get(t, parse(t, address, quick(t)), "")
			require.WithinDuration(t, now.Add(test.at), file.At, 10*time.Second)
			require.False(t, file.At.After(time.Now()))
			if test.note == "" {
				require.Empty(t, file.Notes)
				return
			}
			require.Len(t, file.Notes, 1)
			require.Contains(t, file.Notes[0], test.note)
		})
	}
}

func TestHTTPConnections(t *testing.T) {
	t.Parallel()
	options := quick(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	err := fails(t, parse(t, closed.URL, options), options, fetch.ErrUnreachable)
	require.ErrorIs(t, err, fetch.ErrTemporary)
	secure := serveTLS(t, http.NotFound) // its certificate is not for localhost
	err = fails(t, parse(t, strings.Replace(secure, "127.0.0.1", "localhost", 1), options), options, fetch.ErrUnreachable)
	require.ErrorContains(t, err, "certificate is not valid")
	require.NotErrorIs(t, err, fetch.ErrTemporary)
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	err = fails(t, parse(t, strings.Replace(plain, "http:", "https:", 1), options), options, fetch.ErrUnreachable)
	require.ErrorContains(t, err, "does not speak TLS")
	missing := options
	missing.Spool += "/missing"
	_, local := parse(t, plain, missing).Fetch(t.Context(), "")
	require.ErrorIs(t, local, fetch.ErrLocal)
	require.ErrorIs(t, local, os.ErrNotExist)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failsWith(ctx, t, parse(t, plain, options), options, "", context.Canceled)
}
