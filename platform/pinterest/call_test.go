package pinterest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
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
	s.BaseURL, s.HTTP, s.AdAccountID = server.URL+"/v5/", server.Client(), "549755885175"
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
