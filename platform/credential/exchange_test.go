package credential_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/credential"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// tokenOf has one source ask an endpoint.
func tokenOf(t *testing.T, handler http.HandlerFunc) (string, error) {
	t.Helper()
	return tokenFrom(t, newMemory(), handler)
}

// tokenFrom is tokenOf for a worker with a store.
func tokenFrom(t *testing.T, store credential.Store, handler http.HandlerFunc) (string, error) {
	t.Helper()
	source := credential.NewOAuth(credential.OAuthConfig{
		OAuth: pinterest.Descriptor().OAuth,
		URL:   "http://pinterest.test/v5/oauth/token", ClientID: "app id", ClientSecret: config.NewSecret(clientSecret),
		RefreshToken: config.NewSecret(firstRefresh), Keys: keys(t, firstKey, ""), Store: store,
		HTTP: &http.Client{Transport: sandbox.Transport(handler)}, Logger: discard,
	})
	defer end(source)
	return source.Token(t.Context())
}

func TestTheRequestIsAsPinterestDescribesIt(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	token, err := tokenOf(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		seen = r
		_, _ = fmt.Fprint(w, `{"access_token":"pina_x","token_type":"bearer","expires_in":2592000,"scope":"catalogs:read"}`)
	})
	require.NoError(t, err)
	require.Equal(t, "pina_x", token)
	id, secret, _ := seen.BasicAuth()
	require.Equal(t, []string{"app id", clientSecret}, []string{id, secret})
	require.Equal(t, http.MethodPost, seen.Method)
	require.Equal(t, "application/x-www-form-urlencoded", seen.Header.Get("Content-Type"))
	require.Equal(t, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {firstRefresh}, "continuous_refresh": {"true"},
	}, seen.PostForm)
}

func TestAnswersOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	const good = `{"access_token":"pina_x","expires_in":3600}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		scope  platform.FailureScope
		words  string // "" for a token
	}{
		{"all is well", 200, good, 0, ""},
		{"no life told", 200, `{"access_token":"pina_x"}`, 0, ""},
		{"a life of nonsense", 200, `{"access_token":"pina_x","expires_in":1e300}`, 0, ""},
		{"nothing", 200, ``, platform.ScopePlatform, "not what it should be"},
		{"a page", 200, `<html>`, platform.ScopePlatform, "not what it should be"},
		{"no token", 200, `{}`, platform.ScopePlatform, "has no token"},
		{"a number", 200, `{"access_token":7}`, platform.ScopePlatform, "has no token"},
		{"a token with a line break", 200, `{"access_token":"a\nb"}`, platform.ScopePlatform, "has no token"},
		{"an empty refresh token", 200, `{"access_token":"a","refresh_token":""}`, platform.ScopePlatform, "has no token"},
		{"a flood", 200, `{"access_token":"` + strings.Repeat("a", 1<<20) + `"}`, platform.ScopePlatform, "not what it should be"},
		{"elsewhere", 307, good, platform.ScopePlatform, "HTTP 307"},
		{"invalid grant", 400, `{"error":"invalid_grant","error_description":"it is old"}`, platform.ScopeAccount, "HTTP 400: it is old"},
		{"invalid client", 401, `{"code":2,"message":"Authentication failed."}`, platform.ScopeAccount, "HTTP 401, code 2: Authentication failed."},
		{"not allowed", 403, ``, platform.ScopeAccount, "HTTP 403: Forbidden"},
		{"wrong address", 404, `<html>`, platform.ScopeAccount, "HTTP 404: Not Found"},
		{"too slow", 408, ``, platform.ScopePlatform, "HTTP 408"},
		{"too often", 429, ``, platform.ScopePlatform, "HTTP 429"},
		{"broken", 500, `{"message":"sorry"}`, platform.ScopePlatform, "HTTP 500: sorry"},
		{"an echo", 400, `{"message":"bad ` + firstRefresh + ` of ` + clientSecret + `"}`, platform.ScopeAccount, "bad [redacted] of [redacted]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			token, err := tokenOf(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://stranger.test/")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			})
			if c.words == "" {
				require.NoError(t, err)
				require.Equal(t, "pina_x", token)
				return
			}
			failure := (*platform.Error)(nil)
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.scope, failure.Scope)
			require.ErrorContains(t, err, c.words)
		})
	}
}

// TestOlderRefreshTokensAreForARefusedOne: any other refusal would be theirs too,
// and a used token that comes again may end the consent.
func TestOlderRefreshTokensAreForARefusedOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		asked  []string
	}{
		{400, `{"error":"invalid_grant"}`, []string{"pinr_second", firstRefresh}},
		{401, `{"code":283,"message":"The authorization grant is invalid"}`, []string{"pinr_second", firstRefresh}},
		{400, `{"error":"invalid_request"}`, []string{"pinr_second"}},
		{401, `{"code":2,"message":"Authentication failed."}`, []string{"pinr_second"}},
		{401, `{"error":"invalid_client"}`, []string{"pinr_second"}},
		{403, ``, []string{"pinr_second"}},
		{404, `<html>`, []string{"pinr_second"}},
		{500, `{"error":"invalid_grant"}`, []string{"pinr_second"}},
	} {
		store, asked := newMemory(), []string(nil)
		handler := func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			if asked = append(asked, r.PostForm.Get("refresh_token")); len(asked) > 1 {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
				return
			}
			_, _ = fmt.Fprint(w, `{"access_token":"pina_x","refresh_token":"pinr_second","expires_in":3600}`)
		}
		_, err := tokenFrom(t, store, handler)
		require.NoError(t, err)
		store.expire()
		_, err = tokenFrom(t, store, handler)
		require.Error(t, err)
		require.Equal(t, c.asked, asked[1:], c.body)
		require.Equal(t, len(c.asked) == 2, strings.Contains(err.Error(), "refresh token refused"), err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"access_token":"pina_x","refresh_token":"pinr_y","expires_in":3600}`)
	f.Add(200, `{"access_token":"x","expires_in":-1e308}`)
	f.Add(400, `{"error":"invalid_grant"}`)
	f.Add(401, `{"code":2,"message":"`+firstRefresh+`"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		token, err := tokenOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		})
		if (err == nil) != (token != "") {
			t.Fatalf("token %q, error %v", token, err)
		}
		if err != nil && (strings.Contains(err.Error(), firstRefresh) || strings.Contains(err.Error(), clientSecret)) {
			t.Fatal("a secret is told")
		}
	})
}

func TestAnEndpointThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	oauth := simulated()
	b := bedOn(t, oauth, newMemory(), nil)
	b.pinterest.InjectNext(sandbox.Authorize, sandbox.Fault{Kind: sandbox.Hang})
	_, err := b.worker().Token(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	b.pinterest.Close() // lets the renewal go, for which the worker waits
}
