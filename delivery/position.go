package delivery

import (
	"cmp"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// tracker knows which mutations of the partition were read and which of them
// are recorded, and so how far the position may move: up to the last message all of whose
// lines are. Transactions of a partition commit in order, so what an earlier one records counts
// for every later one.
type tracker struct {
	generation int64
	anchor     ledger.Anchor
	// read holds what was read above the anchor, in stream order. The first
	// message is never recorded whole.
	read []readMutation
	// head is the index of the first live element, so that popping is cheap.
	head int
}

// readMutation is what is kept of a mutation that was read: not its message, which may
// be large and recorded long before an older one is.
type readMutation struct {
	sequence  uint64
	time      time.Time
	messageID string
	line      int32
	more      bool // further lines of the message follow
	recorded  bool
}

func (r *readMutation) compare(position catalog.Position) int {
	return cmp.Or(cmp.Compare(r.sequence, position.Sequence), cmp.Compare(int(r.line), position.Line))
}

// anchor is that of the message.
func (r *readMutation) anchor(generation int64) ledger.Anchor {
	return ledger.Anchor{
		Position: catalog.Position{Generation: generation, Sequence: r.sequence}, Time: r.time, MessageID: r.messageID,
	}
}

func newTracker(anchor ledger.Anchor) *tracker {
	return &tracker{generation: anchor.Position.Generation, anchor: anchor}
}

// saw notes a mutation that was read.
func (t *tracker) saw(arrival catalog.Arrival) {
	m := arrival.Mutation
	if last := len(t.read) - 1; last >= t.head && t.read[last].sequence == m.Position.Sequence {
		// The lines of a pack have its time and id in common.
		read := t.read[last]
		read.line, read.more, read.recorded = int32(m.Position.Line), arrival.More, false //nolint:gosec // at most message.MaxPackLines
		t.read = append(t.read, read)
		return
	}
	anchor := ledger.AnchorOf(m)
	t.read = append(t.read, readMutation{
		sequence: m.Position.Sequence, time: anchor.Time, messageID: anchor.MessageID,
		line: int32(m.Position.Line), more: arrival.More, //nolint:gosec // at most message.MaxPackLines
	})
}

// unrecorded counts what was read and is not known to be recorded, or lies
// behind something that is not.
func (t *tracker) unrecorded() int { return len(t.read) - t.head }

// record marks the positions as recorded by the next transaction and returns
// what that transaction has to say: the ranges above the new anchor, and the
// anchor if it moved. Positions of other generations, or already behind the
// anchor, are left out: their rows exist.
func (t *tracker) record(positions []catalog.Position) (ranges []ledger.Range, moved *ledger.Anchor) {
	live := t.read[t.head:]
	marked := make([]int, 0, len(positions))
	for _, position := range positions {
		if position.Generation != t.generation {
			continue
		}
		i, found := slices.BinarySearchFunc(live, position, func(r readMutation, position catalog.Position) int { return r.compare(position) })
		if found && !live[i].recorded {
			live[i].recorded = true
			marked = append(marked, i)
		}
	}
	popped := 0 // whole messages only
	for i := 0; i < len(live) && live[i].recorded; i++ {
		if !live[i].more {
			popped = i + 1
		}
	}
	if popped > 0 {
		t.anchor = live[popped-1].anchor(t.generation)
		moved = &t.anchor
	}
	ranges = rangesAbove(live, marked, popped)
	t.pop(popped)
	if moved != nil {
		anchor := *moved
		moved = &anchor
	}
	return ranges, moved
}

// rangesAbove joins marked elements from index from on into ranges without a gap
// in what was read.
func rangesAbove(live []readMutation, marked []int, from int) []ledger.Range {
	slices.Sort(marked)
	var ranges []ledger.Range
	last := -2
	for _, i := range marked {
		if i < from {
			continue
		}
		read := &live[i]
		if i != last+1 {
			ranges = append(ranges, ledger.Range{First: read.sequence})
			if read.line > 1 {
				ranges[len(ranges)-1].FirstLine = int(read.line)
			}
		}
		r := &ranges[len(ranges)-1]
		if r.Last, r.LastLine = read.sequence, 0; read.more {
			r.LastLine = int(read.line)
		}
		last = i
	}
	return ranges
}

// startPolling moves the anchor of an idle partition to the stream's end. It reports
// whether it moved.
func (t *tracker) follow(anchor ledger.Anchor) bool {
	if t.unrecorded() > 0 || anchor.Position.Compare(t.anchor.Position) <= 0 {
		return false
	}
	t.anchor = anchor
	return true
}

func (t *tracker) pop(n int) {
	clear(t.read[t.head : t.head+n]) // let the ids go
	t.head += n
	if t.head == len(t.read) {
		t.read, t.head = t.read[:0], 0
	} else if t.head > 4096 && t.head > len(t.read)/2 {
		kept := copy(t.read, t.read[t.head:])
		clear(t.read[kept:])
		t.read, t.head = t.read[:kept], 0
	}
}
