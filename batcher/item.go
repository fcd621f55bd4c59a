package batcher

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// place says where an item with waiting work is kept.
type place uint8

const (
	nowhere place = iota // nothing waits
	queued               // in the group of its head
	behind               // its own record is in flight
	delayed              // until its head's NotBefore
	blocked              // until no related item has an older change
)

// item is one item with work: entries wait, or a record is in flight, or both.
type item struct {
	lane         *lane
	id           string
	localization *catalog.Localization // nil when not localized

	// head is the oldest waiting entry, rest those behind it. Only the last one
	// merges with arrivals.
	head entry
	rest []entry
	// inFlight are the constituents of the record in flight, nil when there is none.
	inFlight []*catalog.Mutation

	place place
	index int32 // slot in the heap of its place, if that has one
	group *group
	prev  *item // in the group's queue, or among those parked in the lane
	next  *item

	// unpersisted counts waiting mutations without a waiting row; the first of them
	// was received at unpersistedSince. They form a list while there are any.
	unpersisted      int32
	unpersistedSince int64
	prevUnpersisted  *item
	nextUnpersisted  *item
}

func (it *item) slot() int        { return int(it.index) }
func (it *item) setSlot(slot int) { it.index = int32(slot) } //nolint:gosec // G115: as many items do not fit in memory

func (it *item) key() catalog.ItemKey {
	key := catalog.ItemKey{Lane: it.lane.Key, ItemID: it.id}
	if it.localization != nil {
		key.Localization = *it.localization
	}
	return key
}

func (it *item) waiting() bool { return len(it.head.constituents) > 0 }

// oldest is when the head's oldest mutation was received.
func (it *item) oldest() int64 { return nanos(it.head.constituents[0].ReceivedAt) }

func (it *item) tail() *entry {
	if len(it.rest) > 0 {
		return &it.rest[len(it.rest)-1]
	}
	return &it.head
}

// append adds an entry behind all that waits.
func (it *item) append(added entry) {
	if !it.waiting() {
		it.head = added
		return
	}
	it.rest = append(it.rest, added)
}

// pop takes the head off.
func (it *item) pop() entry {
	popped := it.head
	it.head = entry{}
	if len(it.rest) > 0 {
		it.head = it.rest[0]
		it.rest[0] = entry{}
		it.rest = it.rest[1:]
	}
	if len(it.rest) == 0 {
		it.rest = nil
	}
	return popped
}

// knows reports whether the very mutation waits or is in flight.
func (it *item) knows(position catalog.Position) bool {
	if holds(it.inFlight, position) || holds(it.head.constituents, position) {
		return true
	}
	for i := range it.rest {
		if holds(it.rest[i].constituents, position) {
			return true
		}
	}
	return false
}

// holds looks for a position among mutations, oldest first.
func holds(mutations []*catalog.Mutation, position catalog.Position) bool {
	if len(mutations) == 0 || mutations[len(mutations)-1].Position.Compare(position) < 0 {
		return false
	}
	for _, m := range mutations {
		if m.Position == position {
			return true
		}
	}
	return false
}

// entry is one future record of an item: a mutation, or several merged ones.
type entry struct {
	change       catalog.Change
	constituents []*catalog.Mutation // oldest first
	size         int32               // upper bound of its bytes in a body
	payload      int32               // the constituents' messages, by catalog.Message.Size
	notBefore    int64
}

// share is about how many bytes a mutation that waits takes besides its Size: its part of an item
// and of what items are kept in.
const share = 288

// cost is about how many bytes a mutation that waits takes.
func cost(m *catalog.Mutation) int { return m.Size() + share }

// cost is about how many bytes the entry takes.
func (e *entry) cost() int {
	cost := int(e.payload) + len(e.constituents)*(catalog.MutationBytes+share)
	if len(e.constituents) > 1 {
		cost += len(e.change.Attributes) // a merged change has its own
	}
	return cost
}

// oldest and newest are the positions of the first and the last constituent.
func (e *entry) oldest() catalog.Position { return e.constituents[0].Position }

func (e *entry) newest() catalog.Position { return e.constituents[len(e.constituents)-1].Position }

func (e *entry) apart() bool {
	return e.constituents[0].NoMerge || e.constituents[len(e.constituents)-1].NoMerge
}

// nanos is a time as nanoseconds since 1970; the zero time is long ago.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// takeAll takes all entries off the item.
func (it *item) takeAll() []entry {
	if !it.waiting() {
		return nil
	}
	all := append([]entry{it.head}, it.rest...)
	it.head, it.rest = entry{}, nil
	return all
}

// count is how many mutations wait.
func (it *item) count() int {
	count := len(it.head.constituents)
	for i := range it.rest {
		count += len(it.rest[i].constituents)
	}
	return count
}

// cost is about what the waiting entries take in memory.
func (it *item) cost() int {
	if !it.waiting() {
		return 0
	}
	cost := it.head.cost()
	for i := range it.rest {
		cost += it.rest[i].cost()
	}
	return cost
}
