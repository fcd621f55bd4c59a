package batcher

import (
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// unstoredList lists the items that have waiting mutations without a waiting row,
// by the time the first of them was received.
type unstoredList struct {
	first, last *item
	items       int
}

// note counts an arrival.
func (u *unstoredList) note(it *item, m *catalog.Mutation) {
	if it.unstored == 0 {
		it.unstoredSince = nanos(m.ReceivedAt)
		it.prevUnstored = u.last
		if u.last != nil {
			u.last.nextUnstored = it
		} else {
			u.first = it
		}
		u.last = it
		u.items++
		it.lane.unstored++
	}
	it.unstored++
}

// noteReturned counts a mutation that comes back: it is older than the arrivals,
// so that its item goes first.
func (u *unstoredList) noteReturned(it *item, m *catalog.Mutation) {
	if it.unstored > 0 {
		u.remove(it)
	}
	it.unstoredSince = nanos(m.ReceivedAt)
	it.nextUnstored = u.first
	if u.first != nil {
		u.first.prevUnstored = it
	} else {
		u.last = it
	}
	u.first = it
	u.items++
	it.lane.unstored++
	it.unstored++
}

// left uncounts mutations that no longer wait.
func (u *unstoredList) left(it *item, gone []*catalog.Mutation) {
	if it.unstored == 0 {
		return
	}
	for _, m := range gone {
		if !m.Stored {
			it.unstored--
		}
	}
	if it.unstored == 0 {
		u.remove(it)
	}
}

func (u *unstoredList) remove(it *item) {
	if it.prevUnstored != nil {
		it.prevUnstored.nextUnstored = it.nextUnstored
	} else {
		u.first = it.nextUnstored
	}
	if it.nextUnstored != nil {
		it.nextUnstored.prevUnstored = it.prevUnstored
	} else {
		u.last = it.prevUnstored
	}
	it.prevUnstored, it.nextUnstored = nil, nil
	u.items--
	it.lane.unstored--
}

// TakeUnstored finds mutations that wait without a waiting row, of items that have
// had one since before receivedBefore, at most limit, oldest first, and sets
// Stored: the caller writes their rows next. It includes newer ones of the same
// items, those behind an item in flight, and the arrivals of spilled lanes.
func (b *Batcher) TakeUnstored(receivedBefore time.Time, limit int) []*catalog.Mutation {
	var taken []*catalog.Mutation
	for _, l := range b.order {
		for len(taken) < limit && l.bufferTaken < len(l.buffer) {
			m := l.buffer[l.bufferTaken]
			if !m.ReceivedAt.Before(receivedBefore) {
				break
			}
			taken = append(taken, m)
			l.bufferTaken++
		}
	}
	before := nanos(receivedBefore)
	for it := b.unstored.first; it != nil && it.unstoredSince < before && len(taken) < limit; it = b.unstored.first {
		taken = it.appendUnstored(taken, limit-len(taken))
		if it.unstored == 0 {
			b.unstored.remove(it)
		}
	}
	return markStored(taken)
}

// markStored puts mutations in order and says that their waiting rows are being
// written.
func markStored(taken []*catalog.Mutation) []*catalog.Mutation {
	for _, m := range taken {
		m.Stored = true
	}
	slices.SortFunc(taken, func(a, b *catalog.Mutation) int { return a.Position.Compare(b.Position) })
	return taken
}

// appendUnstored takes the oldest unstored mutations of an item, at most limit, and
// uncounts them. They are looked for from the end: those stored are the older ones.
func (it *item) appendUnstored(taken []*catalog.Mutation, limit int) []*catalog.Mutation {
	start, left := len(taken), int(it.unstored)
	for i := len(it.rest); i >= 0 && left > 0; i-- {
		e := &it.head
		if i > 0 {
			e = &it.rest[i-1]
		}
		for j := len(e.constituents) - 1; j >= 0 && left > 0; j-- {
			if m := e.constituents[j]; !m.Stored {
				taken = append(taken, m)
				left--
			}
		}
	}
	slices.Reverse(taken[start:])
	if len(taken)-start > limit {
		taken = taken[:start+limit] // the item keeps its place: the rest goes first next time
	}
	it.unstored -= int32(len(taken) - start) //nolint:gosec // G115: at most it.unstored
	return taken
}
