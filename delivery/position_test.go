package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func at(sequence uint64) catalog.Position { return catalog.Position{Generation: 3, Sequence: sequence} }

func message(sequence uint64) catalog.Arrival {
	return catalog.Arrival{Mutation: &catalog.Mutation{
		Position: at(sequence), PublishedAt: time.Unix(int64(sequence), 0),
		Message: catalog.Message{Headers: []catalog.Header{{Name: "nats-msg-id", Value: "id"}}},
	}}
}

// packOf is a message with the lines from one to another, which is the last that is fresh.
func packOf(sequence uint64, from, to int) (lines []catalog.Arrival) {
	for n := from; n <= to; n++ {
		line := message(sequence)
		line.Mutation.Position.Line, line.More = n, n < to
		lines = append(lines, line)
	}
	return lines
}

func TestTrackerMovesOverWhatIsRecorded(t *testing.T) {
	t.Parallel()
	tracker := newTracker(ledger.Anchor{Position: at(10)})
	for _, sequence := range []uint64{12, 15, 16, 20} { // the rest is of other partitions
		tracker.saw(message(sequence))
	}
	ranges, moved := tracker.record([]catalog.Position{at(15), at(20)})
	require.Nil(t, moved)
	require.Equal(t, []ledger.Range{{First: 15, Last: 15}, {First: 20, Last: 20}}, ranges)

	ranges, moved = tracker.record([]catalog.Position{at(12)})
	require.Empty(t, ranges)
	require.Equal(t, &ledger.Anchor{Position: at(15), Time: time.Unix(15, 0), MessageID: "id"}, moved)

	_, moved = tracker.record([]catalog.Position{{Generation: 2, Sequence: 16}, at(12)})
	require.Nil(t, moved, "other generations and what lies behind count for nothing")
	require.False(t, tracker.follow(ledger.Anchor{Position: at(30)}), "something is not recorded")

	_, moved = tracker.record([]catalog.Position{at(16)})
	require.Equal(t, at(20), moved.Position)
	require.True(t, tracker.follow(ledger.Anchor{Position: at(30)}))
	require.False(t, tracker.follow(ledger.Anchor{Position: at(30)}))
	require.Zero(t, tracker.unrecorded())
}

// TestTrackerStaysBeforeAPackUntilAllItsLinesAreRecorded: what is recorded of it is told by
// line, so that the next owner skips that and no more.
func TestTrackerStaysBeforeAPackUntilAllItsLinesAreRecorded(t *testing.T) {
	t.Parallel()
	tracker := newTracker(ledger.Anchor{Position: at(10)})
	tracker.saw(message(11))
	for _, line := range packOf(12, 1, 4) {
		tracker.saw(line)
	}
	tracker.saw(message(13))
	line := func(n int) catalog.Position { return catalog.Position{Generation: 3, Sequence: 12, Line: n} }

	ranges, moved := tracker.record([]catalog.Position{at(11), line(1), line(2)})
	require.Equal(t, at(11), moved.Position)
	require.Equal(t, []ledger.Range{{First: 12, Last: 12, LastLine: 2}}, ranges)
	ranges, moved = tracker.record([]catalog.Position{line(4), at(13)})
	require.Nil(t, moved)
	require.Equal(t, []ledger.Range{{First: 12, Last: 13, FirstLine: 4}}, ranges)
	require.Equal(t, 5, tracker.unrecorded())
	require.False(t, tracker.follow(ledger.Anchor{Position: at(30)}))
	ranges, moved = tracker.record([]catalog.Position{line(3)})
	require.Equal(t, at(13), moved.Position)
	require.Empty(t, ranges)
	require.Zero(t, tracker.unrecorded())

	for _, line := range packOf(20, 3, 4) { // the others were recorded by the owner before
		tracker.saw(line)
	}
	_, moved = tracker.record([]catalog.Position{{Generation: 3, Sequence: 20, Line: 4}, {Generation: 3, Sequence: 20, Line: 3}})
	require.Equal(t, at(20), moved.Position)
}

// TestTrackerAgainstModel: whatever the order of recording, everything up to the
// anchor is recorded, the anchor is the last message all of whose lines are, and the ranges told
// name exactly what is recorded above it.
func TestTrackerAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tracker := newTracker(ledger.Anchor{Position: at(0)})
		var read []catalog.Position
		recorded := map[catalog.Position]bool{}
		told := map[catalog.Position]bool{}
		anchor, last := uint64(0), uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "read") {
				for range rapid.IntRange(1, 8).Draw(t, "messages") {
					last += rapid.Uint64Range(1, 3).Draw(t, "gap")
					lines := []catalog.Arrival{message(last)}
					if n := rapid.IntRange(0, 4).Draw(t, "lines"); n > 0 {
						lines = packOf(last, 1, n)
					}
					for _, line := range lines {
						tracker.saw(line)
						read = append(read, line.Mutation.Position)
					}
				}
				continue
			}
			if len(read) == 0 {
				continue
			}
			positions := make([]catalog.Position, rapid.IntRange(1, 12).Draw(t, "records"))
			for i := range positions {
				positions[i] = rapid.SampledFrom(read).Draw(t, "which")
			}
			ranges, moved := tracker.record(positions)
			for _, p := range positions {
				recorded[p] = true
			}
			if moved != nil {
				require.Greater(t, moved.Position.Sequence, anchor)
				anchor = moved.Position.Sequence
			}
			for _, r := range ranges {
				for _, place := range read {
					if r.Holds(place) {
						told[place] = true
					}
				}
			}
			checkTracker(t, tracker, read, recorded, told, anchor)
		}
	})
}

func checkTracker(t *rapid.T, tracker *tracker, read []catalog.Position, recorded, told map[catalog.Position]bool, anchor uint64) {
	want, open := uint64(0), false
	for i, place := range read {
		open = open || !recorded[place]
		isLast := i == len(read)-1 || read[i+1].Sequence != place.Sequence
		if isLast && !open {
			want = place.Sequence
		}
	}
	require.Equal(t, want, anchor)
	unrecorded := 0
	for _, place := range read {
		if place.Sequence > anchor {
			unrecorded++
			require.Equal(t, recorded[place], told[place], "%v", place)
		}
	}
	require.Equal(t, unrecorded, tracker.unrecorded())
}
