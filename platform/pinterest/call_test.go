package pinterest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

func TestCallsActForTheAdAccountAndKeepTheTokenInItsHeader(t *testing.T) {
	t.Parallel()
	const token = "pina_secret_0123456789"
	requests := make(chan *http.Request, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		requests <- r
		_, _ = io.WriteString(w, `{"batch_id":"1-2","created_time":"2026-11-22T10:00:00","status":"PROCESSING"}`)
	}))
	t.Cleanup(server.Close)
	s := settings()
	s.BaseURL, s.HTTP, s.Keys = server.URL+"/v5/", server.Client(), setting.Values{"ad_account_id": "549755885175"}
	s.Token = func(context.Context) (string, error) { return token, nil }
	account, err := pinterest.New(s)
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("us", "RETAIL")
	require.Nil(t, problem)
	records := []catalog.Record{{Key: catalog.ItemKey{ItemID: "A"}, Change: catalog.Change{Operation: catalog.Delete}}}

	submission, err := endpoint.Submit(t.Context(), []byte(`{}`), "", records)
	require.NoError(t, err)
	require.Equal(t, []string{"1-2"}, submission.Handles)
	report, err := endpoint.Poll(t.Context(), "../1 2?x", "", records)
	require.Error(t, err, "the answer is about another batch")
	require.Equal(t, platform.Report{}, report)

	post, get := <-requests, <-requests
	require.Equal(t, "/v5/catalogs/items/batch?ad_account_id=549755885175", post.RequestURI)
	require.Equal(t, "/v5/catalogs/items/batch/..%2F1%202%3Fx?ad_account_id=549755885175", get.RequestURI, "a handle is opaque")
	for _, request := range []*http.Request{post, get} {
		require.Equal(t, "Bearer "+token, request.Header.Get("Authorization"))
		require.NotContains(t, request.RequestURI, token)
	}
}

// answering is an endpoint whose platform answers as told.
func answering(t *testing.T, v variant, change func(*platform.Settings), reply http.HandlerFunc) platform.Endpoint {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		reply(w, r)
	}))
	t.Cleanup(server.Close)
	s := settings()
	s.BaseURL, s.HTTP = server.URL+"/v5", server.Client()
	s.Catalogs = map[string]setting.Values{"main": v.suite.Catalog}
	if change != nil {
		change(&s)
	}
	return openEndpoint(t, s, "main", v.suite.Type)
}

func oneDelete() []catalog.Record {
	return []catalog.Record{{Key: catalog.ItemKey{ItemID: "A"}, Change: catalog.Change{Operation: catalog.Delete}}}
}

func TestABatchIsAskedForByItsShortIDWhereTheWholeOneIsInvalid(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 4)
			endpoint := answering(t, v, nil, func(w http.ResponseWriter, r *http.Request) {
				id := path.Base(r.URL.Path)
				asked <- id
				if strings.Contains(id, "-") {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"code":1,"message":"batch_id does not match ^[a-zA-Z0-9]+$"}`)
					return
				}
				_, _ = io.WriteString(w, `{"batch_id":"59-abc","status":"PROCESSING","created_time":"2026-11-22T10:00:00"}`)
			})
			report, err := endpoint.Poll(t.Context(), "59-abc", "", oneDelete())
			require.NoError(t, err)
			require.Equal(t, platform.Pending, report.Progress)
			require.Equal(t, []string{"59-abc", "abc"}, []string{<-asked, <-asked})
			require.Empty(t, asked)

			report, err = endpoint.Poll(t.Context(), "59-", "", oneDelete())
			require.NoError(t, err)
			require.Equal(t, platform.NotFound, report.Progress, "there is nothing shorter to ask for")
			require.Len(t, asked, 1)
		})
	}
}

// TestAPollThatFindsNothing: only Pinterest's own word loses a batch, and no such
// answer pauses the account.
func TestAPollThatFindsNothing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		lost       bool
	}{
		{"code 4331", `{"code":4331,"message":"Sorry! We could not find your batch ID."}`, true},
		{"another code", `{"code":50,"message":"Not found"}`, true},
		{"no code", `{"message":"Not found"}`, false},
		{"a page", `<html>Not found</html>`, false},
		{"nothing", ``, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			endpoint := answering(t, variants()[0], nil, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, c.body)
			})
			report, err := endpoint.Poll(t.Context(), "1-2", "", oneDelete())
			if c.lost {
				require.NoError(t, err)
				require.Equal(t, platform.NotFound, report.Progress)
				require.NotEmpty(t, report.Error)
				return
			}
			failure := (*platform.Error)(nil)
			require.ErrorAs(t, err, &failure)
			require.Equal(t, platform.ScopeBatch, failure.Scope) // of this batch alone
		})
	}
}

func TestASkippedBatchNeedsNoName(t *testing.T) {
	t.Parallel()
	answers := make(chan string, 2)
	endpoint := answering(t, variants()[0], nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, <-answers)
	})
	answers <- `{"catalog_type":"RETAIL","batch_id":"1-2","created_time":null,"status":"PROCESSING"}`
	submission, err := endpoint.Submit(t.Context(), []byte(`{}`), "", oneDelete())
	require.NoError(t, err)
	require.Equal(t, platform.Skipped, submission.Verdicts[0].Outcome)

	answers <- `{"catalog_type":"RETAIL","batch_id":null,"created_time":null,"status":null}`
	_, err = endpoint.Submit(t.Context(), []byte(`{}`), "", oneDelete())
	failure := (*platform.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.Ambiguous, "nothing was taken")
	require.Equal(t, platform.ScopePlatform, failure.Scope, "it goes again, with other bytes")
}

func TestARefusedTokenIsReported(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusBadRequest} {
		var refused atomic.Int32
		endpoint := answering(t, variants()[0], func(s *platform.Settings) {
			s.TokenRefused = func(token string) {
				if token == "token" {
					refused.Add(1)
				}
			}
		}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"code":2,"message":"Authentication failed."}`)
		})
		_, err := endpoint.Submit(t.Context(), []byte(`{}`), "", oneDelete())
		require.Error(t, err)
		posted := refused.Load()
		require.Positive(t, posted, "HTTP %d", status)
		_, err = endpoint.Poll(t.Context(), "1", "", oneDelete())
		require.Error(t, err)
		require.Greater(t, refused.Load(), posted, "HTTP %d", status)
	}
}
