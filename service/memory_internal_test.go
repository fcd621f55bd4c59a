package service

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheLimitLeavesRoomForGarbage: what counts for the limit besides objects must not take the
// room for garbage. A thousand connections have 60 MiB of it, and the collector ran all the time.
func TestTheLimitLeavesRoomForGarbage(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct{ open, live, besides, least, most int64 }{
		{0, 20 * mib, 10 * mib, atRest, atRest},
		{0, 143 * mib, 60 * mib, (143+60)*mib + overLive, 300 * mib},
		{0, 400 * mib, 200 * mib, 600*mib + overLive, 700 * mib},
	} {
		limit := memoryLimit(test.open, test.live, test.besides)
		require.GreaterOrEqual(t, limit, test.least)
		require.LessOrEqual(t, limit, test.most)
	}
}

// TestUsageCountsWhatIsBesides reads the runtime's own numbers.
func TestUsageCountsWhatIsBesides(t *testing.T) {
	t.Parallel()
	u := newUsage()
	u.read()
	require.Positive(t, u.besides())
	require.Less(t, u.besides(), int64(1<<30))
}
