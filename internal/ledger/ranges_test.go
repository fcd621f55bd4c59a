package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestRangesAreSetsOfPlaces compares ranges with the places that they name, in a stream in
// which some messages are packs.
func TestRangesAreSetsOfPlaces(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var places []catalog.Position
		lines := make([]int, 7) // of each message; 0: one of its own
		for sequence := 1; sequence <= 6; sequence++ {
			lines[sequence] = random.IntN(4)
			for line := min(lines[sequence], 1); line <= lines[sequence]; line++ {
				places = append(places, catalog.Position{Sequence: uint64(sequence), Line: line})
			}
		}
		recorded := map[catalog.Position]bool{}
		ranges := make([]Range, 0, 5)
		for range random.IntN(5) {
			from := random.IntN(len(places))
			to := from + random.IntN(min(4, len(places)-from))
			first, last := places[from], places[to]
			r := Range{First: first.Sequence, Last: last.Sequence, FirstLine: first.Line, LastLine: last.Line}
			if last.Line == lines[last.Sequence] && random.IntN(3) > 0 {
				r.LastLine = 0
			}
			if first.Line == 1 && random.IntN(3) > 0 {
				r.FirstLine = 0
			}
			ranges = append(ranges, r)
			for _, place := range places[from : to+1] {
				recorded[place] = true
			}
		}
		within := func(ranges []Range, place catalog.Position) (inside bool) {
			for _, r := range ranges {
				inside = inside || r.Holds(place)
				require.False(t, r.Holds(place) && r.Behind(place))
			}
			return inside
		}
		joined := JoinRanges(append([]Range(nil), ranges...))
		cut := uint64(random.IntN(7))
		above, upTo := RangesAbove(joined, cut), RangesUpTo(joined, cut)
		for _, place := range places {
			require.Equal(t, recorded[place], within(ranges, place), "%v in %v", place, ranges)
			require.Equal(t, recorded[place], within(joined, place), "%v in %v of %v", place, joined, ranges)
			require.Equal(t, recorded[place] && place.Sequence > cut, within(above, place))
			require.Equal(t, recorded[place] && place.Sequence <= cut, within(upTo, place))
		}
		require.LessOrEqual(t, len(joined), len(ranges))
	}
	require.Equal(t, []Range{{First: 1, Last: 5}}, JoinRanges([]Range{{First: 3, Last: 5}, {First: 1, Last: 2}}))
	require.Equal(t, []Range{{First: 1, Last: 3}}, JoinRanges([]Range{{First: 2, Last: 3, FirstLine: 2}, {First: 1, Last: 2, LastLine: 1}}))
	require.Len(t, JoinRanges([]Range{{First: 2, Last: 2, LastLine: 1}, {First: 3, Last: 3}}), 2, "whether the pack has a second line is not known")
}
