package batcher

// settleItem puts an item that stands nowhere where its work belongs, and forgets
// it when it has none.
func (b *Batcher) settleItem(it *item) {
	switch {
	case !it.waiting():
		if it.flying == nil {
			b.forget(it)
		}
	case it.flying != nil:
		b.setAside(it, behind)
	case it.head.notBefore > b.now:
		b.setAside(it, delayed)
		b.delayed.set(it, it.head.notBefore)
	case b.baseBusy(it):
		b.block(it)
	default:
		b.enqueue(it)
	}
}

func (b *Batcher) setAside(it *item, where place) {
	it.place = where
	it.lane.aside.pushBack(it)
}

func (b *Batcher) enqueue(it *item) {
	l := it.lane
	name := l.Group(it.head.change.Operation)
	g := l.groups[name]
	if g == nil {
		g = &group{lane: l, name: name, index: noSlot}
		l.groups[name] = g
		b.groups++
	}
	it.place = queued
	g.push(it)
	b.settleGroup(g)
}

// lift takes an item from where it stands, so that its work can change.
func (b *Batcher) lift(it *item) {
	switch it.place {
	case nowhere:
		return
	case queued:
		g := it.group
		g.remove(it)
		b.settleGroup(g)
	case behind:
		it.lane.aside.remove(it)
	case delayed:
		b.delayed.remove(it)
		it.lane.aside.remove(it)
	case blocked:
		b.unblock(it)
		it.lane.aside.remove(it)
	}
	it.place = nowhere
}

// settleGroup puts a group where its content belongs: among its scope's turns
// when it is due, else in the heap of deadlines; forgotten when it is empty. A
// group that is due keeps its turn.
func (b *Batcher) settleGroup(g *group) {
	if g.count == 0 || g.lane.stopped() {
		b.deadlines.remove(g)
		b.endTurn(g)
		if g.count == 0 {
			delete(g.lane.groups, g.name)
			b.groups--
		}
		return
	}
	if g.full(b.config.MaxPayload) != 0 || g.deadline() <= b.now {
		b.deadlines.remove(g)
		if g.turn == nil {
			g.turn = g.lane.scope.turns.PushBack(g)
		}
		return
	}
	b.endTurn(g)
	b.deadlines.set(g, g.deadline())
}

func (b *Batcher) endTurn(g *group) {
	if g.turn != nil {
		g.lane.scope.turns.Remove(g.turn)
		g.turn = nil
	}
}

// advance moves what has become due or free to go since the last call.
func (b *Batcher) advance() {
	for b.delayed.len() > 0 {
		it, at := b.delayed.min()
		if at > b.now {
			break
		}
		b.lift(it)
		b.settleItem(it)
	}
	for b.deadlines.len() > 0 {
		g, at := b.deadlines.min()
		if at > b.now {
			break
		}
		b.settleGroup(g)
	}
}

// forget ends an item without work. Those that waited for it may go.
func (b *Batcher) forget(it *item) {
	it.lane.forget(it)
	b.items--
	if it.localization == nil && len(it.lane.blocked) > 0 {
		b.wake(it.lane, it.id)
	}
}

// baseBusy reports whether a localized item must wait for its base item, because
// that waits or is in flight, or may have older rows that are not loaded yet.
func (b *Batcher) baseBusy(it *item) bool {
	if it.localization == nil {
		return false
	}
	base := b.lanes[it.lane.BaseLane]
	if base == nil {
		return false
	}
	if base.mayHold(it.head.constituents[0].Position) {
		return true
	}
	_, busy := base.plain[it.id]
	return busy
}

func (b *Batcher) block(it *item) {
	b.setAside(it, blocked)
	base := b.lanes[it.lane.BaseLane]
	base.blocked[it.id] = append(base.blocked[it.id], it)
}

func (b *Batcher) unblock(it *item) {
	base := b.lanes[it.lane.BaseLane]
	waiters := base.blocked[it.id]
	for i, waiter := range waiters {
		if waiter == it {
			waiters[i] = waiters[len(waiters)-1]
			waiters[len(waiters)-1] = nil
			waiters = waiters[:len(waiters)-1]
			break
		}
	}
	if len(waiters) == 0 {
		delete(base.blocked, it.id)
		return
	}
	base.blocked[it.id] = waiters
}

// wake looks again at the items that wait for a base item.
func (b *Batcher) wake(base *lane, id string) {
	waiters := base.blocked[id]
	delete(base.blocked, id)
	for _, it := range waiters {
		it.lane.aside.remove(it)
		it.place = nowhere
		b.settleItem(it)
	}
}

// wakeAll looks again at all items that wait for a base item of the lane.
func (b *Batcher) wakeAll(base *lane) {
	waiting := base.blocked
	if len(waiting) == 0 {
		return
	}
	base.blocked = make(map[string][]*item)
	for _, waiters := range waiting {
		for _, it := range waiters {
			it.lane.aside.remove(it)
			it.place = nowhere
			b.settleItem(it)
		}
	}
}
