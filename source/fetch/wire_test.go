package fetch_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// wire is a server that writes bytes of its own to each connection, after a request came. A connection is closed
// where answer ends; hold waits for the client to go.
func wire(t *testing.T, answer func(request *http.Request, to io.Writer, hold func())) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var working sync.WaitGroup
	t.Cleanup(working.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	working.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			working.Go(func() {
				defer func() { _ = connection.Close() }()
				reader := bufio.NewReader(connection)
				request, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				answer(request, connection, func() { _, _ = reader.ReadByte() })
			})
		}
	})
	return "http://" + listener.Addr().String()
}

// TestCutOffAnswers: what of an answer can be missing is missing, and nothing stays on disk.
func TestCutOffAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"shorter than announced":      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + content,
		"nothing of what is told":     "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		"chunks without their end":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nid,t\r\n",
		"within a chunk":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nid,t",
		"not a chunk":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nid,t",
		"shorter, connection: close":  "HTTP/1.0 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + content,
		"packed, shorter than length": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n\x1f\x8b\x08",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			address := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
				requests.Add(1)
				_, _ = io.WriteString(to, answer)
			})
			options := quick(t)
			options.RetryFor = 500 * time.Millisecond
			err := fails(t, parse(t, address, options), options, fetch.ErrShort)
			require.ErrorIs(t, err, fetch.ErrTemporary)
			require.ErrorContains(t, err, "bytes came")
			require.Greater(t, requests.Load(), int32(1))
		})
	}
	for name, answer := range map[string]string{
		"half a header":     "HTTP/1.1 200 OK\r\nContent-Le",
		"no HTTP":           "220 smtp.example ESMTP\r\n",
		"an endless header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := wire(t, func(_ *http.Request, to io.Writer, _ func()) { _, _ = io.WriteString(to, answer) })
			options := quick(t)
			fails(t, parse(t, address, options), options, fetch.ErrUnreachable)
		})
	}
}

// TestAnswerWithoutALength may be cut off without a sign, which a note says.
func TestAnswerWithoutALength(t *testing.T) {
	t.Parallel()
	address := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
		_, _ = io.WriteString(to, "HTTP/1.0 200 OK\r\n\r\n"+content)
	})
	file, read := get(t, parse(t, address, quick(t)), "")
	require.Equal(t, content, read)
	require.Contains(t, strings.Join(file.Notes, ""), "does not announce the feed's length")
}

func TestServersThatHang(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"before the answer": "",
		"in the header":     "HTTP/1.1 200 OK\r\nContent-Type: te",
		"before the body":   "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		"in the body":       "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000),
		"in an error":       "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\nno",
		"in a redirect":     "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := wire(t, func(_ *http.Request, to io.Writer, hold func()) {
				_, _ = io.WriteString(to, answer)
				hold()
			})
			options := quick(t)
			options.StallTimeout = 200 * time.Millisecond
			began := time.Now()
			fails(t, parse(t, address, options), options, fetch.ErrStalled)
			require.Less(t, time.Since(began), 5*time.Second)
			options.StallTimeout, options.Timeout = time.Minute, 200*time.Millisecond
			fails(t, parse(t, address, options), options, fetch.ErrTimeout)
			options.Timeout = time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			failsWith(ctx, t, parse(t, address, options), options, "", context.DeadlineExceeded)
		})
	}
}

// TestSlowServer: bytes that come slowly are no stall, and the whole time has a limit.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	address := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
		_, _ = fmt.Fprintf(to, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(content))
		tick := time.NewTicker(60 * time.Millisecond)
		defer tick.Stop()
		for _, character := range content {
			<-tick.C
			if _, err := fmt.Fprintf(to, "%c", character); err != nil {
				return
			}
		}
	})
	options := quick(t)
	options.StallTimeout = 2 * time.Second
	_, read := get(t, parse(t, address, options), "")
	require.Equal(t, content, read)
	options.Timeout = 200 * time.Millisecond
	fails(t, parse(t, address, options), options, fetch.ErrTimeout)
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	options := quick(t)
	options.MaxBytes, options.RetryFor = 1000, time.Minute
	for _, length := range []string{"Content-Length: 1001", "Transfer-Encoding: chunked"} {
		body := "3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n"
		address := wire(t, func(_ *http.Request, to io.Writer, hold func()) {
			_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\n"+length+"\r\n\r\n"+body)
			hold()
		})
		fails(t, parse(t, address, options), options, fetch.ErrTooLarge)
	}
	address := wire(t, func(_ *http.Request, to io.Writer, _ func()) {
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))
	})
	_, read := get(t, parse(t, address, options), "")
	require.Len(t, read, 1000)
}

// TestResume: a connection that breaks is continued where content can be told from other
// content, and begun again where it cannot.
func TestResume(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat(content, 50_000)
	changed := strings.ToUpper(whole)
	half := len(whole) / 2
	part := func(etag, numbers, body string) string {
		return fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nEtag: %s\r\nContent-Range: bytes %s\r\nContent-Length: %d\r\n\r\n%s", etag, numbers, len(body), body)
	}
	right := func(from int) string { return fmt.Sprintf("%d-%d/%d", from, len(whole)-1, len(whole)) }
	for _, test := range []struct {
		name, etag, extra string
		second            func(from int) string // the answer to a request for the rest
		ranged            bool
		want              string
	}{
		{"strong etag", `"a"`, "", func(from int) string { return part(`"a"`, right(from), whole[from:]) }, true, whole},
		{"weak etag", `W/"a"`, "", nil, false, whole},
		{"no etag", "", "", nil, false, whole},
		{"no ranges", `"a"`, "Accept-Ranges: none\r\n", nil, false, whole},
		{"changed since", `"a"`, "", func(int) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(changed), changed)
		}, true, changed},
		{"another place", `"a"`, "", func(from int) string { return part(`"a"`, right(from-1), whole[from-1:]) }, true, whole},
		{"another length", `"a"`, "", func(from int) string { return part(`"a"`, fmt.Sprintf("%d-9/10", from), whole[from:]) }, true, whole},
		{"less than the rest", `"a"`, "", func(from int) string { return part(`"a"`, right(from), whole[from:from+10]) }, true, whole},
		{"another version", `"a"`, "", func(from int) string { return part(`"b"`, right(from), changed[from:]) }, true, whole},
		{"several parts", `"a"`, "", func(int) string {
			return "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 2\r\n\r\n--"
		}, true, whole},
		{"no such range", `"a"`, "", func(int) string { return "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n" }, true, whole},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests, ranged atomic.Int32
			address := wire(t, func(request *http.Request, to io.Writer, _ func()) {
				number := requests.Add(1)
				from := 0
				if _, err := fmt.Sscanf(request.Header.Get("Range"), "bytes=%d-", &from); err == nil {
					ranged.Add(1)
					if request.Header.Get("If-Range") != test.etag || request.Header.Get("If-None-Match") != "" {
						return
					}
				}
				answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nEtag: %s\r\n%sContent-Length: %d\r\n\r\n%s", test.etag, test.extra, len(whole), whole)
				if test.etag == "" {
					answer = strings.Replace(answer, "Etag: \r\n", "", 1)
				}
				if number == 1 {
					answer = answer[:len(answer)-half]
				}
				if from > 0 && ranged.Load() == 1 {
					answer = test.second(from)
				}
				_, _ = io.WriteString(to, answer)
			})
			options := quick(t)
			options.RetryFor = 5 * time.Second
			_, read := get(t, parse(t, address, options), "address=&etag=%22old%22")
			same(t, test.want, read)
			require.Equal(t, test.ranged, ranged.Load() > 0)
			require.Empty(t, remains(t, options.Spool))
		})
	}
}
