package console

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/oauth2-proxy/mockoidc"
	"github.com/stretchr/testify/require"
)

// signedIn is a console behind a real provider, and a browser without a screen.
type signedIn struct {
	provider *mockoidc.MockOIDC
	login    *OIDC
	server   *httptest.Server
	client   *http.Client
	now      time.Time
	nonce    string   // that the provider is told instead of the console's
	secrets  []string // of the last login that began
}

func newSignedIn(t *testing.T, change func(*OIDCOptions)) *signedIn {
	t.Helper()
	provider, err := mockoidc.Run()
	require.NoError(t, err)
	t.Cleanup(func() { _ = provider.Shutdown() }) // a test may have ended it
	s := &signedIn{provider: provider, now: time.Now()}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler(t).ServeHTTP(w, r) }))
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	options := OIDCOptions{
		Issuer: provider.Issuer(), ClientID: provider.Config().ClientID, ClientSecret: provider.Config().ClientSecret,
		URL: s.server.URL + "/courier", OperatorGroups: []string{"catalog-ops"}, Key: []byte(strings.Repeat("k", 32)),
	}
	if change != nil {
		change(&options)
	}
	s.login, err = NewOIDC(t.Context(), options)
	require.NoError(t, err)
	s.login.seal.now = func() time.Time { return s.now }
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client = &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

func (s *signedIn) handler(t *testing.T) http.Handler {
	t.Helper()
	return newBare(t, Options{Login: s.login, Prefix: "/courier", Do: &Actions{}}).Handler()
}

func (s *signedIn) get(t *testing.T, path string) (int, string, *url.URL) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+path, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/html")
	answer, err := s.client.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body), answer.Request.URL
}

func (s *signedIn) next(email string, groups ...string) {
	s.provider.QueueUser(&mockoidc.MockUser{Subject: "1", Email: email, EmailVerified: true, Groups: groups})
}

func TestOIDCLogin(t *testing.T) {
	s := newSignedIn(t, nil)
	s.next("ala@shop.example", "catalog-ops")
	code, body, at := s.get(t, "/courier/audit?who=x")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "/courier/audit?who=x", at.RequestURI(), "back where it began")
	require.Contains(t, body, "ala@shop.example")
	require.Contains(t, body, "operator")
	require.Contains(t, body, "Log out")
	// The session lasts without the provider, and ends by its time.
	_, body, _ = s.get(t, "/courier/audit")
	require.Contains(t, body, "ala@shop.example")
	s.now = s.now.Add(8*time.Hour + time.Second)
	s.next("ewa@shop.example", "shop")
	_, body, _ = s.get(t, "/courier/audit")
	require.Contains(t, body, "ewa@shop.example")
	require.Contains(t, body, "read-only")
	// Logged out.
	answer, err := s.client.Post(s.server.URL+"/courier/logout", "", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/courier/audit", http.NoBody)
	require.NoError(t, err)
	answer, err = s.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
}

func TestOIDCCookies(t *testing.T) {
	s := newSignedIn(t, nil)
	handler := s.handler(t)
	begun := ask(handler, http.MethodGet, "/courier/login?back=/courier/audit", "127.0.0.1:1", nil)
	require.Equal(t, http.StatusSeeOther, begun.Code)
	to, err := url.Parse(begun.Header().Get("Location"))
	require.NoError(t, err)
	for _, key := range []string{"state", "nonce", "code_challenge"} {
		require.NotEmpty(t, to.Query().Get(key), key)
	}
	require.Equal(t, "S256", to.Query().Get("code_challenge_method"))
	for _, cookie := range begun.Result().Cookies() {
		require.True(t, cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode, cookie.Name)
		require.Equal(t, "/courier/", cookie.Path)
		require.Positive(t, cookie.MaxAge)
	}
	// A state of somebody else's login, none, and a cookie that was not signed here.
	callback := func(state string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
		return ask(handler, http.MethodGet, "/courier/login/callback?code=x&state="+state, "127.0.0.1:1", func(r *http.Request) {
			for _, cookie := range cookies {
				r.AddCookie(cookie)
			}
		})
	}
	own := begun.Result().Cookies()[0]
	require.Equal(t, http.StatusUnauthorized, callback("elsewhere", own).Code)
	require.Equal(t, http.StatusUnauthorized, callback("").Code)
	require.Equal(t, http.StatusUnauthorized, callback(to.Query().Get("state")).Code)
	forged := *own
	forged.Value = strings.Replace(own.Value, ".", "A.", 1)
	require.Equal(t, http.StatusUnauthorized, callback(to.Query().Get("state"), &forged).Code)
	// What begins a login is no session.
	session := *own
	session.Name = sessionCookie
	require.Equal(t, http.StatusUnauthorized, ask(handler, http.MethodGet, "/courier/audit", "127.0.0.1:1", func(r *http.Request) { r.AddCookie(&session) }).Code)
	// Nobody is sent elsewhere afterwards.
	for _, back := range []string{"https://evil.example/", "//evil.example", "/elsewhere", `/courier/\evil`, "/courier/" + strings.Repeat("x", 2000), "javascript:alert(1)"} {
		require.Equal(t, "/courier/", s.login.back(back), back)
	}
}

func TestOIDCLetsNoStrangerIn(t *testing.T) {
	s := newSignedIn(t, func(o *OIDCOptions) { o.ViewerGroups, o.Operators = []string{"shop"}, []string{"ola@shop.example"} })
	s.next("nobody@elsewhere.example", "others")
	code, body, _ := s.get(t, "/courier/audit")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "may not use this console")
	s.next("ewa@shop.example", "shop")
	code, body, _ = s.get(t, "/courier/audit")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "read-only")
	s.now = s.now.Add(9 * time.Hour)
	s.next("ola@shop.example")
	_, body, _ = s.get(t, "/courier/audit")
	require.Contains(t, body, "operator")
	// An address that is not verified is nobody's.
	s.now = s.now.Add(9 * time.Hour)
	s.provider.QueueUser(&mockoidc.MockUser{Subject: "7", Email: "ola@shop.example", Groups: []string{"shop"}})
	_, body, _ = s.get(t, "/courier/audit")
	require.NotContains(t, body, "ola@shop.example")
	require.Contains(t, body, "read-only")
	// A provider that refuses.
	s.now = s.now.Add(9 * time.Hour)
	s.provider.QueueError(&mockoidc.ServerError{Code: http.StatusInternalServerError, Error: "down"})
	code, _, _ = s.get(t, "/courier/audit")
	require.NotEqual(t, http.StatusOK, code)
}

func TestOIDCOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []OIDCOptions{{}, {URL: "courier.example"}, {URL: "https://courier.example", Key: []byte("short")}} {
		_, err := NewOIDC(t.Context(), o)
		require.ErrorIs(t, err, ErrLogin)
	}
	_, err := NewOIDC(t.Context(), OIDCOptions{URL: "https://courier.example", Issuer: "http://127.0.0.1:1"})
	require.ErrorContains(t, err, "asking the OIDC provider at http://127.0.0.1:1")
}

// TestOIDCFailuresAreLogged: the log says at which step a login failed and why, and has nothing
// secret of it.
func TestOIDCFailuresAreLogged(t *testing.T) {
	const canary = "canary-5e1f"
	for name, c := range map[string]struct {
		options func(*OIDCOptions)
		before  func(t *testing.T, s *signedIn) // a login
		login   func(t *testing.T, s *signedIn) // instead of the usual one
		want    []string
	}{
		"wrong secret": {
			options: func(o *OIDCOptions) { o.ClientSecret = canary },
			want:    []string{`"level":"WARN"`, `"step":"exchange"`, `"code":"invalid_client"`, `"status":401`},
		},
		"the clock here is ahead": {
			before: clockOff(time.Hour),
			want:   []string{`"step":"verify"`, "the id token expired at ", "compare the clock"},
		},
		"the clock here is behind": {
			before: clockOff(-time.Hour),
			want:   []string{`"step":"verify"`, "before the nbf (not before) time"},
		},
		"another audience": {
			before: func(_ *testing.T, s *signedIn) {
				s.login.verifier = s.login.provider.Verifier(&oidc.Config{ClientID: "other"})
			},
			want: []string{`"step":"verify"`, `expected audience`},
		},
		"the provider is away": {
			login: func(t *testing.T, s *signedIn) {
				t.Helper()
				callback := s.begin(t)
				require.NoError(t, s.provider.Shutdown())
				s.get(t, callback)
			},
			want: []string{`"step":"exchange"`, "connection refused"},
		},
		"a code that is not the provider's": {
			login: func(t *testing.T, s *signedIn) {
				t.Helper()
				s.get(t, strings.Replace(s.begin(t), "code=", "code="+canary, 1))
			},
			want: []string{`"step":"exchange"`, `"code":"invalid_grant"`},
		},
		"an answer that makes no sense": {
			before: func(_ *testing.T, s *signedIn) {
				s.login.options.Client = &http.Client{Transport: answering(`{"access_token":"` + canary + `","token_type":"bearer","id_token":"` + canary + `"}`)}
			},
			want: []string{`"step":"verify"`, "cannot be used"},
		},
		"no id token": {
			before: func(_ *testing.T, s *signedIn) {
				s.login.options.Client = &http.Client{Transport: answering(`{"access_token":"` + canary + `","token_type":"bearer"}`)}
			},
			want: []string{`"step":"exchange"`, "no id token"},
		},
		"refused by the provider": {
			login: func(t *testing.T, s *signedIn) {
				t.Helper()
				state := s.begin(t)
				s.get(t, state[:strings.IndexByte(state, '?')]+"?error=access_denied&error_description="+canary+"&state="+query(t, state).Get("state"))
			},
			want: []string{`"step":"provider"`, `"code":"access_denied"`},
		},
		"a refusal without a valid code": {
			login: func(t *testing.T, s *signedIn) {
				t.Helper()
				state := s.begin(t)
				s.get(t, state[:strings.IndexByte(state, '?')]+"?error="+canary+"%20%0a&state="+query(t, state).Get("state"))
			},
			want: []string{`"step":"provider"`, `"code":"unknown"`},
		},
		"a state of another login": {
			login: func(t *testing.T, s *signedIn) {
				t.Helper()
				s.get(t, "/courier/login/callback?code="+canary+"&state="+canary)
			},
			want: []string{`"level":"INFO"`, `"step":"state"`},
		},
		"the nonce of another login": {
			before: func(t *testing.T, s *signedIn) {
				t.Helper()
				s.nonce = "other"
			},
			want: []string{`"step":"nonce"`},
		},
		"a stranger": {
			options: func(o *OIDCOptions) { o.ViewerGroups = []string{"shop"} },
			want:    []string{`"level":"INFO"`, `"step":"identity"`, "in none of the groups"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := newSignedIn(t, func(o *OIDCOptions) {
				o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
				if c.options != nil {
					c.options(o)
				}
			})
			s.next("ala@elsewhere.example", "others")
			if c.before != nil {
				c.before(t, s)
			}
			if c.login == nil {
				s.get(t, s.begin(t))
			} else {
				c.login(t, s)
			}
			require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
			for _, text := range append(c.want, "a login to the console failed") {
				require.Contains(t, log.String(), text)
			}
			for _, secret := range append(s.secrets, canary, s.provider.Config().ClientSecret, "eyJ", "ala@") {
				require.NotContains(t, log.String(), secret)
			}
		})
	}
}

// clockOff has the clock of the console differ from the provider's.
func clockOff(by time.Duration) func(*testing.T, *signedIn) {
	return func(t *testing.T, s *signedIn) {
		t.Helper()
		s.login.verifier = s.login.provider.Verifier(&oidc.Config{
			ClientID: s.login.options.ClientID, Now: func() time.Time { return time.Now().Add(by) },
		})
	}
}

// begin begins a login, and returns where the provider sends the browser back to.
func (s *signedIn) begin(t *testing.T) string {
	t.Helper()
	stop := *s.client
	stop.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/courier/login/callback" {
			return http.ErrUseLastResponse
		}
		if s.nonce != "" && strings.HasSuffix(r.URL.Path, "/authorize") {
			query := r.URL.Query()
			query.Set("nonce", s.nonce)
			r.URL.RawQuery = query.Encode()
		}
		return nil
	}
	answer, err := stop.Get(s.server.URL + "/courier/login")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	to, err := answer.Location()
	require.NoError(t, err)
	s.secrets = []string{to.Query().Get("code"), to.Query().Get("state")}
	require.NotContains(t, s.secrets, "")
	return to.RequestURI()
}

func query(t *testing.T, uri string) url.Values {
	t.Helper()
	parsed, err := url.Parse(uri)
	require.NoError(t, err)
	return parsed.Query()
}

// answering answers every request with a JSON document.
type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(string(a))),
	}, nil
}
