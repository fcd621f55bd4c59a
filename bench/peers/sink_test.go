package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/stretchr/testify/require"
)

func TestSinkCounts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newSink())
	defer server.Close()
	s := &apart.Servers{PlatformsURL: server.URL}
	send := func(method, path, body string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		response, err := server.Client().Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(text)
	}
	require.JSONEq(t, `{"handle":"h-1"}`, send(http.MethodPost, "/peer/meta-0", `[{"item_id":"SKU-1"},{"item_id":"SKU-2"}]`))
	require.Contains(t, send(http.MethodPost, "/meta/v1/1000/items_batch", `{"id":"SKU-3"}`), `"handles":["h-2"]`)
	require.Contains(t, send(http.MethodPost, "/pinterest/v5/catalogs/items/batch", `[{"item_id":"SKU-4"},{"item_id":"SKU-1"}]`), `"batch_id":"h-3"`)
	// Polls are answered, and are not POSTs.
	require.Contains(t, send(http.MethodGet, "/meta/v1/1000/check_batch_request_status?handle=h-2", ""), `"status":"finished"`)
	polled := send(http.MethodGet, "/pinterest/v5/catalogs/items/batch/h-3", "")
	require.Contains(t, polled, `"COMPLETED"`)
	require.Contains(t, polled, `{"item_id":"SKU-4","status":"SUCCESS"`)
	require.Contains(t, polled, `{"item_id":"SKU-1","status":"SUCCESS"`)

	got, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, apart.Counts{Posts: 3, Items: 5}, got)
	received, err := s.Received(t.Context())
	require.NoError(t, err)
	require.Len(t, received, 4) // an item that came twice has the time of the first
	require.LessOrEqual(t, received["SKU-1"], received["SKU-4"])
	s.PlatformsURL += "/nothing"
	_, err = s.Counts(t.Context())
	require.Error(t, err)
}
