package pinterest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
)

// fuzzToken must not come back out of any answer.
const fuzzToken = "fuzz-secret-Zk7pQ4-0123456789"

type reply func(*http.Request) (*http.Response, error)

func (r reply) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// answered is an endpoint that gets one answer to everything.
func answered(t *testing.T, catalogType catalog.Type, status int, header http.Header, body []byte) platform.Endpoint {
	t.Helper()
	account, err := New(platform.Settings{
		Name:  "acme",
		Token: func(context.Context) (string, error) { return fuzzToken, nil },
		HTTP: &http.Client{Transport: reply(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				Status: strconv.Itoa(status), StatusCode: status, Header: header, Request: r, ContentLength: -1,
				Body: io.NopCloser(strings.NewReader(string(body))),
			}, nil
		})},
		Catalogs: map[string]setting.Values{"us": {"country": "US", "language": "EN"}},
	})
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", catalogType)
	require.Nil(t, problem)
	return endpoint
}

// requireKind wants an error that says what to do and tells no secret.
func requireKind(t *testing.T, err error) {
	t.Helper()
	failure, ok := errors.AsType[*platform.Error](err)
	require.True(t, ok, "%v", err)
	require.NotContains(t, failure.Error(), fuzzToken)
	require.LessOrEqual(t, len(failure.Error()), 2048)
	require.NotEqual(t, platform.ScopeCaller, failure.Scope)
	requireQuotas(t, failure.Quotas)
}

func requireQuotas(t *testing.T, quotas []platform.Quota) {
	t.Helper()
	require.LessOrEqual(t, len(quotas), maxPolicies+1)
	for _, quota := range quotas {
		require.True(t, strings.HasPrefix(quota.Scope, "pinterest/"))
		for _, d := range []time.Duration{quota.Block, quota.Window, quota.Reset} {
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, 24*time.Hour)
		}
		require.GreaterOrEqual(t, quota.Limit, -1)
		require.GreaterOrEqual(t, quota.Remaining, -1)
	}
}

// seeds are answers of all kinds, honest and not.
func seeds(add func(status int, body string)) {
	add(200, `{"catalog_type":"RETAIL","batch_id":"595953100599279259-66753b9bb65c46c49bd8503b27fecf9e","created_time":"2024-01-01T20:10:40",`+
		`"completed_time":"2024-01-01T20:20:00.017000","status":"COMPLETED","items":[{"item_id":"A","status":"SUCCESS","errors":[],"warnings":`+
		`[{"attribute":"title","code":106,"message":"x"}]},{"item_id":"B","status":"FAILURE","errors":[{"attribute":"title","code":106,"message":"Title is missing."}]}]}`)
	add(200, `{"catalog_type":"HOTEL","batch_id":"1","status":"FAILED","items":[{"hotel_id":"A","errors":[{"code":{}}]},1,null,[]]}`)
	add(200, `{"catalog_type":"CREATIVE_ASSETS","status":"COMPLETED","items":[{"creative_assets_id":"A","status":"PROCESSING"},{"creative_assets_id":"A","status":"SUCCESS"}]}`)
	add(200, `{"batch_id":"1","status":"COMPLETED","created_time":null,"items":[{"item_id":"A","status":"SUCCESS"}]}`)
	add(200, `{"items":{"item_id":"A"},"status":7,"batch_id":[1]}`)
	add(200, `<!DOCTYPE html>`)
	add(200, `{"batch_id":"1","stat`)
	add(400, `{"code":1,"message":"Invalid request with Authorization: Bearer `+fuzzToken+`"}`)
	add(401, `{"code":2,"message":"Authentication failed."}`)
	add(403, `{"code":2625,"message":"Sorry, you cannot perform this action"}`)
	add(404, `{"code":4331,"message":"Sorry! We could not find your batch ID."}`)
	add(429, `{"code":8,"message":"This request exceeded a rate limit."}`)
	add(429, `{"code":"9","message":["spam"],"message_detail":{"spam":1}}`)
	add(500, ``)
}

func FuzzAnswerToPost(f *testing.F) {
	seeds(func(status int, body string) { f.Add(status, []byte(body)) })
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return // no final answer
		}
		endpoint := answered(t, "RETAIL", status, http.Header{}, body)
		submission, err := endpoint.Submit(t.Context(), []byte(`{}`), "", recordsOf("A", "B"))
		if err != nil {
			requireKind(t, err)
			return
		}
		require.Less(t, status, 300)
		require.Len(t, submission.Handles, 1)
		require.NotEmpty(t, submission.Handles[0])
		for _, verdict := range submission.Verdicts {
			require.Equal(t, platform.Skipped, verdict.Outcome, "a POST's answer confirms nothing")
		}
	})
}

func FuzzAnswerToGet(f *testing.F) {
	seeds(func(status int, body string) {
		for kind := range 3 {
			f.Add(kind, status, []byte(body))
		}
	})
	f.Fuzz(func(t *testing.T, kind, status int, body []byte) {
		types := [...]catalog.Type{"RETAIL", "HOTEL", "CREATIVE_ASSETS"}
		if status < 200 || status > 599 || kind < 0 || kind >= len(types) {
			return
		}
		endpoint := answered(t, types[kind], status, http.Header{}, body)
		report, err := endpoint.Poll(t.Context(), "1", "", recordsOf("A", "B"))
		if err != nil {
			requireKind(t, err)
			return
		}
		require.NotContains(t, report.Note+report.Error, fuzzToken)
		if report.Progress != platform.Finished {
			require.Empty(t, report.Verdicts)
			return
		}
		require.Less(t, status, 300)
		require.Len(t, report.Verdicts, 2)
		for i, id := range []string{"A", "B"} {
			verdict := report.Verdicts[i]
			require.LessOrEqual(t, len(verdict.Errors), maxIssues)
			for _, issue := range append(verdict.Errors, verdict.Warnings...) {
				require.NotContains(t, issue.Message+issue.Attribute+issue.Code, fuzzToken)
			}
			if verdict.Outcome == platform.Succeeded && !strings.Contains(string(body), `\`) {
				require.Contains(t, string(body), `"`+id+`"`, "a success names its item")
				require.Contains(t, strings.ToUpper(string(body)), "SUCCESS")
			}
		}
	})
}

func FuzzRateHeaders(f *testing.F) {
	f.Add(200, "100, 100;w=1, 1000;w=60", "98", "1", "")
	f.Add(429, "1000, 1000;w=86400", "0", "67150", "")
	f.Add(429, "", "", "", "120")
	f.Add(429, "many, ;w=, 5;w=NaN", "-1", "1e300", "Sun, 22 Nov 2026 10:00:30 GMT")
	f.Fuzz(func(t *testing.T, status int, limit, remaining, reset, retryAfter string) {
		if status < 200 || status > 599 {
			return
		}
		header := http.Header{
			"X-Ratelimit-Limit": {limit}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Retry-After": {retryAfter},
		}
		body := []byte(`{"batch_id":"1","created_time":"x","status":"PROCESSING"}`)
		submission, err := answered(t, "RETAIL", status, header, body).Submit(t.Context(), []byte(`{}`), "", recordsOf("A"))
		if err == nil {
			requireQuotas(t, submission.Quotas)
			return
		}
		requireKind(t, err)
		failure, _ := errors.AsType[*platform.Error](err)
		require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, failure.RetryAfter, 24*time.Hour)
		if status == http.StatusTooManyRequests {
			require.Equal(t, platform.ScopeQuota, failure.Scope)
			require.Zero(t, failure.Quotas[len(failure.Quotas)-1].Remaining)
		}
	})
}
