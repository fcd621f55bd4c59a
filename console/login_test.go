package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// usersFile writes a file with quick hashes.
func usersFile(t *testing.T, passwords map[string]string) string {
	t.Helper()
	var lines strings.Builder
	lines.WriteString("# people\n\n")
	for name, password := range passwords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		require.NoError(t, err)
		_, _ = fmt.Fprintf(&lines, "%s:%s\n", name, hash)
	}
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	return file
}

// ask is a request from an address.
func ask(handler http.Handler, method, path, from string, change func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "http://localhost"+path, http.NoBody)
	request.RemoteAddr, request.Host = from, "localhost"
	if change != nil {
		change(request)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestBasicLogin(t *testing.T) {
	t.Parallel()
	login, err := NewBasic(usersFile(t, map[string]string{"ala": "kot ma ale", "ewa": "jablko"}), []string{"ala"})
	require.NoError(t, err)
	c := newBare(t, Options{Login: login, Do: &Actions{}})
	as := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	const from = "192.0.2.1:1000"
	require.Equal(t, http.StatusUnauthorized, ask(c.Handler(), http.MethodGet, "/audit", from, nil).Code)
	require.Contains(t, ask(c.Handler(), http.MethodGet, "/audit", from, nil).Header().Get("WWW-Authenticate"), "Basic")
	require.Equal(t, http.StatusUnauthorized, ask(c.Handler(), http.MethodGet, "/audit", from, as("ala", "jablko")).Code)
	require.Equal(t, http.StatusUnauthorized, ask(c.Handler(), http.MethodGet, "/audit", from, as("nobody", "jablko")).Code)
	ala := ask(c.Handler(), http.MethodGet, "/audit", from, as("ala", "kot ma ale"))
	require.Equal(t, http.StatusOK, ala.Code)
	require.Contains(t, ala.Body.String(), "operator")
	ewa := ask(c.Handler(), http.MethodGet, "/audit", from, as("ewa", "jablko"))
	require.Equal(t, http.StatusOK, ewa.Code)
	require.Contains(t, ewa.Body.String(), "read-only")
	require.NotContains(t, ewa.Body.String(), "operator")
	// The files have nothing to protect.
	path, err := c.asset("app.css")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ask(c.Handler(), http.MethodGet, path, from, nil).Code)
}

// TestGuessingIsBounded: after some wrong passwords the right one does not help either,
// until the window is over; who gave it before goes on; and other addresses are let in.
func TestGuessingIsBounded(t *testing.T) {
	t.Parallel()
	login, err := NewBasic(usersFile(t, map[string]string{"ala": "kot ma ale", "ewa": "jablko"}), nil)
	require.NoError(t, err)
	now := time.Unix(1_800_000_000, 0)
	login.now = func() time.Time { return now }
	handler := newBare(t, Options{Login: login}).Handler()
	get := func(from, name, password string) int {
		return ask(handler, http.MethodGet, "/audit", from, func(r *http.Request) { r.SetBasicAuth(name, password) }).Code
	}
	require.Equal(t, http.StatusOK, get("192.0.2.1:1", "ewa", "jablko"))
	wrong := 0
	for range 100 {
		if get("192.0.2.1:2", "ala", "?") == http.StatusUnauthorized {
			wrong++
		}
	}
	require.Equal(t, guessesFrom, wrong)
	require.Equal(t, http.StatusTooManyRequests, get("192.0.2.1:3", "ala", "kot ma ale"))
	require.Equal(t, http.StatusOK, get("192.0.2.1:4", "ewa", "jablko"), "who is in stays in")
	require.Equal(t, http.StatusOK, get("192.0.2.2:1", "ala", "kot ma ale"))
	// One name from many addresses.
	wrong = 0
	for i := range 100 {
		if get(fmt.Sprintf("198.51.100.%d:1", i), "ewa", "?") == http.StatusUnauthorized {
			wrong++
		}
	}
	require.Equal(t, guessesFor, wrong)
	now = now.Add(guessWindow + time.Second)
	require.Equal(t, http.StatusOK, get("192.0.2.1:5", "ala", "kot ma ale"))
	// What is remembered of guesses is bounded.
	for i := range 2 * mostGuessers {
		login.guessed(fmt.Sprint("from ", i))
	}
	require.LessOrEqual(t, len(login.wrong), mostGuessers)
}

func TestUsersFileIsChecked(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty": "", "comment": "# nobody\n", "plain": "ala:kot\n", "no colon": "ala\n", "md5": "ala:$apr1$x$y\n",
		"slow": "ala:$2a$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n",
	} {
		file := filepath.Join(t.TempDir(), "users")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := NewBasic(file, nil)
		require.ErrorIs(t, err, ErrLogin, name)
		require.NotContains(t, err.Error(), "kot", name)
	}
	_, err := NewBasic(filepath.Join(t.TempDir(), "none"), nil)
	require.ErrorIs(t, err, ErrLogin)
	_, err = NewBasic(usersFile(t, map[string]string{"ala": "x"}), []string{"ewa"})
	require.ErrorIs(t, err, ErrLogin)
	line, err := HashPassword("ala", []byte("a long password"))
	require.NoError(t, err)
	_, hash, _ := strings.Cut(line, ":")
	require.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte("a long password")))
	for _, wrong := range []string{"", "short", strings.Repeat("x", 73)} {
		_, err := HashPassword("ala", []byte(wrong))
		require.Error(t, err)
	}
}

func TestHeaderLogin(t *testing.T) {
	t.Parallel()
	login, err := NewProxy(ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("::1/128")}, Operators: []string{"ala"}, OperatorGroups: []string{"ops"}})
	require.NoError(t, err)
	handler := newBare(t, Options{Login: login, Do: &Actions{}}).Handler()
	get := func(from string, headers ...string) *httptest.ResponseRecorder {
		return ask(handler, http.MethodGet, "/audit", from, func(r *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Add(headers[i], headers[i+1])
			}
		})
	}
	const user, groups = "X-Forwarded-User", "X-Forwarded-Groups"
	require.Contains(t, get("10.0.0.7:1", user, "ala").Body.String(), "operator")
	require.Contains(t, get("[::1]:1", user, "ewa", groups, "shop, ops").Body.String(), "operator")
	require.Contains(t, get("[::ffff:10.0.0.7]:1", user, "ewa", groups, "shop").Body.String(), "read-only")
	// Past the proxy, nobody, or two names: nothing is believed.
	require.Equal(t, http.StatusForbidden, get("10.0.1.7:1", user, "ala").Code)
	require.Equal(t, http.StatusForbidden, get("not an address", user, "ala").Code)
	require.Equal(t, http.StatusUnauthorized, get("10.0.0.7:1").Code)
	require.Equal(t, http.StatusUnauthorized, get("10.0.0.7:1", user, " ").Code)
	require.Equal(t, http.StatusUnauthorized, get("10.0.0.7:1", user, "ewa", user, "ala").Code)
	require.NotContains(t, get("10.0.0.7:1", user, "ewa", groups, "ops", groups, "ops").Body.String(), "operator")
	_, err = NewProxy(ProxyOptions{})
	require.ErrorIs(t, err, ErrLogin)
}

func TestWithoutLoginOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{})
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		listener, err := c.Listen(t.Context(), address)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
	for _, address := range []string{":0", "0.0.0.0:0"} {
		_, err := c.Listen(t.Context(), address)
		require.ErrorIs(t, err, ErrOpen)
	}
	login, err := NewProxy(ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}})
	require.NoError(t, err)
	listener, err := newBare(t, Options{Login: login}).Listen(t.Context(), ":0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}

func TestServerEnds(t *testing.T) {
	t.Parallel()
	c := newBare(t, Options{Prefix: "/courier"})
	listener, err := c.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, listener, Serving{}) }()
	answer, err := http.Get(c.Address(listener, false) + "audit")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, answer.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
	_, err = http.Get(c.Address(listener, false)) //nolint:bodyclose // there is none
	require.Error(t, err)
}

// post sends a form of this site.
func post(c *Console, path, form string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(form))
	request.RemoteAddr = "127.0.0.1:1"
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer := httptest.NewRecorder()
	c.Handler().ServeHTTP(answer, request)
	return answer
}
