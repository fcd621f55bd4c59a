package trickle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLatencies(t *testing.T) {
	t.Parallel()
	ms := int64(time.Millisecond)
	var l Latency
	require.NoError(t, l.fill(
		map[string]int64{"a": 5 * ms, "b": 6 * ms, "lost": 7 * ms},
		map[string]int64{"a": 7 * ms, "b": 16 * ms, "warm-up": 90 * ms}))
	require.Equal(t, Latency{P50: 2, P90: 10, P99: 10, Most: 10, Missing: 1}, l)
	require.Error(t, (&Latency{}).fill(map[string]int64{"a": 1}, nil))
}
