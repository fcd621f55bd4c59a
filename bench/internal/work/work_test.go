package work_test

import (
	"encoding/json"
	"testing"

	"github.com/catalog-courier/catalog-courier/message"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

// TestMessage: every entrant finds the id and the item in it, once, and the subject is one
// that the contract allows.
func TestMessage(t *testing.T) {
	t.Parallel()
	for _, number := range []int{0, 7, 123_456_789} {
		text := work.AppendMessage([]byte("before"), number)[len("before"):]
		require.Len(t, text, work.Size)
		var m struct {
			ID         string            `json:"id"`
			ItemID     string            `json:"item_id"`
			Operation  string            `json:"operation"`
			Attributes map[string]string `json:"attributes"`
		}
		require.NoError(t, json.Unmarshal(text, &m))
		require.Equal(t, work.ID(number), m.ID)
		require.Equal(t, work.ItemID(number), m.ItemID)
		require.Equal(t, "UPSERT", m.Operation)
		require.NotEmpty(t, m.Attributes["description"])
	}
	require.NotEqual(t, work.ID(1), work.ID(2))
	require.Less(t, work.ID(99), work.ID(100))
	for _, lane := range work.Lanes(2, 1) {
		_, problem := message.Subject(lane)
		require.Nil(t, problem)
		require.Positive(t, work.Limit(lane.Account))
	}
}
