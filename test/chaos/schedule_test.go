package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func printed(seed uint64) string {
	var out bytes.Buffer
	printSchedule(&out, plan(seed, time.Minute, true))
	return out.String()
}

func TestTheScheduleFollowsFromTheSeed(t *testing.T) {
	t.Parallel()
	first, again, other := printed(7), printed(7), printed(8)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
}

// Every kind of fault comes in a run of ordinary length, nothing but the platforms
// is in trouble at first, and a store is restored after the copy was taken.
func TestTheScheduleHasEveryKind(t *testing.T) {
	t.Parallel()
	const duration = 3 * time.Minute
	for seed := range uint64(50) {
		var names []string
		for l, faults := range plan(seed, duration, true) {
			require.NotEmpty(t, faults)
			var last time.Duration
			for _, fault := range faults {
				require.GreaterOrEqual(t, fault.at, last)
				require.LessOrEqual(t, fault.at+fault.kind.lasts, duration)
				last = fault.at + fault.kind.lasts
				names = append(names, fault.kind.name)
				require.True(t, track(l) == platformTrack || fault.at >= calmTime(duration))
			}
		}
		for _, k := range allKinds(true) {
			require.Contains(t, names, k.name, "seed %d", seed)
		}
		for _, pair := range [][2]string{
			{"copy of Postgres taken", "Postgres restored from an older copy"},
			{"copy of the stream taken", "stream restored from an older copy"},
		} {
			taken, back := slices.Index(names, pair[0]), slices.Index(names, pair[1])
			require.GreaterOrEqual(t, taken, 0)
			require.Greater(t, back, taken+1)
		}
	}
}

func TestAShortTrialLosesOneStore(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		put := 0
		for _, fault := range plan(seed, 36*time.Second, false)[storeTrack] {
			if fault.kind.name == "Postgres restored from an older copy" || fault.kind.name == "stream restored from an older copy" {
				put++
			}
		}
		require.Equal(t, 1, put)
	}
}
