package pinterest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func TestEveryRefusalHasItsKind(t *testing.T) {
	t.Parallel()
	const post, get = http.MethodPost, http.MethodGet
	said := func(code int, message string) string {
		return fmt.Sprintf(`{"code":%d,"message":%q,"status":"failure","data":null}`, code, message)
	}
	const page = "<!DOCTYPE html><h1>Not here</h1>"
	cases := []struct {
		name      string
		method    string
		status    int
		body      string
		scope     platform.FailureScope
		ambiguous bool
		lost      bool
	}{
		{"invalid request", post, 400, said(1, "Invalid request: {...}"), platform.ScopeBatch, false, false},
		{"invalid request, other code", post, 400, said(4711, "no"), platform.ScopeBatch, false, false},
		{"invalid request, no JSON", post, 400, page, platform.ScopeBatch, false, false},
		{"wrong token", post, 401, said(2, "Authentication failed."), platform.ScopeAccount, false, false},
		{"wrong token, asked", get, 401, said(2, "Authentication failed."), platform.ScopeAccount, false, false},
		{"authorization failed", post, 401, said(3, "Authorization failed."), platform.ScopeAccount, false, false},
		{"401 alone", get, 401, ``, platform.ScopeAccount, false, false},
		{"authentication without 401", post, 400, said(2, "Authentication failed."), platform.ScopeAccount, false, false},
		{"trial access", post, 403, said(29, "trial"), platform.ScopeAccount, false, false},
		{"disapproved", post, 403, said(2625, "Sorry, you cannot"), platform.ScopeAccount, false, false},
		{"403 alone", post, 403, ``, platform.ScopeAccount, false, false},
		{"403 for a feed", post, 403, said(7, "UPSERT is restricted to users without a FEED data source"), platform.ScopeBatch, false, false},
		{"403 for a feed, asked", get, 403, said(7, "feed"), platform.ScopeBatch, false, false},
		{"404 to a POST", post, 404, said(50, "Ad account not found"), platform.ScopeAccount, false, false},
		{"404 page to a POST", post, 404, page, platform.ScopeAccount, false, false},
		{"no such batch", get, 404, said(4331, "Sorry! We could not find your batch ID."), platform.ScopePlatform, false, true},
		{"no such batch, another code", get, 404, said(50, "Batch not found"), platform.ScopePlatform, false, true},
		{"no such batch, invalid id", get, 400, said(1, "batch_id does not match ^\\d+$"), platform.ScopePlatform, false, true},
		{"404 page to a GET", get, 404, page, platform.ScopeBatch, false, false},
		{"404 without code to a GET", get, 404, `{"code":0,"message":"No such endpoint."}`, platform.ScopeBatch, false, false},
		{"400 page to a GET", get, 400, page, platform.ScopeBatch, false, false},
		{"gone", get, 410, ``, platform.ScopePlatform, false, true},
		{"405", post, 405, said(5, "Method not allowed."), platform.ScopeAccount, false, false},
		{"405 alone", post, 405, ``, platform.ScopeAccount, false, false},
		{"408", post, 408, ``, platform.ScopePlatform, true, false},
		{"413", post, 413, ``, platform.ScopeBatch, false, false},
		{"422", post, 422, said(1, "no"), platform.ScopeBatch, false, false},
		{"422 to a GET", get, 422, ``, platform.ScopeBatch, false, false},
		{"418", post, 418, said(99999, "a code of tomorrow"), platform.ScopeBatch, false, false},
		{"rate limit", post, 429, said(8, "This request exceeded a rate limit."), platform.ScopeQuota, false, false},
		{"rate limit of an endpoint", get, 429, said(30, "Too many"), platform.ScopeQuota, false, false},
		{"429 alone", get, 429, ``, platform.ScopeQuota, false, false},
		{"rate limit by code alone", post, 400, said(8, "limit"), platform.ScopeQuota, false, false},
		{"spam", post, 429, said(9, "Your account was blocked for SPAM."), platform.ScopeAccount, false, false},
		{"spam in the detail", post, 429, `{"code":8,"message":"Blocked","message_detail":"Looks like spam"}`, platform.ScopeAccount, false, false},
		{"500", post, 500, ``, platform.ScopePlatform, true, false},
		{"500 to a GET", get, 500, ``, platform.ScopePlatform, false, false},
		{"503 with a code of tomorrow", post, 503, said(99999, "x"), platform.ScopePlatform, true, false},
		{"405, asked", get, 405, said(5, "Method not allowed."), platform.ScopeBatch, false, false},
		{"redirect", post, 302, page, platform.ScopeAccount, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer := &rest.Answer{Status: c.status, Header: http.Header{}, Body: []byte(c.body)}
			failure, lost := refusal(answer, rest.Call{Operation: "x", Method: c.method}, saidBy(c.body), scopes{category: "scope", app: "app"})
			require.Equal(t, c.lost, lost)
			if !lost {
				require.Equal(t, c.scope.String(), failure.Scope.String())
			}
			require.Equal(t, c.ambiguous, failure.Ambiguous)
			require.Equal(t, c.status == http.StatusRequestEntityTooLarge, failure.TooLarge)
			require.Equal(t, c.scope == platform.ScopeQuota, failure.BlockedScope == "scope")
			require.NotEmpty(t, failure.Message)
		})
	}
}

// TestNoRowOfFailuresIsInVain wants each row to be the first that matches some
// answer, and to say where it comes from.
func TestNoRowOfFailuresIsInVain(t *testing.T) {
	t.Parallel()
	for i, row := range failures() {
		require.NotEmpty(t, row.Source, "row %d", i)
		method, status := row.method, row.Status
		if method == "" {
			method = http.MethodPost
		}
		if status == 0 {
			status = 600 // no row names it
		}
		said := said{Said: rest.Said{Code: row.Code}, reason: "it says " + row.word + "."}
		if row.coded {
			said.Code = 77
		}
		require.Equal(t, row, failureOf(method, row.path, status, said), "row %d is hidden by one before it", i)
	}
}

func TestARateLimitSaysHowLong(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		made := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			made.Add(pairs[i], pairs[i+1])
		}
		return made
	}
	cases := []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"retry-after in seconds", header("Retry-After", "7"), 7 * time.Second},
		{"retry-after as a date", header("Retry-After", time.Now().Add(50*time.Minute).UTC().Format(http.TimeFormat)), 50 * time.Minute},
		{"reset", header("X-Ratelimit-Limit", "100, 100;w=60", "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "30"), 30 * time.Second},
		{"both: the wish counts", header("Retry-After", "5", "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "30"), 5 * time.Second},
		{"nothing", header(), 0},
		{"a day of trial access", header("X-Ratelimit-Limit", "1000, 1000;w=86400", "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "67150"), 67150 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer := &rest.Answer{Status: http.StatusTooManyRequests, Header: c.header, Body: []byte(`{"code":8,"message":"limit"}`)}
			failure, _ := refusal(answer, rest.Call{Method: http.MethodPost}, saidBy(string(answer.Body)), scopes{category: "scope", app: "app"})
			require.InDelta(t, c.want, failure.RetryAfter, float64(c.want)/20, "a date passes while the test runs")
			last := failure.Quotas[len(failure.Quotas)-1]
			require.Equal(t, c.want > time.Hour, last.Scope == "app")
			require.Equal(t, last.Scope, failure.BlockedScope)
			require.Zero(t, last.Remaining)
			require.InDelta(t, 100, last.UsedPercent, 0)
		})
	}
}

func saidBy(body string) said {
	value, _ := rest.Parse([]byte(body))
	return saidIn(value)
}
