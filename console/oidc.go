package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDCOptions say who tells who somebody is.
type OIDCOptions struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	// URL is the console's own address as browsers see it, with the prefix: the provider
	// sends browsers back to URL/login/callback.
	URL string
	// Scopes are asked for besides openid. Defaults to profile, email and groups.
	Scopes []string
	// NameClaim is the claim that names somebody. Defaults to email, which counts only where
	// email_verified is true; else the subject is the name.
	NameClaim string
	// GroupsClaim is the claim that lists groups. Defaults to groups.
	GroupsClaim string
	// ViewerGroups are groups that may look; none means everybody whom the provider knows.
	ViewerGroups []string
	// Operators are names, OperatorGroups groups that may act, and look.
	Operators, OperatorGroups []string
	// SessionFor is how long a login lasts. Defaults to 8 h.
	SessionFor time.Duration
	// Key signs the cookies: 32 bytes. Without it a random one, with which logins end with
	// the process, and other replicas do not know them.
	Key []byte
	// Client talks to the provider. Defaults to one with a timeout of 10 s.
	Client *http.Client
	// Logger gets a line for each login that fails: at which step and why, without anything
	// secret. Defaults to none.
	Logger *slog.Logger
}

const (
	sessionCookie = "courier_session"
	loginCookie   = "courier_login"
	loginFor      = 10 * time.Minute
	providerWait  = 10 * time.Second
)

// OIDC sends people to an OpenID Connect provider, with state, nonce and PKCE, and keeps
// in a signed cookie who they are. There is no store: a login ends when its time is over.
type OIDC struct {
	options  OIDCOptions
	path     string // of the console, for cookies
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	seal     sealer
	viewers  map[string]bool
	names    map[string]bool
	groups   map[string]bool
}

// NewOIDC asks the provider for its addresses and keys. The error is ErrLogin when the
// options are wrong.
func NewOIDC(ctx context.Context, o OIDCOptions) (*OIDC, error) {
	own, err := url.Parse(o.URL)
	if err != nil || own.Host == "" || (own.Scheme != "https" && own.Scheme != "http") {
		return nil, fmt.Errorf("%w: the console's own address is needed, such as https://courier.example.com", ErrLogin)
	}
	if o.Key == nil {
		o.Key = make([]byte, sha256.Size)
		_, _ = rand.Read(o.Key) // it never fails
	}
	if len(o.Key) < sha256.Size {
		return nil, fmt.Errorf("%w: the key of the cookies is shorter than 32 bytes", ErrLogin)
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"profile", "email", "groups"}
	}
	o.NameClaim, o.GroupsClaim = orElse(o.NameClaim, "email"), orElse(o.GroupsClaim, "groups")
	if o.SessionFor <= 0 {
		o.SessionFor = 8 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: providerWait}
	}
	l := &OIDC{
		options: o, path: strings.TrimSuffix(own.Path, "/") + "/", seal: sealer{key: o.Key, now: time.Now},
		viewers: setOf(o.ViewerGroups), names: setOf(o.Operators), groups: setOf(o.OperatorGroups),
	}
	if l.provider, err = oidc.NewProvider(oidc.ClientContext(ctx, o.Client), o.Issuer); err != nil {
		return nil, fmt.Errorf("asking the OIDC provider at %s: %w", o.Issuer, err)
	}
	l.verifier = l.provider.Verifier(&oidc.Config{ClientID: o.ClientID})
	l.oauth = oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: l.provider.Endpoint(),
		RedirectURL: strings.TrimSuffix(o.URL, "/") + "/login/callback", Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...),
	}
	return l, nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// session is who somebody is, in a cookie.
type session struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// attempt is a login under way, in a cookie.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Back     string `json:"back"`
}

// Identify reads the cookie. Without one a page sends the browser to the provider, and
// everything else gets 401.
func (l *OIDC) Identify(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	var who session
	if cookie, err := r.Cookie(sessionCookie); err == nil && l.seal.open(sessionCookie, cookie.Value, &who) == nil {
		return Identity{Name: who.Name, Role: who.Role, How: "oidc"}, true
	}
	if r.Method == http.MethodGet && r.Header.Get("Hx-Request") == "" && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, l.path+"login?back="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return Identity{}, false
	}
	http.Error(w, "Your login is over. Load the page again.", http.StatusUnauthorized)
	return Identity{}, false
}

// Routes adds login, its end, and where the provider sends browsers back to.
func (l *OIDC) Routes(mux *http.ServeMux, prefix string) {
	mux.HandleFunc("GET "+prefix+"/login", l.login)
	mux.HandleFunc("GET "+prefix+"/login/callback", l.callback)
	mux.HandleFunc("POST "+prefix+"/logout", func(w http.ResponseWriter, _ *http.Request) {
		l.setCookie(w, sessionCookie, "", -1)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("You are logged out of the console.\n"))
	})
}

// CanLogOut is true.
func (l *OIDC) CanLogOut() bool { return true }

func (l *OIDC) login(w http.ResponseWriter, r *http.Request) {
	made := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Back: l.back(r.URL.Query().Get("back"))}
	sealed, err := l.seal.seal(loginCookie, made, loginFor)
	if err != nil {
		http.Error(w, "The login cannot begin.", http.StatusInternalServerError)
		return
	}
	l.setCookie(w, loginCookie, sealed, loginFor)
	http.Redirect(w, r, l.oauth.AuthCodeURL(made.State, oidc.Nonce(made.Nonce), oauth2.S256ChallengeOption(made.Verifier)), http.StatusSeeOther)
}

// back lets nobody be sent elsewhere after a login.
func (l *OIDC) back(path string) string {
	parsed, err := url.Parse(path)
	const longest = 1024 // it travels in a cookie
	if err != nil || parsed.IsAbs() || parsed.Host != "" || len(path) > longest ||
		!strings.HasPrefix(path, l.path) || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
		return l.path
	}
	return path
}

func (l *OIDC) callback(w http.ResponseWriter, r *http.Request) {
	who, back, err := l.finish(r)
	l.setCookie(w, loginCookie, "", -1)
	if err != nil {
		l.logFailure(r.Context(), err)
	}
	switch {
	case errors.Is(err, errStranger):
		http.Error(w, "Your account may not use this console: "+err.Error()+".", http.StatusForbidden)
		return
	case err != nil:
		// The log says more: what the provider said is nothing for everybody.
		http.Error(w, "The login failed. Begin again at "+l.path, http.StatusUnauthorized)
		return
	}
	sealed, err := l.seal.seal(sessionCookie, who, l.options.SessionFor)
	if err != nil {
		http.Error(w, "The login failed.", http.StatusInternalServerError)
		return
	}
	l.setCookie(w, sessionCookie, sealed, l.options.SessionFor)
	http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // G710: back() let only addresses of the console into the signed cookie
}

// finish trades the code for an identity.
func (l *OIDC) finish(r *http.Request) (who session, back string, err error) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return who, "", loginError{stepState, errAttempt}
	}
	var begun attempt
	if err := l.seal.open(loginCookie, cookie.Value, &begun); err != nil {
		return who, "", loginError{stepState, errAttempt}
	}
	query := r.URL.Query()
	if begun.State == "" || query.Get("state") != begun.State {
		return who, "", loginError{stepState, errAttempt}
	}
	if code := query.Get("error"); code != "" {
		return who, "", loginError{stepProvider, &oauth2.RetrieveError{ErrorCode: code}}
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), l.options.Client), providerWait)
	defer cancel()
	token, err := l.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return who, "", loginError{stepExchange, err}
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return who, "", loginError{stepExchange, errNoToken}
	}
	proven, err := l.verifier.Verify(ctx, raw)
	if err != nil {
		return who, "", loginError{stepVerify, err}
	}
	if proven.Nonce != begun.Nonce {
		return who, "", loginError{stepNonce, errAttempt}
	}
	if who, err = l.identity(proven); err != nil {
		return who, "", loginError{stepIdentity, err}
	}
	return who, begun.Back, nil
}

// identity maps the claims of a proven token.
func (l *OIDC) identity(proven *oidc.IDToken) (session, error) {
	var claims map[string]any
	if err := proven.Claims(&claims); err != nil {
		return session{}, err
	}
	name, _ := claims[l.options.NameClaim].(string)
	// At some providers anybody may claim any address: one that is not verified is no name.
	if verified, _ := claims["email_verified"].(bool); l.options.NameClaim == "email" && !verified {
		name = ""
	}
	if name == "" {
		name = proven.Subject
	}
	var groups []string
	switch list := claims[l.options.GroupsClaim].(type) {
	case []any:
		for _, each := range list {
			if text, ok := each.(string); ok {
				groups = append(groups, text)
			}
		}
	case string:
		groups = []string{list}
	}
	who := session{Name: name, Role: roleOf(l.names, name)}
	if roleOf(l.groups, groups...) == Operator {
		who.Role = Operator
	}
	if len(l.viewers) > 0 && who.Role != Operator && roleOf(l.viewers, groups...) != Operator {
		return session{}, errStranger
	}
	return who, nil
}

func (l *OIDC) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	seconds := int(age.Seconds())
	if age < 0 {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: l.path, MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
