package batcher

import (
	"container/list"
)

// group is a queue of items whose heads may share a request.
type group struct {
	lane *lane
	name string

	// Items come nearly always in the order of their age and are in line; those
	// older than the last in line (they waited behind a record in flight, or come
	// back) are in late.
	line itemList
	late timeHeap[*item]

	count   int // items
	bytes   int // of their heads in a body
	payload int // of their heads' messages

	index int           // slot in the heap of deadlines
	turn  *list.Element // its place in the sender's turns, nil when not due
}

func (g *group) slot() int        { return g.index }
func (g *group) setSlot(slot int) { g.index = slot }

func (g *group) push(it *item) {
	it.group = g
	if g.line.last != nil && it.oldest() < g.line.last.oldest() {
		g.late.set(it, it.oldest())
	} else {
		g.line.pushBack(it)
	}
	g.count++
	g.bytes += int(it.head.size)
	g.payload += int(it.head.payload)
}

func (g *group) remove(it *item) {
	it.group = nil
	if it.index != noSlot {
		g.late.remove(it)
	} else {
		g.line.remove(it)
	}
	g.count--
	g.bytes -= int(it.head.size)
	g.payload -= int(it.head.payload)
}

// front is the item with the oldest mutation, nil when the group is empty.
func (g *group) front() *item {
	first := g.line.first
	if g.late.len() == 0 {
		return first
	}
	late, at := g.late.min()
	if first != nil && first.oldest() <= at {
		return first
	}
	return late
}

// full says why the group is due whatever its age; 0 when it is not.
func (g *group) full(maxPayload int) FlushReason {
	switch {
	case g.count >= g.lane.FullItems:
		return FlushCount
	case g.lane.FullBytes > 0 && g.lane.Overhead+g.bytes >= g.lane.FullBytes, g.payload >= maxPayload:
		return FlushBytes
	default:
		return 0
	}
}

// deadline is when the group is due by age; it must not be empty.
func (g *group) deadline() int64 { return g.front().oldest() + int64(g.lane.MaxAge) }

// sender is whoever calls the platform for the due groups, which take turns.
type sender struct {
	name  string
	turns list.List // of *group, next one first
}

// itemList is a list of items linked by prev and next; an item is in at most one.
type itemList struct {
	first, last *item
}

func (l *itemList) pushBack(it *item) {
	it.prev = l.last
	if l.last != nil {
		l.last.next = it
	} else {
		l.first = it
	}
	l.last = it
}

func (l *itemList) remove(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		l.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		l.last = it.prev
	}
	it.prev, it.next = nil, nil
}
