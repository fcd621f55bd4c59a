package apart

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

// TestItemsOfABody: an item is counted once, in the forms of all programs.
func TestItemsOfABody(t *testing.T) {
	t.Parallel()
	peer := `{"item_type":"RETAIL","requests":[{"method":"UPSERT","item_id":"SKU-1","attributes":{"title":"a SKU-9"}},{"method":"UPSERT","item_id":"SKU-20","attributes":{}}]}`
	meta := `{"requests":[{"method":"UPDATE","data":{"id":"SKU-1","title":"a"}},{"method":"UPDATE","data":{"id": "SKU-20"}}]}`
	for _, body := range []string{peer, meta} {
		require.Equal(t, 2, CountItems([]byte(body)))
		require.Equal(t, []string{"SKU-1", "SKU-20"}, ItemsOf([]byte(body)))
	}
	for _, body := range []string{"", "{}", `"SKU-cut`} {
		require.Empty(t, ItemsOf([]byte(body)))
	}
	for _, number := range []int{0, 1234} { // the mark is in no other member of what is published
		require.Equal(t, []string{work.ItemID(number)}, ItemsOf(work.AppendMessage(nil, number)))
	}
}

// TestReceiptsForgetTimesOfBacklogs: only small batches are timed.
func TestReceiptsForgetTimesOfBacklogs(t *testing.T) {
	t.Parallel()
	r := NewReceipts()
	var backlog []byte
	for number := range MaxTimed + 1 {
		backlog = work.AppendMessage(backlog, number)
	}
	require.Equal(t, 1, r.Note(backlog, 1))
	require.Empty(t, r.received)
	r.Note([]byte(`"SKU-1"`), 2)
	require.Equal(t, 3, r.Note([]byte(`"SKU-1"`), 3))
	require.Equal(t, map[string]int64{"SKU-1": 2}, r.received)
	r.Refuse()
	require.Equal(t, Counts{Posts: 3, Items: MaxTimed + 3, Refused: 1}, r.counts)
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

func TestLoad(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 7.37, parseLoad("7.37 12.15 9.25 4/512 4711\n"), 0)
	require.Zero(t, parseLoad(""))
	require.Zero(t, parseLoad("much"))
}

// TestClock: it is the time that getrusage tells of this process.
func TestClock(t *testing.T) {
	t.Parallel()
	before, err := UsedHere()
	require.NoError(t, err)
	now, err := Clock(os.Getpid())
	require.NoError(t, err)
	after, err := UsedHere()
	require.NoError(t, err)
	const tick = 10 * time.Millisecond // of getrusage, where the kernel counts so
	require.GreaterOrEqual(t, now, before-tick)
	require.LessOrEqual(t, now, after+tick)
}
