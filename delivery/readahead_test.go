package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlowCountsTheLastSeconds(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	var f throughput
	require.Zero(t, f.perSecond(at(0)))
	f.add(5000, at(0.1))
	require.Equal(t, 1000, f.perSecond(at(0.1)), "one large batch is a steady flow")
	f.add(5000, at(4.9))
	require.Equal(t, 2000, f.perSecond(at(4.9)))
	require.Equal(t, 2000, f.perSecond(at(6)), "the period before counts while this one is young")
	f.add(12_500, at(7))
	require.Equal(t, 2500, f.perSecond(at(7)))
	require.Equal(t, 2500, f.perSecond(at(12)))
	require.Zero(t, f.perSecond(at(24)), "it stands still")
}
