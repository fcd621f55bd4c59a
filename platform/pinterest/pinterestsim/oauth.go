package pinterestsim

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

const defaultLife = 30 * 24 * time.Hour

// RevokeIssued takes none of the access tokens given out so far any more. New ones
// can be asked for.
func (p *Platform) RevokeIssued() {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	clear(p.Grants.Issued)
}

// RevokeRefresh takes the refresh token no more and any later one, until another
// is named with a new consent.
func (p *Platform) RevokeRefresh(consent string) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	p.Grants.Refresh = consent
}

// authorize answers a call of the token endpoint.
func (p *Platform) authorize(w http.ResponseWriter, r *http.Request) {
	body, err := sandbox.ReadBody(w, r)
	if err != nil {
		sandbox.Respond(w, sandbox.Response{Status: http.StatusRequestEntityTooLarge})
		return
	}
	p.Mu.Lock()
	fault := p.NextFault(sandbox.Authorize)
	p.Mu.Unlock()
	if fault.Kind == sandbox.Reset {
		sandbox.BreakConnection(w)
		return
	}
	said, refused := pinterestFace{p}.Refusal(sandbox.Authorize, fault, r.Header.Get("Authorization"))
	if !refused {
		said = p.grant(r, string(body))
	}
	p.Deliver(r.Context(), w, said, fault)
}

// grant gives tokens. Source: OpenAPI 5.23.0, oauth/token.
func (p *Platform) grant(r *http.Request, body string) sandbox.Response {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	form, err := url.ParseQuery(body)
	id, secret, basic := r.BasicAuth()
	want := p.Options.OAuth
	switch {
	case err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return p.refuse(http.StatusBadRequest, 1, "Invalid request: the body is not a form")
	case !basic || id != want.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(want.ClientSecret)) == 0:
		return p.refuse(http.StatusUnauthorized, 2, "Authentication failed.")
	}
	switch kind := form.Get("grant_type"); {
	case kind == "client_credentials" && form.Get("scope") != "":
		return p.issue(kind, "")
	case kind == "refresh_token" && p.Grants.Refresh != "" && form.Get("refresh_token") == p.Grants.Refresh:
		next := ""
		if want.Rotate {
			next = fmt.Sprintf("pinr_simulated-refresh-%d", p.Grants.Given+1)
			p.Grants.Refresh = next
		}
		return p.issue(kind, next)
	default:
		return p.refuse(http.StatusBadRequest, 283, "Your refresh token is not valid.")
	}
}

func (p *Platform) refuse(status, code int, message string) sandbox.Response {
	p.Seen.GrantsRefused++
	return pinterestError(status, code, message)
}

func (p *Platform) issue(kind, refresh string) sandbox.Response {
	life := p.Options.OAuth.Life
	if life == 0 {
		life = defaultLife
	}
	p.Grants.Given++
	p.Seen.Grants++
	if !p.Options.OAuth.KeepAccess {
		clear(p.Grants.Issued)
	}
	token := "pina_simulated-access-" + strconv.Itoa(p.Grants.Given)
	p.Grants.Issued[token] = time.Now().Add(life)
	text := rawjson.AppendString([]byte(`{"token_type":"bearer","scope":"catalogs:read,catalogs:write","response_type":`), kind)
	text = rawjson.AppendString(append(text, `,"access_token":`...), token)
	text = strconv.AppendInt(append(text, `,"expires_in":`...), int64(life.Seconds()), 10)
	if refresh != "" {
		text = rawjson.AppendString(append(text, `,"refresh_token":`...), refresh)
		text = append(text, `,"refresh_token_expires_in":5184000`...)
	}
	return sandbox.Response{Status: http.StatusOK, Body: append(text, '}')}
}
