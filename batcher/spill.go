package batcher

import (
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Spill forgets all that waits in the lane, because waiting rows have it or will:
// it returns what has none yet, oldest first, now marked Stored, to be written
// before anything is loaded. Until the rows are loaded, arrivals are only
// buffered. What is in flight stays so. Spilling a spilled lane starts loading
// again.
func (b *Batcher) Spill(key catalog.Lane) []*catalog.Mutation {
	l := b.lanes[key]
	if l == nil {
		return nil
	}
	floor, known := l.floor, l.spilled
	if known && floor.Compare(l.cursor) < 0 {
		floor = l.cursor
	}
	l.spilled = true
	l.cursor = catalog.Position{}
	var unpersisted []*catalog.Mutation
	l.items(func(it *item) {
		if !it.waiting() {
			return
		}
		if oldest := it.head.oldest(); !known || oldest.Compare(floor) < 0 {
			floor, known = oldest, true
		}
		b.detach(it)
		if it.unpersisted > 0 {
			unpersisted = it.appendUnpersisted(unpersisted, int(it.unpersisted))
			b.unpersisted.remove(it)
		}
		b.charge(l, -it.count(), -it.cost())
		it.takeAll()
		b.placeItem(it)
	})
	l.floor = floor
	return markPersisted(unpersisted)
}

// SpilledAtStart marks a lane whose waiting rows a new owner found as spilled.
func (b *Batcher) SpilledAtStart(key catalog.Lane) {
	if l := b.lanes[key]; l != nil {
		l.spilled = true
	}
}

// Spilled reports whether the lane has waiting rows that are not in memory.
func (b *Batcher) Spilled(key catalog.Lane) bool {
	l := b.lanes[key]
	return l != nil && l.spilled
}

// SpilledLanes lists the spilled lanes, in the order they were made known.
func (b *Batcher) SpilledLanes() []catalog.Lane {
	var spilled []catalog.Lane
	for _, l := range b.order {
		if l.spilled {
			spilled = append(spilled, l.Key)
		}
	}
	return spilled
}

// LoadCursor is the position after which the next page of a spilled lane starts.
func (b *Batcher) LoadCursor(key catalog.Lane) catalog.Position {
	if l := b.lanes[key]; l != nil {
		return l.cursor
	}
	return catalog.Position{}
}

// Load takes a page of the lane's waiting rows, oldest first, that was read above
// after. A page that does not start at the cursor is ignored: the lane was spilled
// again since it was asked for, or older rows came to light. Rows that are in memory already are skipped.
// With the last page (more is false) the buffered arrivals follow and the lane is
// no longer spilled. It returns the mutations that no request can carry any more
// (caps may have shrunk since they were stored); they were not taken.
//
// Rows written by earlier transactions must be in the page, and their Stored must
// have been called: order rests on it.
func (b *Batcher) Load(key catalog.Lane, after catalog.Position, page []*catalog.Mutation, more bool, now time.Time) (tooLarge []*catalog.Mutation) {
	l := b.lanes[key]
	if l == nil || !l.spilled || after != l.cursor {
		return nil
	}
	b.now = nanos(now)
	for _, m := range page {
		if l.cursor.Compare(m.Position) < 0 {
			l.cursor = m.Position
		}
		if it := l.find(m.ItemID, m.Localization); it != nil && it.knows(m.Position) {
			continue
		}
		m.HasWaitingRow = true
		loaded := l.single(m)
		if !l.fits(loaded.size) {
			tooLarge = append(tooLarge, m)
			continue
		}
		if l.Overtaken(m) {
			continue
		}
		b.insert(l, m, loaded)
	}
	if !more {
		b.unspill(l)
	}
	b.wakeAll(l)
	return tooLarge
}

// unspill lets the buffered arrivals follow what was loaded.
func (b *Batcher) unspill(l *lane) {
	l.spilled = false
	l.cursor, l.floor = catalog.Position{}, catalog.Position{}
	buffer := l.buffer
	l.buffer, l.bufferTaken = nil, 0
	for _, m := range buffer {
		if it := l.find(m.ItemID, m.Localization); it != nil && it.knows(m.Position) {
			b.charge(l, -1, -cost(m))
			continue
		}
		added := l.single(m)
		b.charge(l, -1, -added.cost())
		if !l.Overtaken(m) {
			b.insert(l, m, added)
		}
	}
}

// MarkPersisted tells that the waiting rows of the mutations are committed: buffered
// arrivals of spilled lanes among them can be forgotten, as loading will find them.
func (b *Batcher) MarkPersisted(ms []*catalog.Mutation) {
	for len(ms) > 0 {
		l := b.lanes[ms[0].Lane]
		newest := ms[0].Position
		same := 1
		for same < len(ms) && ms[same].Lane == ms[0].Lane {
			if newest.Compare(ms[same].Position) < 0 {
				newest = ms[same].Position
			}
			same++
		}
		if l != nil && l.spilled {
			b.forgetBuffered(l, newest)
		}
		ms = ms[same:]
	}
}

// forgetBuffered forgets buffered arrivals that were given out to be stored, up to
// the position. They are given out in order, so that one that is committed means
// that all before it are. After a take-over an arrival may be older than rows that
// are loaded already (its predecessor had not come to record it): loading goes
// back for it.
func (b *Batcher) forgetBuffered(l *lane, upTo catalog.Position) {
	gone := 0
	for gone < l.bufferTaken && l.buffer[gone].Position.Compare(upTo) <= 0 {
		m := l.buffer[gone]
		if m.Position.Compare(l.cursor) <= 0 {
			l.cursor = m.Position.Before()
		}
		if m.Position.Compare(l.floor) < 0 {
			l.floor = m.Position
		}
		b.charge(l, -1, -cost(m))
		l.buffer[gone] = nil
		gone++
	}
	l.bufferTaken -= gone
	l.buffer = l.buffer[gone:]
	if len(l.buffer) == 0 {
		l.buffer = nil
	}
}

// Drop forgets mutations of a lane without a way out, of items whose oldest one was
// received before the time, and returns them; it stops once it has limit. Buffered
// arrivals of a spilled lane have to be loaded first.
func (b *Batcher) Drop(key catalog.Lane, receivedBefore time.Time, limit int) []*catalog.Mutation {
	l := b.lanes[key]
	if l == nil {
		return nil
	}
	before := nanos(receivedBefore)
	var dropped []*catalog.Mutation
	for _, g := range l.groups {
		for len(dropped) < limit {
			it := g.front()
			if it == nil || it.oldest() >= before {
				break
			}
			b.detach(it)
			for it.waiting() && it.oldest() < before {
				head := it.pop()
				b.charge(l, -len(head.constituents), -head.cost())
				b.unpersisted.left(it, head.constituents)
				dropped = append(dropped, head.constituents...)
			}
			b.placeItem(it)
			b.wake(it)
		}
	}
	return dropped
}

// Forget lets go of a mutation that waits, because it is not going to be sent. What is
// in flight, or buffered for a spilled lane, stays.
func (b *Batcher) Forget(m *catalog.Mutation) {
	l := b.lanes[m.Lane]
	if l == nil {
		return
	}
	it := l.find(m.ItemID, m.Localization)
	if it == nil || !it.waiting() || !it.waitsFor(m) {
		return
	}
	b.detach(it)
	all := it.takeAll()
	for i := range all {
		b.charge(l, -len(all[i].constituents), -all[i].cost())
	}
	for i := range all {
		if !slices.Contains(all[i].constituents, m) {
			b.appendMerged(it, all[i])
			continue
		}
		b.unpersisted.left(it, []*catalog.Mutation{m})
		for _, other := range all[i].constituents {
			if other != m {
				b.appendMerged(it, l.single(other))
			}
		}
	}
	b.charge(l, it.count(), it.cost())
	b.placeItem(it)
	b.wake(it)
}

// waitsFor reports whether the mutation is one that waits.
func (it *item) waitsFor(m *catalog.Mutation) bool {
	return slices.Contains(it.head.constituents, m) ||
		slices.ContainsFunc(it.rest, func(e entry) bool { return slices.Contains(e.constituents, m) })
}
