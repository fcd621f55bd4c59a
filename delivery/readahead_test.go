package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlowCountsTheLastSecond(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(milliseconds int) time.Time { return start.Add(time.Duration(milliseconds) * time.Millisecond) }
	var f flow
	require.Zero(t, f.perSecond(at(0)))
	f.add(5000, at(100))
	f.add(5000, at(900))
	require.Equal(t, 10_000, f.perSecond(at(950)))
	require.Equal(t, 10_000, f.perSecond(at(1200)), "the second before counts while this one is young")
	f.add(12_000, at(1300))
	require.Equal(t, 12_000, f.perSecond(at(1400)))
	require.Equal(t, 12_000, f.perSecond(at(2300)))
	require.Zero(t, f.perSecond(at(4400)), "it stands still")
}
