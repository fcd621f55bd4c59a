package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// TestBatchIDsFollowTheClockBack: after the clock was ahead, ids are of the right day
// again at once.
func TestBatchIDsFollowTheClockBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	seen := map[uuid.UUID]bool{}
	for _, at := range []time.Time{now, now.AddDate(0, 0, 95), now, now.Add(-time.Hour), now.AddDate(0, 0, -95), now, now} {
		id := ledger.NewBatchID(at)
		require.Equal(t, uuid.Version(7), id.Version())
		require.Equal(t, uuid.RFC4122, id.Variant())
		seconds, nanoseconds := id.Time().UnixTime()
		require.Equal(t, at.UnixMilli(), time.Unix(seconds, nanoseconds).UnixMilli())
		require.False(t, seen[id])
		seen[id] = true
	}
}
