package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/bench/peers/work"
)

// TestItemsOfABody: an item is counted once, in the forms of all entrants.
func TestItemsOfABody(t *testing.T) {
	t.Parallel()
	peer := `{"item_type":"RETAIL","requests":[{"method":"UPSERT","item_id":"SKU-1","attributes":{"title":"a SKU-9"}},{"method":"UPSERT","item_id":"SKU-20","attributes":{}}]}`
	meta := `{"requests":[{"method":"UPDATE","data":{"id":"SKU-1","title":"a"}},{"method":"UPDATE","data":{"id": "SKU-20"}}]}`
	for _, body := range []string{peer, meta} {
		require.Equal(t, 2, countItems([]byte(body)))
		require.Equal(t, []string{"SKU-1", "SKU-20"}, itemsOf([]byte(body)))
	}
	for _, body := range []string{"", "{}", `"SKU-cut`} {
		require.Empty(t, itemsOf([]byte(body)))
	}
	for _, number := range []int{0, 1234} { // the mark is in no other member of what is published
		require.Equal(t, []string{work.ItemID(number)}, itemsOf(work.AppendMessage(nil, number)))
	}
}

func TestSinkCounts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newSink())
	defer server.Close()
	s := &servers{sinkURL: server.URL}
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

	var got counts
	require.NoError(t, s.ask(t.Context(), "/counts", &got))
	require.Equal(t, counts{Posts: 3, Items: 5}, got)
	received := map[string]int64{}
	require.NoError(t, s.ask(t.Context(), "/received", &received))
	require.Len(t, received, 4) // an item that came twice has the time of the first
	require.LessOrEqual(t, received["SKU-1"], received["SKU-4"])
	require.Error(t, s.ask(t.Context(), "/nothing", &got))
}

// TestSinkForgetsTimesOfBacklogs: only small batches are timed.
func TestSinkForgetsTimesOfBacklogs(t *testing.T) {
	t.Parallel()
	s := newSink()
	items := make([]string, maxTimed+1)
	require.Equal(t, "h-1", s.note(len(items), items, 1))
	require.Empty(t, s.received)
	s.note(1, []string{"SKU-1"}, 2)
	s.note(1, []string{"SKU-1"}, 3)
	require.Equal(t, map[string]int64{"SKU-1": 2}, s.received)
	require.Equal(t, counts{Posts: 3, Items: maxTimed + 3}, s.counts)
}

func TestSizeOf(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "a/b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "one"), make([]byte, 7), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a/b/two"), make([]byte, 5), 0o600))
	size, err := sizeOf(folder)
	require.NoError(t, err)
	require.EqualValues(t, 12, size)
	_, err = sizeOf(filepath.Join(folder, "nothing"))
	require.Error(t, err)
}
