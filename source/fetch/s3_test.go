package fetch_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// store is an S3-compatible server with one bucket. between may answer a request instead, or change it.
func store(t *testing.T, between func(http.ResponseWriter, *http.Request, http.Handler)) (endpoint string, put func(key, content string)) {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("feeds"))
	handler := gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()
	direct := httptest.NewServer(handler)
	t.Cleanup(direct.Close)
	put = func(key, content string) {
		_, err := backend.PutObject("feeds", key, map[string]string{"Content-Type": "text/csv", "Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, bytes.NewReader([]byte(content)), int64(len(content)), nil)
		require.NoError(t, err)
	}
	if between == nil {
		return direct.URL, put
	}
	return serve(t, func(w http.ResponseWriter, r *http.Request) { between(w, r, handler) }), put
}

func s3Options(t *testing.T, endpoint string) fetch.Options {
	t.Helper()
	options := quick(t)
	options.Endpoint, options.AccessKey, options.SecretKey, options.Region = endpoint, "AKIA-id-secret", "s3-key-secret", "us-east-1"
	return options
}

func TestS3Content(t *testing.T) {
	t.Parallel()
	endpoint, put := store(t, nil)
	put("shop a/feed.csv", content)
	for _, region := range []string{"us-east-1", ""} {
		options := s3Options(t, endpoint)
		options.Region = region
		fetcher := parse(t, "s3://feeds/shop a/feed.csv", options)
		file, read := get(t, fetcher, "")
		require.Equal(t, content, read)
		require.Equal(t, "feed.csv", file.Name)
		require.WithinDuration(t, time.Now(), file.At, time.Minute)
		require.False(t, file.At.After(time.Now()))
		failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged)
	}
	options := s3Options(t, endpoint)
	fetcher := parse(t, "s3://feeds/shop a/feed.csv", options)
	file, _ := get(t, fetcher, "")
	put("shop a/feed.csv", content+"3,chair,5.00 EUR\n")
	_, read := get(t, fetcher, file.Fingerprint)
	require.Contains(t, read, "chair")
	fails(t, parse(t, "s3://feeds/other.csv", options), options, fetch.ErrNotFound)
	fails(t, parse(t, "s3://others/feed.csv", options), options, fetch.ErrNotFound)
	options.AccessKey, options.SecretKey = "", ""
	_, read = get(t, parse(t, "s3://feeds/shop a/feed.csv", options), "")
	require.Contains(t, read, "chair")
	options.MaxBytes = 10
	fails(t, parse(t, "s3://feeds/shop a/feed.csv", options), options, fetch.ErrTooLarge)
}

// TestS3AsksWithConditions: nothing is transferred of an object that has not changed.
func TestS3AsksWithConditions(t *testing.T) {
	t.Parallel()
	var tag atomic.Pointer[string]
	endpoint, put := store(t, func(w http.ResponseWriter, r *http.Request, s3 http.Handler) {
		tag.Store(new(r.Header.Get("If-None-Match")))
		s3.ServeHTTP(w, r)
	})
	put("feed.csv", content)
	options := s3Options(t, endpoint)
	fetcher := parse(t, "s3://feeds/feed.csv", options)
	file, _ := get(t, fetcher, "")
	require.Empty(t, *tag.Load())
	failsWith(t.Context(), t, fetcher, options, file.Fingerprint, fetch.ErrUnchanged)
	require.Len(t, *tag.Load(), 34, "an MD5 in quotes")
}

func TestS3Refusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code, text string
		status     int
		kind       error
		again      bool
	}{
		{"AccessDenied", "Access Denied", 403, fetch.ErrDenied, false},
		{"InvalidAccessKeyId", "no AKIA-id-secret here", 403, fetch.ErrDenied, false},
		{"SignatureDoesNotMatch", "check s3-key-secret", 403, fetch.ErrDenied, false},
		{"RequestTimeTooSkewed", "clock", 403, fetch.ErrDenied, false},
		{"AuthorizationHeaderMalformed", "wrong region", 400, fetch.ErrStatus, false},
		{"PermanentRedirect", "elsewhere", 301, fetch.ErrStatus, false},
		{"SlowDown", "slower", 503, fetch.ErrStatus, true},
		{"InternalError", "oops", 500, fetch.ErrStatus, true},
		{"NoSuchBucket", "none", 404, fetch.ErrNotFound, false},
		{"InvalidObjectState", "in the archive", 403, fetch.ErrDenied, false},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			endpoint, _ := store(t, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				requests.Add(1)
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "<?xml version=\"1.0\"?><Error><Code>"+test.code+"</Code><Message>"+test.text+"</Message></Error>")
			})
			options := s3Options(t, endpoint)
			options.RetryFor = 500 * time.Millisecond
			err := fails(t, parse(t, "s3://feeds/feed.csv", options), options, test.kind)
			require.ErrorContains(t, err, test.code)
			require.NotContains(t, err.Error(), "-secret")
			require.Equal(t, test.again, requests.Load() > 1, "%d requests", requests.Load())
		})
	}
}

// TestS3Breaks: a connection that breaks is continued while the object is the same.
func TestS3Breaks(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat(content, 20_000)
	for _, test := range []struct {
		name   string
		change bool
		breaks int32
		kind   error
	}{
		{"once", false, 1, nil},
		{"changes meanwhile", true, 1, nil},
		{"always", false, 1 << 30, fetch.ErrShort},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests, ranged atomic.Int32
			var put func(key, content string)
			want := whole
			if test.change {
				want = strings.ToUpper(whole)
			}
			endpoint, write := store(t, func(w http.ResponseWriter, r *http.Request, s3 http.Handler) {
				if r.Header.Get("Range") != "" {
					ranged.Add(1)
				}
				if requests.Add(1) > test.breaks {
					s3.ServeHTTP(w, r)
					return
				}
				answer := httptest.NewRecorder()
				s3.ServeHTTP(answer, r)
				maps.Copy(w.Header(), answer.Header())
				w.Header().Set("Content-Length", answer.Header().Get("Content-Length"))
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
				if test.change {
					put("feed.csv", want)
				}
			})
			put = write
			put("feed.csv", whole)
			options := s3Options(t, endpoint)
			if test.kind != nil {
				options.RetryFor = 200 * time.Millisecond
				fails(t, parse(t, "s3://feeds/feed.csv", options), options, test.kind)
				return
			}
			options.RetryFor = 5 * time.Second
			_, read := get(t, parse(t, "s3://feeds/feed.csv", options), "")
			same(t, want, read)
			require.Equal(t, int32(1), ranged.Load())
		})
	}
}

func TestS3ServersThatHang(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "HTTP/1.1 200 OK\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\nEtag: \"a\"\r\nContent-Length: 1000\r\n\r\nid,", "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n<Error>"} {
		endpoint := wire(t, func(_ *http.Request, to io.Writer, hold func()) {
			_, _ = io.WriteString(to, text)
			hold()
		})
		options := s3Options(t, endpoint)
		options.StallTimeout = 200 * time.Millisecond
		fails(t, parse(t, "s3://feeds/feed.csv", options), options, fetch.ErrStalled)
		options.StallTimeout = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		failsWith(ctx, t, parse(t, "s3://feeds/feed.csv", options), options, "", context.DeadlineExceeded)
	}
}
