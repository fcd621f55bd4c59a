package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{Prefix: "/courier", Do: &Actions{}})
	for _, path := range []string{"/courier/audit", "/courier/nothing", "/courier/livez", "/", "/elsewhere", "/courier/static/none.css", "/courier"} {
		header := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil).Header()
		require.Equal(t, "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'", header.Get("Content-Security-Policy"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Equal(t, "same-origin", header.Get("Referrer-Policy"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	// Under a prefix every address of a page is below it.
	page := ask(c.Handler(), http.MethodGet, "/courier/audit", "127.0.0.1:1", nil).Body.String()
	for _, attribute := range []string{`href="`, `src="`, `action="`, `hx-get="`} {
		for _, part := range strings.Split(page, attribute)[1:] {
			require.True(t, strings.HasPrefix(part, "/courier/") || strings.HasPrefix(part, "#"), part[:20])
		}
	}
	require.NotContains(t, page, "//courier")
}

func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{Do: &Actions{}})
	post := func(headers ...string) int {
		return ask(c.Handler(), http.MethodPost, "/accounts/a/pause", "127.0.0.1:1", func(r *http.Request) {
			r.Host = "courier.example"
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}).Code
	}
	require.Equal(t, http.StatusForbidden, post("Sec-Fetch-Site", "cross-site"))
	require.Equal(t, http.StatusForbidden, post("Sec-Fetch-Site", "same-site"))
	require.Equal(t, http.StatusForbidden, post("Origin", "https://evil.example"))
	require.Equal(t, http.StatusForbidden, post("Origin", "null"))
}

func TestReadOnlyRefusesEveryAction(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{}) // no actions: the local user is a viewer
	posts := 0
	for pattern := range c.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodPost {
			continue
		}
		posts++
		path = strings.NewReplacer("{name}", "a", "{id}", "1", "{$}", "").Replace(path)
		answer := ask(c.Handler(), http.MethodPost, path, "127.0.0.1:1", nil)
		require.Equal(t, http.StatusForbidden, answer.Code, path)
		require.Contains(t, answer.Body.String(), "read-only", path)
	}
	require.Positive(t, posts)
}

// TestWithoutALoginOnlyOwnNamesAreAnswered: a page of a site whose name is answered with
// 127.0.0.1 is of the same origin as the console, for the browser and for the check of
// origins. What gives it away is the name that it asks for.
func TestWithoutALoginOnlyOwnNamesAreAnswered(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{Do: &Actions{}})
	send := func(method, host string) int {
		return ask(c.Handler(), method, "/audit", "127.0.0.1:1", func(r *http.Request) {
			r.Host = host
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}).Code
	}
	for _, host := range []string{"evil.example", "evil.example:8081", "192.0.2.7:8081", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]:8081", "0.0.0.0:8081"} {
		require.Equal(t, http.StatusMisdirectedRequest, send(http.MethodGet, host), host)
	}
	for _, host := range []string{"localhost", "LOCALHOST:8081", "courier.localhost:1", "127.0.0.1:8081", "127.0.0.1", "[::1]:8081", "[::1]"} {
		require.Equal(t, http.StatusOK, send(http.MethodGet, host), host)
	}
}

// TestBytesThatAreNoTextAreRefused before the database is asked, which has no such text.
func TestBytesThatAreNoTextAreRefused(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{Do: &Actions{}})
	for _, path := range []string{"/items?q=%00", "/item?id=%ff%fe", "/accounts/%00", "/api/v1/item?id=%00", "/issues?code=a%00b", "/sources?source=%00"} {
		answer := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil)
		require.Equal(t, http.StatusBadRequest, answer.Code, path)
		require.Contains(t, answer.Body.String(), "not text", path)
	}
	answer := ask(c.Handler(), http.MethodPost, "/accounts/a%00/pause", "127.0.0.1:1", nil)
	require.Equal(t, http.StatusBadRequest, answer.Code)
}

// TestQuotaThatIsLeft is of the window that is open.
func TestQuotaThatIsLeft(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for raw, left := range map[string]float64{
		`{"s": {"limit": 100, "remaining": 40, "resets_at": "2026-11-28T12:00:05Z"}}`:   40,
		`{"s": {"limit": 100, "remaining": 0, "resets_at": "2026-11-28T11:59:59Z"}}`:    -1,
		`{"s": {"used_percent": 5, "window_seconds": 3600}}`:                            95,
		`{"s": {"used_percent": 130}}`:                                                  0,
		`{"s": {"used_percent": 100, "regained_at": "2026-11-28T11:59:00.123456789Z"}}`: -1,
		`{"s": {"limit": 100}}`: -1,
	} {
		lines := quotaLines([]byte(raw), now)
		require.Len(t, lines, 1)
		require.InDelta(t, left, lines[0].Left, 0.001, raw)
		for _, value := range lines[0].Values {
			require.NotContains(t, value.Value, `"`, raw)
		}
	}
}

// TestLinksOfOthersAnnounceNothing: only the console says what was done.
func TestLinksOfOthersAnnounceNothing(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{})
	said := func(from string) string {
		return ask(c.Handler(), http.MethodGet, "/audit?done=All+is+lost", "127.0.0.1:1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", from) }).Body.String()
	}
	require.Contains(t, said("same-origin"), "All is lost")
	for _, from := range []string{"cross-site", "same-site", "none"} {
		require.NotContains(t, said(from), `role="status"`, from)
	}
}
