package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func gzipped(tb testing.TB, text string) string {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return out.String()
}

func zstandard(tb testing.TB, text string) string {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(tb, err)
	return string(w.EncodeAll([]byte(text), nil))
}

func encoding(name string) map[string]string { return map[string]string{"Content-Encoding": name} }

func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	for _, c := range []call{
		{body: gzipped(t, remove), header: encoding("gzip")},
		{body: gzipped(t, remove), header: encoding(" X-GZIP ")},
		{body: gzipped(t, remove+"\n") + gzipped(t, remove), header: encoding("gzip")}, // two members
		{body: zstandard(t, remove), header: encoding("zstd")},
		{body: zstandard(t, remove+"\n") + zstandard(t, remove), header: encoding("zstd")}, // two frames
		{body: remove, header: encoding("identity")},
	} {
		a.do(c).accepted(t)
	}
	require.Len(t, a.stored(), 8)

	// The id comes from the content, however it is compressed.
	key := func(name string) map[string]string {
		return map[string]string{"Content-Encoding": name, headerKey: "k"}
	}
	plain := a.do(call{body: remove, header: key("identity")}).accepted(t)
	require.Equal(t, plain.IDs, a.do(call{body: gzipped(t, remove), header: key("gzip")}).accepted(t).IDs)
	require.Equal(t, plain.IDs, a.do(call{body: zstandard(t, remove), header: key("zstd")}).accepted(t).IDs)
	require.Len(t, a.stored(), 9)
}

// TestBombsAreRefused: a small body that unpacks to more than the limit.
func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{MaxBody: 1 << 20}})
	bomb := strings.Repeat(" ", 64<<20)
	unsized := &bytes.Buffer{} // a frame that does not say how large it is
	w, err := zstd.NewWriter(unsized)
	require.NoError(t, err)
	_, err = io.Copy(w, strings.NewReader(bomb))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, c := range []call{
		{body: gzipped(t, bomb), header: encoding("gzip")},
		{body: zstandard(t, bomb), header: encoding("zstd")},
		{body: unsized.String(), header: encoding("zstd")},
		{body: strings.Repeat(zstandard(t, bomb[:1<<19]), 3), header: encoding("zstd")},
	} {
		require.Less(t, len(c.body), 1<<20)
		a.do(c).problem(t, kindTooLarge)
	}
}

// TestALargeWindowIsRefused: a body of a few bytes may ask for much memory.
func TestALargeWindowIsRefused(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	windowed := func(size int) string {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(size))
		require.NoError(t, err)
		_, err = io.WriteString(w, remove)
		require.NoError(t, err)
		require.NoError(t, w.Flush()) // the header is written before the size is known
		require.NoError(t, w.Close())
		return out.String()
	}
	a.do(call{body: windowed(maxWindow), header: encoding("zstd")}).accepted(t)
	refused := a.do(call{body: windowed(2 * maxWindow), header: encoding("zstd")}).problem(t, kindTooLarge)
	require.Contains(t, refused.Detail, "window")
}

// TestBombsAreNotUnpacked beyond the limit. It measures memory, so it runs alone.
func TestBombsAreNotUnpacked(t *testing.T) { //nolint:paralleltest // see above
	const limit, unpacked = 1 << 20, 128 << 20
	body := gzipped(t, strings.Repeat(" ", unpacked))
	require.Less(t, len(body), limit)
	server, err := New(Options{
		Publisher: panics{}, MaxBody: limit, Tokens: []Token{{Name: "t", SHA256: HashToken(tokenOf), Accounts: []string{"acme"}}},
	})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, lanePath, strings.NewReader(body))
	r.Header = http.Header{"Authorization": {"Bearer " + tokenOf}, "Content-Type": {lines}, "Content-Encoding": {"gzip"}}
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server.Handler().ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*limit))
}

//nolint:tparallel // the stream is looked at in the end
func TestBrokenCompression(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	packed, frame := gzipped(t, strings.Repeat(remove+"\n", 50)), zstandard(t, strings.Repeat(remove+"\n", 50))
	for name, body := range map[string]string{
		"half of it":        packed[:len(packed)/2],
		"garbage behind":    packed + "garbage",
		"a wrong checksum":  packed[:len(packed)-8] + strings.Repeat("\x00", 8),
		"plain after plain": remove,
	} {
		t.Run("gzip "+name, func(t *testing.T) { a.do(call{body: body, header: encoding("gzip")}).problem(t, kindMalformed) })
	}
	for name, body := range map[string]string{"half of it": frame[:len(frame)/2], "garbage behind": frame + "garbage"} {
		t.Run("zstd "+name, func(t *testing.T) { a.do(call{body: body, header: encoding("zstd")}).problem(t, kindMalformed) })
	}
	require.Empty(t, a.stored())
}

// dial opens a connection to write bytes on.
func (a *api) dial() (net.Conn, *bufio.Reader) {
	a.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	require.NoError(a, err)
	a.Cleanup(func() { _ = conn.Close() })
	require.NoError(a, conn.SetDeadline(time.Now().Add(patience)))
	return conn, bufio.NewReader(conn)
}

func head(more string) string {
	return "POST " + lanePath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" + more + "\r\n"
}

func read(t *testing.T, from *bufio.Reader) answer {
	t.Helper()
	got := readAny(t, from)
	if got.status >= http.StatusOK {
		validate(t, http.MethodPost, lanePath, got)
	}
	return got
}

// readAny reads an answer that may be to another path.
func readAny(t *testing.T, from *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	got := answer{status: response.StatusCode, header: response.Header, body: body}
	got.header.Set("Connection", map[bool]string{true: "close", false: ""}[response.Close])
	return got
}

const authorized = "Authorization: Bearer " + tokenOf + "\r\n"

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	conn, from := a.dial()
	_, err := io.WriteString(conn, head(authorized+fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n", len(remove))))
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, read(t, from).status)
	_, err = io.WriteString(conn, remove)
	require.NoError(t, err)
	read(t, from).accepted(t)

	// What is refused by its headers is refused before the body is asked for.
	for more, want := range map[string]kind{
		"Content-Length: 10\r\n":                     kindUnauthorized,
		authorized + "Content-Length: 999999999\r\n": kindTooLarge,
	} {
		conn, from := a.dial()
		_, err := io.WriteString(conn, head("Expect: 100-continue\r\n"+more))
		require.NoError(t, err)
		read(t, from).problem(t, want)
	}
}

// TestSlowBodies: a caller that sends slowly gives its slot back.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	a := start(t, setup{options: Options{Timeout: 100 * time.Millisecond, MaxConcurrent: 1}})
	conn, from := a.dial()
	_, err := io.WriteString(conn, head(authorized+"Content-Length: 100\r\n")+"{")
	require.NoError(t, err)
	got := read(t, from)
	got.problem(t, kindSlow)
	require.Equal(t, "close", got.header.Get("Connection"))
	a.do(call{}).problem(t, kindEmpty) // which takes a slot
}

func TestABodyThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	conn, from := a.dial()
	_, err := io.WriteString(conn, head(authorized+"Content-Length: 1000\r\n")+remove+"\n")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	read(t, from).problem(t, kindMalformed)
	require.Empty(t, a.stored(), "the line that came is not stored: the rest is missing")
}

func TestNoLengthAtAll(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	conn, from := a.dial()
	_, err := io.WriteString(conn, head(authorized))
	require.NoError(t, err)
	read(t, from).problem(t, kindEmpty)
}
