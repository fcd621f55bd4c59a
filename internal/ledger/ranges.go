package ledger

import (
	"cmp"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Range is a closed interval of the stream, of one partition and generation, all of whose
// mutations of that partition are recorded.
type Range struct {
	First uint64 // the sequence of its first message
	Last  uint64 // the sequence of its last message
	// FirstLine is the line of the first message with which it begins, where that is a pack
	// whose lines before are not in it; 0: with the beginning of the message.
	FirstLine int
	// LastLine is the line of the last message with which it ends, where further lines of
	// the pack are not in it; 0: with the end of the message.
	LastLine int
}

// Holds reports whether a place is in the range; the generation is not looked at.
func (r Range) Holds(p catalog.Position) bool {
	return r.First <= p.Sequence && (r.First != p.Sequence || r.FirstLine <= max(p.Line, 1)) && !r.Behind(p)
}

// Behind reports whether the place comes after the whole range.
func (r Range) Behind(p catalog.Position) bool {
	return r.Last < p.Sequence || r.Last == p.Sequence && r.LastLine > 0 && r.LastLine < p.Line
}

// meets reports whether the other range, which begins no earlier, begins inside the range
// or right behind it.
func (r Range) meets(other Range) bool {
	switch {
	case other.First <= r.Last && (other.First < r.Last || r.LastLine == 0):
		return true
	case other.First == r.Last:
		return other.FirstLine <= r.LastLine+1
	default:
		return other.First == r.Last+1 && r.LastLine == 0 && other.FirstLine <= 1
	}
}

// reaches reports whether the range ends no earlier than the other one.
func (r Range) reaches(other Range) bool {
	return r.Last > other.Last || r.Last == other.Last && (r.LastLine == 0 || other.LastLine > 0 && other.LastLine <= r.LastLine)
}

// AppendRange adds a range to others in order, and joins it to the last of them where
// nothing is between them.
func AppendRange(ranges []Range, r Range) []Range {
	n := len(ranges)
	if n == 0 || !ranges[n-1].meets(r) {
		return append(ranges, r)
	}
	if last := &ranges[n-1]; !last.reaches(r) {
		last.Last, last.LastLine = r.Last, r.LastLine
	}
	return ranges
}

// JoinRanges sorts ranges and joins those that nothing is between.
func JoinRanges(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.FirstLine, b.FirstLine))
	})
	joined := ranges[:0]
	for _, r := range ranges {
		joined = AppendRange(joined, r)
	}
	return joined
}

// RangesAbove clips ranges to the messages after a sequence.
func RangesAbove(ranges []Range, sequence uint64) []Range {
	var clipped []Range
	for _, r := range ranges {
		if r.Last <= sequence {
			continue
		}
		if r.First <= sequence {
			r.First, r.FirstLine = sequence+1, 0
		}
		clipped = append(clipped, r)
	}
	return clipped
}

// RangesUpTo clips ranges to the messages up to a sequence.
func RangesUpTo(ranges []Range, sequence uint64) []Range {
	var clipped []Range
	for _, r := range ranges {
		if r.First > sequence {
			continue
		}
		if r.Last > sequence {
			r.Last, r.LastLine = sequence, 0
		}
		clipped = append(clipped, r)
	}
	return clipped
}
