package sandbox

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

const defaultLife = 30 * 24 * time.Hour

// RevokeIssued takes none of the access tokens given out so far any more. New ones
// can be asked for.
func (p *Pinterest) RevokeIssued() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.oauth.issued)
}

// RevokeRefresh takes the refresh token no more and any later one, until another
// is named with a new consent.
func (p *Pinterest) RevokeRefresh(consent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oauth.refresh = consent
}

// authorize answers a call of the token endpoint.
func (p *Pinterest) authorize(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err != nil {
		send(w, answer{status: http.StatusRequestEntityTooLarge})
		return
	}
	p.mu.Lock()
	fault := p.nextFault(Authorize)
	p.mu.Unlock()
	if fault.Kind == Reset {
		breakConnection(w)
		return
	}
	said, refused := pinterestFace{p}.refusal(Authorize, fault, r.Header.Get("Authorization"))
	if !refused {
		said = p.grant(r, string(body))
	}
	p.deliver(r.Context(), w, said, fault)
}

// grant gives tokens. Source: OpenAPI 5.23.0, oauth/token.
func (p *Pinterest) grant(r *http.Request, body string) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	form, err := url.ParseQuery(body)
	id, secret, basic := r.BasicAuth()
	want := p.options.OAuth
	switch {
	case err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return p.refuse(http.StatusBadRequest, 1, "Invalid request: the body is not a form")
	case !basic || id != want.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(want.ClientSecret)) == 0:
		return p.refuse(http.StatusUnauthorized, 2, "Authentication failed.")
	}
	switch kind := form.Get("grant_type"); {
	case kind == "client_credentials" && form.Get("scope") != "":
		return p.issue(kind, "")
	case kind == "refresh_token" && p.oauth.refresh != "" && form.Get("refresh_token") == p.oauth.refresh:
		next := ""
		if want.Rotate {
			next = fmt.Sprintf("pinr_simulated-refresh-%d", p.oauth.given+1)
			p.oauth.refresh = next
		}
		return p.issue(kind, next)
	default:
		return p.refuse(http.StatusBadRequest, 283, "Your refresh token is not valid.")
	}
}

func (p *Pinterest) refuse(status, code int, message string) answer {
	p.counters.GrantsRefused++
	return pinterestError(status, code, message)
}

func (p *Pinterest) issue(kind, refresh string) answer {
	life := p.options.OAuth.Life
	if life == 0 {
		life = defaultLife
	}
	p.oauth.given++
	p.counters.Grants++
	if !p.options.OAuth.KeepAccess {
		clear(p.oauth.issued)
	}
	token := "pina_simulated-access-" + strconv.Itoa(p.oauth.given)
	p.oauth.issued[token] = time.Now().Add(life)
	text := rawjson.AppendString([]byte(`{"token_type":"bearer","scope":"catalogs:read,catalogs:write","response_type":`), kind)
	text = rawjson.AppendString(append(text, `,"access_token":`...), token)
	text = strconv.AppendInt(append(text, `,"expires_in":`...), int64(life.Seconds()), 10)
	if refresh != "" {
		text = rawjson.AppendString(append(text, `,"refresh_token":`...), refresh)
		text = append(text, `,"refresh_token_expires_in":5184000`...)
	}
	return answer{status: http.StatusOK, body: append(text, '}')}
}
