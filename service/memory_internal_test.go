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
	require.EqualValues(t, atRest, memoryLimit(20*mib, 10*mib))
	require.EqualValues(t, (143+60)*mib+143*mib/2, memoryLimit(143*mib, 60*mib))
	require.EqualValues(t, (100+60)*mib+overLive, memoryLimit(100*mib, 60*mib))
}

// TestUsageCountsWhatIsBesides reads the runtime's own numbers.
func TestUsageCountsWhatIsBesides(t *testing.T) {
	t.Parallel()
	u := newUsage()
	u.read()
	require.Positive(t, u.besides())
	require.Less(t, u.besides(), int64(1<<30))
}
