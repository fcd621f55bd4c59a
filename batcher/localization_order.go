package batcher

import (
	"maps"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// An item and its localizations are related. A localization needs its item, and
// deleting an item deletes its localizations, so their changes are sent in the order
// of their positions: an entry waits while a related item has one, waiting or in
// flight, whose oldest constituent is older than its own oldest. That is a total
// order, in which each item's entries keep their own order, so the first entry of
// related items never waits and none can wait in a circle. Two changes do not merge
// over one between them of a related item, so that a later change of one item never
// delays an earlier one of another.

// baseLane is the lane of the item that is localized; nil when that is not known.
func (it *item) baseLane() *lane {
	if it.localization == nil {
		return it.lane
	}
	return it.lane.base
}

// blockedByLocalization reports whether the head has to wait for an older change of a
// related item, or for rows that may hold one and are not loaded yet.
func (b *Batcher) blockedByLocalization(it *item) bool {
	first := it.head.constituents[0].Position
	return b.anyRelated(it, first, func(other *item) bool { return other.before(first) })
}

// hasChangeBetween reports whether a related item has, or may have, a change between two that follow each other.
func (b *Batcher) hasChangeBetween(it *item, older, newer *entry) bool {
	after, before := older.newest(), newer.oldest()
	return b.anyRelated(it, before, func(other *item) bool { return other.between(after, before) })
}

// anyRelated looks at the related items: whether rows older than the position are not
// loaded yet, or found is true of one.
func (b *Batcher) anyRelated(it *item, position catalog.Position, found func(*item) bool) bool {
	if it.localization != nil {
		base := it.lane.base
		if base == nil {
			return false
		}
		other := base.plain[it.id]
		return base.mayHold(position) || other != nil && found(other)
	}
	for _, l := range it.lane.localizers {
		if l != it.lane && l.mayHold(position) {
			return true
		}
		if len(l.translations) > 0 && slices.ContainsFunc(l.translations[it.id], found) {
			return true
		}
	}
	return false
}

// before reports whether the item has a change, waiting or in flight, that is older
// than the position.
func (it *item) before(position catalog.Position) bool {
	return len(it.inFlight) > 0 && it.inFlight[0].Position.Compare(position) < 0 ||
		it.waiting() && it.head.oldest().Compare(position) < 0
}

// between reports whether the item has an entry that reaches between two positions.
func (it *item) between(after, before catalog.Position) bool {
	reaches := func(ms []*catalog.Mutation) bool {
		return len(ms) > 0 && ms[len(ms)-1].Position.Compare(after) > 0 && ms[0].Position.Compare(before) < 0
	}
	if reaches(it.inFlight) || reaches(it.head.constituents) {
		return true
	}
	for i := range it.rest {
		if reaches(it.rest[i].constituents) {
			return true
		}
	}
	return false
}

func (b *Batcher) block(it *item) {
	b.park(it, blocked)
	base := it.baseLane()
	base.blocked[it.id] = append(base.blocked[it.id], it)
}

func (b *Batcher) unblock(it *item) {
	base := it.baseLane()
	if left := without(base.blocked[it.id], it); len(left) > 0 {
		base.blocked[it.id] = left
	} else {
		delete(base.blocked, it.id)
	}
}

// wake looks again at the related items that wait, because a change of the
// item has gone.
func (b *Batcher) wake(it *item) {
	base := it.baseLane()
	if base == nil || len(base.blocked) == 0 {
		return
	}
	waiters := base.blocked[it.id]
	delete(base.blocked, it.id)
	b.placeAgain(waiters)
}

// wakeAll looks again at all items that wait for rows of the lane to be loaded.
func (b *Batcher) wakeAll(l *lane) {
	for _, base := range []*lane{l, l.base} {
		if base == nil || len(base.blocked) == 0 {
			continue
		}
		waiting := base.blocked
		base.blocked = make(map[string][]*item)
		for _, id := range slices.Sorted(maps.Keys(waiting)) { // nothing is left to chance
			b.placeAgain(waiting[id])
		}
		if l.base == l {
			return
		}
	}
}

func (b *Batcher) placeAgain(waiters []*item) {
	for _, it := range waiters {
		it.lane.parked.remove(it)
		it.place = nowhere
		b.placeItem(it)
	}
}
