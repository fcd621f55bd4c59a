package batcher

import (
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// unpersistedList lists the items that have waiting mutations without a waiting row,
// by the time the first of them was received.
type unpersistedList struct {
	first, last *item
	items       int
}

// note counts an arrival.
func (u *unpersistedList) note(it *item, m *catalog.Mutation) {
	if it.unpersisted == 0 {
		it.unpersistedSince = nanos(m.ReceivedAt)
		it.prevUnpersisted = u.last
		if u.last != nil {
			u.last.nextUnpersisted = it
		} else {
			u.first = it
		}
		u.last = it
		u.items++
		it.lane.unpersisted++
	}
	it.unpersisted++
}

// noteReturned counts a mutation that comes back: it is older than the arrivals,
// so that its item goes first.
func (u *unpersistedList) noteReturned(it *item, m *catalog.Mutation) {
	if it.unpersisted > 0 {
		u.remove(it)
	}
	it.unpersistedSince = nanos(m.ReceivedAt)
	it.nextUnpersisted = u.first
	if u.first != nil {
		u.first.prevUnpersisted = it
	} else {
		u.last = it
	}
	u.first = it
	u.items++
	it.lane.unpersisted++
	it.unpersisted++
}

// left uncounts mutations that no longer wait.
func (u *unpersistedList) left(it *item, gone []*catalog.Mutation) {
	if it.unpersisted == 0 {
		return
	}
	for _, m := range gone {
		if !m.HasWaitingRow {
			it.unpersisted--
		}
	}
	if it.unpersisted == 0 {
		u.remove(it)
	}
}

func (u *unpersistedList) remove(it *item) {
	if it.prevUnpersisted != nil {
		it.prevUnpersisted.nextUnpersisted = it.nextUnpersisted
	} else {
		u.first = it.nextUnpersisted
	}
	if it.nextUnpersisted != nil {
		it.nextUnpersisted.prevUnpersisted = it.prevUnpersisted
	} else {
		u.last = it.prevUnpersisted
	}
	it.prevUnpersisted, it.nextUnpersisted = nil, nil
	u.items--
	it.lane.unpersisted--
}

// TakeUnpersisted finds mutations that wait without a waiting row, of items that have
// had one since before receivedBefore, at most limit, oldest first, and sets
// HasWaitingRow from now on: the caller writes their rows next. It includes newer ones of the same
// items, those behind an item in flight, and the arrivals of spilled lanes.
func (b *Batcher) TakeUnpersisted(receivedBefore time.Time, limit int) []*catalog.Mutation {
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
	for it := b.unpersisted.first; it != nil && it.unpersistedSince < before && len(taken) < limit; it = b.unpersisted.first {
		taken = it.appendUnpersisted(taken, limit-len(taken))
		if it.unpersisted == 0 {
			b.unpersisted.remove(it)
		}
	}
	return markPersisted(taken)
}

// markPersisted puts mutations in order and says that their waiting rows are being
// written.
func markPersisted(taken []*catalog.Mutation) []*catalog.Mutation {
	for _, m := range taken {
		m.HasWaitingRow = true
	}
	slices.SortFunc(taken, func(a, b *catalog.Mutation) int { return a.Position.Compare(b.Position) })
	return taken
}

// appendUnpersisted takes the oldest unpersisted mutations of an item, at most limit, and
// uncounts them. They are looked for from the end: those stored are the older ones.
func (it *item) appendUnpersisted(taken []*catalog.Mutation, limit int) []*catalog.Mutation {
	start, left := len(taken), int(it.unpersisted)
	for i := len(it.rest); i >= 0 && left > 0; i-- {
		e := &it.head
		if i > 0 {
			e = &it.rest[i-1]
		}
		for j := len(e.constituents) - 1; j >= 0 && left > 0; j-- {
			if m := e.constituents[j]; !m.HasWaitingRow {
				taken = append(taken, m)
				left--
			}
		}
	}
	slices.Reverse(taken[start:])
	if len(taken)-start > limit {
		taken = taken[:start+limit] // the item keeps its place: the rest goes first next time
	}
	it.unpersisted -= int32(len(taken) - start) //nolint:gosec // G115: at most it.unpersisted
	return taken
}
