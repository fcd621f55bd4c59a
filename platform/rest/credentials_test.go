package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// proven has a proof go with each token.
func proven() rest.Auth {
	auth := rest.Bearer(shapes)
	auth.ProofParameter, auth.Proof = "appsecret_proof", func(token string) string { return "proof-" + token }
	return auth
}

// credentialed is a client of a server with the settings' credentials.
func credentialed(t *testing.T, settings platform.Settings, handler http.HandlerFunc) (*rest.Client, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	settings.HTTP, settings.Timeout = &http.Client{Transport: transport}, 10*time.Second
	return rest.New(settings, proven()), server.URL
}

func fixed(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

func TestTheProofGoesWithEachCallAndIsNeverTold(t *testing.T) {
	t.Parallel()
	const proof = "proof-" + secret
	client, address := credentialed(t, platform.Settings{Token: fixed(secret)}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.URL.RawQuery, " ", r.Header.Get("Authorization"))
	})
	answer, failure := client.Do(t.Context(), rest.Call{Operation: "GET it", Method: http.MethodGet, URL: address + "/x?handle=a%20b"})
	require.Nil(t, failure)
	require.Equal(t, "appsecret_proof="+proof+"&handle=a+b Bearer "+secret, string(answer.Body))
	require.NotContains(t, answer.Redact("it was "+proof), proof)
}

func TestARefusedTokenIsReported(t *testing.T) {
	t.Parallel()
	rules := []rest.Rule{
		{Status: http.StatusBadRequest, Scope: platform.ScopeAccount, Token: true},
		{Scope: platform.ScopeAccount},
	}
	for status, want := range map[int]int32{http.StatusBadRequest: 1, http.StatusForbidden: 0} {
		var reported atomic.Int32
		client, address := credentialed(t, platform.Settings{Token: fixed(secret), TokenRefused: func(token string) {
			require.Equal(t, secret, token)
			reported.Add(1)
		}}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		call := post(address, "{}")
		answer, failure := client.Do(t.Context(), call)
		require.Nil(t, failure)
		require.Equal(t, platform.ScopeAccount, answer.Refusal(call, rules, rest.Said{}).Scope)
		require.Equal(t, want, reported.Load(), status)
	}
}

// TestAnUnauthorizedCallIsMadeOnceMoreWithAnotherToken, and only then.
func TestAnUnauthorizedCallIsMadeOnceMoreWithAnotherToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		next   string // the token after the first is refused; "" for an error
		status int    // what comes of it; 0 for an error
		calls  int32
	}{
		{"a good one", "good", http.StatusOK, 2},
		{"another bad one", "worse", http.StatusUnauthorized, 2},
		{"no other one", "bad", http.StatusUnauthorized, 1},
		{"none any more", "", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			current := "bad"
			client, address := credentialed(t, platform.Settings{
				Token: func(context.Context) (string, error) {
					if current == "" {
						return "", &platform.Error{Scope: platform.ScopeAccount, Operation: "renew", Message: "no more"}
					}
					return current, nil
				},
				TokenRefused: func(token string) {
					require.Equal(t, "bad", token)
					current = c.next
				},
			}, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if r.Header.Get("Authorization") != "Bearer good" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			answer, failure := client.Do(t.Context(), post(address, "{}"))
			require.Equal(t, c.calls, calls.Load())
			if c.status == 0 {
				require.NotNil(t, failure)
				require.Equal(t, platform.ScopeAccount, failure.Scope)
				require.Contains(t, failure.Message, "no more")
				return
			}
			require.Nil(t, failure)
			require.Equal(t, c.status, answer.Status)
		})
	}
}

// TestWhoseFailureAMissingTokenIs: a token that cannot be had for now is no reason
// to pause an account.
func TestWhoseFailureAMissingTokenIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want platform.FailureScope
	}{
		{errors.New("there is none"), platform.ScopeAccount},
		{fmt.Errorf("refresh: %w", &platform.Error{Scope: platform.ScopePlatform, RetryAfter: time.Second}), platform.ScopePlatform},
		{&platform.Error{Scope: platform.ScopeAccount}, platform.ScopeAccount},
		{context.DeadlineExceeded, platform.ScopePlatform},
	} {
		client := rest.New(platform.Settings{Token: func(context.Context) (string, error) { return "", c.err }}, rest.Bearer(nil))
		_, failure := client.Do(t.Context(), post("http://127.0.0.1:1", "{}"))
		require.NotNil(t, failure)
		require.Equal(t, c.want, failure.Scope, "%v", c.err)
		require.False(t, failure.Ambiguous)
		require.ErrorIs(t, failure, c.err)
	}
}
