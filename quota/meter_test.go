package quota

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/platform"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// TestHistoryCountsAWindow: never fewer than the calls within the window, nor more
// than those within a window and a slot.
func TestHistoryCountsAWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const window = time.Minute
		h := history{slot: window / historySlots}
		now := start.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start")))
		calls := make([]time.Time, 0, 200)
		counted := func(window time.Duration) (n int) {
			for _, at := range calls {
				if at.After(now.Add(-window)) {
					n++
				}
			}
			return n
		}
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			if rapid.IntRange(0, 30).Draw(t, "long pause") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "length")))
			}
			before := h.total
			require.Equal(t, before, h.advance(now)+h.total)
			h.add()
			calls = append(calls, now)
			require.GreaterOrEqual(t, h.total, counted(window))
			require.LessOrEqual(t, h.total, counted(window+h.slot))
			if leaves := h.leaves(); rapid.IntRange(0, 9).Draw(t, "wait") == 0 {
				h.advance(leaves.Add(-1))
				total := h.total
				require.Positive(t, h.advance(leaves), "the oldest leaves when it is said to")
				require.Less(t, h.total, total)
				now = leaves
			}
		}
	})
}

// TestMeterKeepsItsLimit: whenever calls are made as soon as the meter allows them,
// no window ever has more than the limit, and no more than a little is left unused.
func TestMeterKeepsItsLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 3600).Draw(t, "window")) * time.Second
		limit := rapid.IntRange(4, 300).Draw(t, "limit")
		m := newMeter(window, start)
		m.tell(platform.Quota{Limit: limit, Remaining: -1, UsedPercent: -1, Window: window}, 0, start)
		now, last := start, time.Time{}
		calls := make([]time.Time, 0, 5*limit)
		for range 5 * limit {
			for tries := 0; ; tries++ {
				next := m.next(now, last)
				if !next.After(now) {
					break
				}
				require.Less(t, tries, 100, "it says when to come")
				now = next
			}
			m.called(now)
			last = now
			calls = append(calls, now)
			if n := len(calls); n > limit {
				require.Greater(t, now.Sub(calls[n-1-limit]), window, "call %d", n)
			}
		}
		require.Less(t, now.Sub(start), 6*window+window*5/time.Duration(limit), "it gets through")
	})
}

// TestMeterWithoutACause: a quota that others use up is tried again, seldom.
func TestMeterWithoutACause(t *testing.T) {
	t.Parallel()
	m := newMeter(time.Hour, start)
	m.called(start)
	m.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: 100, Window: time.Hour}, 0, start)
	require.Equal(t, start.Add(5*time.Minute), m.next(start.Add(time.Minute), start))
	later := start.Add(5 * time.Minute)
	require.False(t, m.next(later, start).After(later))
	m.called(later)
	require.Equal(t, start.Add(10*time.Minute), m.next(later, later))
	m.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: 10, Window: time.Hour}, 0, later)
	require.Zero(t, m.next(later, later))
}

// TestOlderAnswerDoesNotGiveQuotaBack: answers of calls made at the same time may
// come in any order.
func TestOlderAnswerDoesNotGiveQuotaBack(t *testing.T) {
	t.Parallel()
	m := newMeter(time.Hour, start)
	told := func(remaining int) platform.Quota {
		return platform.Quota{Limit: 10, Remaining: remaining, UsedPercent: -1, Window: time.Hour, Reset: time.Minute}
	}
	m.tell(told(0), 0, start)
	m.tell(told(1), 0, start.Add(time.Millisecond))
	now := start.Add(time.Second)
	require.InDelta(t, float64(59*time.Second), float64(m.next(now, start).Sub(now)), float64(time.Second))
	now = start.Add(time.Minute)
	require.False(t, m.next(now, start).After(now), "the window began again")
}

// TestQuotaIsHeardFromOthers: what one worker was told, another, or the next owner,
// goes by.
func TestQuotaIsHeardFromOthers(t *testing.T) {
	t.Parallel()
	one, other := &scope{}, &scope{}
	require.Nil(t, one.snapshot(), "nothing was told")
	one.tell(platform.Quota{Limit: 100, Remaining: 3, UsedPercent: 97, Window: time.Minute, Reset: 40 * time.Second}, start)
	now := start.Add(10 * time.Second)
	other.mergeSnapshot(one.snapshot(), now)
	require.Equal(t, 3, other.quota.Remaining)
	require.Equal(t, 30*time.Second, other.quota.Reset)

	newer := platform.Quota{Limit: 100, Remaining: 1, UsedPercent: 99, Window: time.Minute, Reset: 20 * time.Second}
	other.tell(newer, now)
	other.mergeSnapshot(one.snapshot(), now)
	require.Equal(t, newer, other.quota, "what is older says nothing")
	late := &scope{}
	late.mergeSnapshot(one.snapshot(), start.Add(time.Minute))
	require.True(t, late.told.IsZero(), "the window is over")
	late.mergeSnapshot([]byte("{"), now)
	require.True(t, late.told.IsZero())
}

// TestANewOwnerLooksAgainNoLater: a used up quota of whose end nothing was told is tried again
// by when it was told, not by when the next owner heard of it. Owners that follow each other
// quickly would never send else.
func TestANewOwnerLooksAgainNoLater(t *testing.T) {
	t.Parallel()
	one, other := &scope{}, &scope{}
	one.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: 100, Window: time.Hour}, start)
	again := one.next(start)
	require.Equal(t, start.Add(5*time.Minute), again)
	now := start.Add(3 * time.Minute)
	other.mergeSnapshot(one.snapshot(), now)
	require.Equal(t, again, other.next(now))
}

// TestTheEndOfABlockIsHeardFromOthers: the next owner tries again when the platform
// said, not when a whole window is over.
func TestTheEndOfABlockIsHeardFromOthers(t *testing.T) {
	t.Parallel()
	one, other := &scope{}, &scope{}
	one.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: 100, Window: time.Hour, Block: time.Minute}, start)
	now := start.Add(10 * time.Second)
	other.mergeSnapshot(one.snapshot(), now)
	require.True(t, other.next(now).After(now))
	now = start.Add(time.Minute)
	require.False(t, other.next(now).After(now))
	late := &scope{}
	late.mergeSnapshot(one.snapshot(), now)
	require.True(t, late.told.IsZero(), "the block is over")
}

// TestMeterDoubtsAFalseAlarm: a quota that is told to be used up after a few calls that
// used little of it is tried again within a twelfth of its window.
func TestMeterDoubtsAFalseAlarm(t *testing.T) {
	t.Parallel()
	for _, calls := range []int{1, 3, 12, 40} {
		m := newMeter(time.Hour, start)
		now := start
		for i := range calls {
			now = now.Add(10 * time.Second)
			m.called(now)
			m.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: float64((i + 1) / 10)}, 0, now)
		}
		m.called(now)
		m.tell(platform.Quota{Limit: -1, Remaining: -1, UsedPercent: 100}, 0, now)
		require.LessOrEqual(t, m.next(now, now).Sub(now), 5*time.Minute, "%d calls", calls)
	}
}

// TestAMeterIsTheSameHoweverOftenItIsAsked: who makes calls as soon as the meter allows them
// makes as many of them in the same time, but for one and a slot of the window, however that
// time is cut into looks.
func TestAMeterIsTheSameHoweverOftenItIsAsked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 3600).Draw(t, "window")) * time.Second
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		told := rapid.SampledFrom([]string{"limit", "count", "count and reset", "percent", "percent and block"}).Draw(t, "told")
		others := rapid.IntRange(0, limit).Draw(t, "calls of others at first")
		looks := time.Duration(rapid.Int64Range(int64(window/100), int64(window)).Draw(t, "look again after"))
		seldom, often := make([]time.Time, 0, 60), make([]time.Time, 0, 60)
		for _, look := range []time.Duration{0, looks} {
			m := newMeter(window, start)
			now, calls := start, make([]time.Time, 0, 60)
			last := time.Time{}
			for len(calls) < cap(calls) {
				for tries := 0; ; tries++ {
					next := m.next(now, last)
					if !next.After(now) {
						break
					}
					require.Less(t, tries, 10_000, "it says when to come")
					if look > 0 && next.Sub(now) > look {
						next = now.Add(look)
					}
					now = next
				}
				m.called(now)
				last = now
				calls = append(calls, now)
				used := 0
				for _, at := range calls {
					if at.After(now.Add(-window)) {
						used++
					}
				}
				if now.Sub(start) < window {
					used += others
				}
				m.tell(toldOf(told, limit, min(used, limit), window), 0, now)
			}
			seldom, often = often, calls
		}
		// What leaves the window leaves by slots of it.
		slot := window / historySlots
		for i := 1; i+1 < len(seldom); i++ {
			require.False(t, seldom[i].After(often[i+1].Add(slot)), "call %d: %v after the first, and %v where it is asked often", i, seldom[i].Sub(start), often[i].Sub(start))
			require.False(t, often[i].After(seldom[i+1].Add(slot)), "call %d: %v after the first, and %v where it is asked often", i, seldom[i].Sub(start), often[i].Sub(start))
		}
	})
}

// toldOf is what a platform tells of a quota of which so much is used.
func toldOf(kind string, limit, used int, window time.Duration) platform.Quota {
	quota := platform.Quota{Limit: -1, Remaining: -1, UsedPercent: -1, Window: window}
	switch kind {
	case "limit":
		quota.Limit = limit
	case "count":
		quota.Limit, quota.Remaining = limit, limit-used
	case "count and reset":
		quota.Limit, quota.Remaining, quota.Reset = limit, limit-used, window
	case "percent and block":
		if used == limit {
			quota.Block = window / 6
		}
		fallthrough
	default:
		quota.UsedPercent = float64(100 * used / limit)
	}
	return quota
}

// TestACallIsTakenBackInALaterSlot: the time may move on between a call and the news that it
// was not made.
func TestACallIsTakenBackInALaterSlot(t *testing.T) {
	t.Parallel()
	m := newMeter(time.Minute, start)
	m.called(start)
	m.advance(start.Add(10 * time.Second))
	m.uncalled()
	require.Zero(t, m.own.total)
	require.Zero(t, m.since)
}
