package batcher

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// CutItem takes the head of one item as a batch of its own, also when the item is
// delayed, its group is not due or its lane is paused. It returns false when nothing
// of the item waits in memory, its own record is in flight, or the other side of its
// family has an older change.
func (b *Batcher) CutItem(key catalog.ItemKey, now time.Time) (*Batch, bool) {
	b.now = nanos(now)
	it := b.waitingItem(key)
	if it == nil || it.inFlight != nil || b.blockedByLocalization(it) {
		return nil, false
	}
	b.detach(it)
	it.undelay()
	size := int(it.head.size)
	return &Batch{
		Lane: key.Lane, Group: it.lane.Group(it.head.change.Operation), Bytes: it.lane.Overhead + size,
		Records: []catalog.Record{b.takeHead(it)}, Reason: FlushAge,
	}, true
}

// Hasten ends the delay of an item: what waits may go as soon as its group is due.
// It reports whether something of the item waits in memory.
func (b *Batcher) Hasten(key catalog.ItemKey, now time.Time) bool {
	b.now = nanos(now)
	it := b.waitingItem(key)
	if it == nil {
		return false
	}
	b.detach(it)
	it.undelay()
	b.placeItem(it)
	return true
}

// Queued reports whether something of the lane waits for nothing but its batch.
func (b *Batcher) Queued(key catalog.Lane) bool {
	l := b.lanes[key]
	return l != nil && len(l.groups) > 0
}

func (b *Batcher) waitingItem(key catalog.ItemKey) *item {
	l := b.lanes[key.Lane]
	if l == nil {
		return nil
	}
	if it := l.find(key.ItemID, key.Localization); it != nil && it.waiting() {
		return it
	}
	return nil
}

// undelay forgets the delays of all that waits for the item, which is detached.
func (it *item) undelay() {
	it.head.undelay()
	for i := range it.rest {
		it.rest[i].undelay()
	}
}

func (e *entry) undelay() {
	e.notBefore = 0
	for _, m := range e.constituents {
		m.NotBefore = time.Time{}
	}
}
