package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func at(sequence uint64) catalog.Position { return catalog.Position{Generation: 3, Sequence: sequence} }

func message(sequence uint64) *catalog.Mutation {
	return &catalog.Mutation{
		Position: at(sequence), PublishedAt: time.Unix(int64(sequence), 0),
		Message: catalog.Message{Headers: []catalog.Header{{Name: "nats-msg-id", Value: "id"}}},
	}
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

// TestTrackerAgainstModel: whatever the order of recording, everything up to the
// anchor is recorded, the anchor is as far as it can be, and the ranges told name
// exactly what is recorded above it.
func TestTrackerAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tracker := newTracker(ledger.Anchor{Position: at(0)})
		var read []uint64
		recorded := map[uint64]bool{}
		told := map[uint64]bool{}
		anchor, last := uint64(0), uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "read") {
				for range rapid.IntRange(1, 8).Draw(t, "messages") {
					last += rapid.Uint64Range(1, 3).Draw(t, "gap")
					tracker.saw(message(last))
					read = append(read, last)
				}
				continue
			}
			if len(read) == 0 {
				continue
			}
			positions := make([]catalog.Position, rapid.IntRange(1, 12).Draw(t, "records"))
			for i := range positions {
				positions[i] = at(rapid.SampledFrom(read).Draw(t, "which"))
			}
			ranges, moved := tracker.record(positions)
			for _, p := range positions {
				recorded[p.Sequence] = true
			}
			if moved != nil {
				require.Greater(t, moved.Position.Sequence, anchor)
				anchor = moved.Position.Sequence
			}
			for _, r := range ranges {
				for _, sequence := range read {
					if sequence >= r.First && sequence <= r.Last {
						told[sequence] = true
					}
				}
			}
			checkTracker(t, tracker, read, recorded, told, anchor)
		}
	})
}

func checkTracker(t *rapid.T, tracker *tracker, read []uint64, recorded, told map[uint64]bool, anchor uint64) {
	first := slices.IndexFunc(read, func(sequence uint64) bool { return !recorded[sequence] })
	want := uint64(0)
	switch {
	case first < 0:
		want = read[len(read)-1]
	case first > 0:
		want = read[first-1]
	}
	require.Equal(t, want, anchor)
	unrecorded := 0
	for _, sequence := range read {
		if sequence > anchor {
			unrecorded++
			require.Equal(t, recorded[sequence], told[sequence], "%d", sequence)
		}
	}
	require.Equal(t, unrecorded, tracker.unrecorded())
}
