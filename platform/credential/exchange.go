package credential

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

const (
	// exchangeTimeout bounds one call of the token endpoint.
	exchangeTimeout = 15 * time.Second
	// maxGrant is far above any honest answer.
	maxGrant = 64 << 10
	// unknownLife is taken for the life of a token of which nobody says it.
	unknownLife = time.Hour
	longestLife = 365 * 24 * time.Hour

	operation = "POST oauth/token"
)

// grant is what the token endpoint gave.
type grant struct {
	access  string
	refresh string // "" when the old one stays
	life    time.Duration
}

// Format keeps the tokens out of whatever is printed.
func (g grant) Format(state fmt.State, _ rune) { printName(state, "grant", "[redacted]") }

// endpoint is the token endpoint of RFC 6749, section 3.2: HTTP Basic, a form, and a JSON answer.
type endpoint struct {
	http     *http.Client
	address  string
	clientID string
	secret   config.Secret
	oauth    platform.OAuth
}

// Format keeps the secret out of whatever is printed.
func (e *endpoint) Format(state fmt.State, _ rune) { printName(state, "token endpoint", e.address) }

func newEndpoint(c OAuthConfig) *endpoint {
	client := *c.HTTP
	// A redirect would carry the client's secret to a stranger.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &endpoint{http: &client, address: c.URL, clientID: c.ClientID, secret: c.ClientSecret, oauth: c.OAuth}
}

// ask asks for an access token: in a user's name with a refresh token, else in the
// app's own (client credentials). An error of ScopeAccount says that the
// platform refused; any other that it may work later.
func (e *endpoint) ask(ctx context.Context, refreshToken string) (grant, *platform.Error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {e.oauth.Scope}}
	if refreshToken != "" {
		form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
		for name, value := range e.oauth.RefreshParameters {
			form.Set(name, value)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, &platform.Error{Scope: platform.ScopeAccount, Operation: operation, Message: "the address is not one"}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(e.clientID, e.secret.Reveal())
	response, err := e.http.Do(request)
	if err != nil {
		return grant{}, e.trouble(0, "no answer: "+cause(err), refreshToken)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxGrant+1))
	if err != nil {
		return grant{}, e.trouble(response.StatusCode, "the answer breaks off: "+cause(err), refreshToken)
	}
	return e.read(response, body, refreshToken, time.Since(began))
}

// cause is why a call failed.
func cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "not in time"
	}
	return httpfail.Cause(err).Error()
}

func (e *endpoint) trouble(status int, message, refreshToken string) *platform.Error {
	return &platform.Error{
		Scope: platform.ScopePlatform, Operation: operation, HTTPStatus: status,
		Message: rest.Redact(message, e.oauth.TokenShapes, e.basic(), e.secret.Reveal(), refreshToken),
	}
}

// basic are the credentials as they stand in the header.
func (e *endpoint) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(e.clientID + ":" + e.secret.Reveal()))
}

func (e *endpoint) read(response *http.Response, body []byte, refreshToken string, took time.Duration) (grant, *platform.Error) {
	status := response.StatusCode
	if status < 200 || status > 299 {
		code, message := said(body, status)
		failure := e.trouble(status, message, refreshToken)
		failure.Code = code
		failure.RetryAfter = rest.RetryAfter(response.Header, time.Now())
		if refusing(status) {
			failure.Scope = platform.ScopeAccount
		}
		if failure.Scope == platform.ScopeAccount && e.isInvalidGrant(body, code) {
			failure.Err = errInvalidGrant
		}
		return grant{}, failure
	}
	if len(body) > maxGrant || !gjson.ValidBytes(body) {
		return grant{}, e.trouble(status, "the answer is not what it should be", refreshToken)
	}
	answer := gjson.ParseBytes(body)
	access, refresh := answer.Get("access_token"), answer.Get("refresh_token")
	if access.Type != gjson.String || !isToken(access.Str) || (refresh.Exists() && !isToken(refresh.Str)) {
		return grant{}, e.trouble(status, "the answer has no token", refreshToken)
	}
	life := time.Duration(min(answer.Get("expires_in").Float(), longestLife.Seconds()) * float64(time.Second))
	if life <= 0 {
		life = unknownLife
	}
	return grant{access: access.Str, refresh: refresh.Str, life: life - took}, nil
}

// refusing reports a status that says no to these credentials: any client error
// but those that ask for patience (RFC 6749, section 5.2, has 400 and 401).
func refusing(status int) bool {
	return status >= 400 && status < 500 &&
		status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests
}

// errInvalidGrant is the cause of a refusal that is about the refresh token, and not
// about the app or the request: another refresh token may be taken.
var errInvalidGrant = errors.New("the refresh token was rejected")

// isInvalidGrant reports a refusal of the refresh token: the error of RFC 6749,
// section 5.2, or the platform's own code for it.
func (e *endpoint) isInvalidGrant(body []byte, code int) bool {
	return (code != 0 && code == e.oauth.InvalidGrant) || (gjson.ValidBytes(body) && gjson.GetBytes(body, "error").Str == "invalid_grant")
}

// isToken reports whether the text can stand in a header: printable ASCII.
func isToken(text string) bool {
	const longest = 16 << 10
	if text == "" || len(text) > longest {
		return false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// said is what an error says: in code and message, or in the form of RFC 6749,
// section 5.2.
func said(body []byte, status int) (code int, message string) {
	if !gjson.ValidBytes(body) {
		return 0, http.StatusText(status)
	}
	code = int(gjson.GetBytes(body, "code").Int())
	for _, path := range []string{"message", "error_description", "error"} {
		if text := gjson.GetBytes(body, path); text.Type == gjson.String && text.Str != "" {
			return code, text.Str
		}
	}
	return code, http.StatusText(status)
}
