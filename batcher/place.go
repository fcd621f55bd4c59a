package batcher

// placeItem puts a detached item where its work belongs, and forgets
// it when it has none.
func (b *Batcher) placeItem(it *item) {
	switch {
	case !it.waiting():
		if it.inFlight == nil {
			b.forget(it)
		}
	case it.inFlight != nil:
		b.park(it, behind)
	case it.head.notBefore > b.now:
		b.park(it, delayed)
		b.delayed.set(it, it.head.notBefore)
	case b.blockedByLocalization(it):
		b.block(it)
	default:
		b.enqueue(it)
	}
}

func (b *Batcher) park(it *item, where place) {
	it.place = where
	it.lane.parked.pushBack(it)
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
	b.placeGroup(g)
}

// detach takes an item from where it is kept, so that its work can change.
func (b *Batcher) detach(it *item) {
	switch it.place {
	case nowhere:
		return
	case queued:
		g := it.group
		g.remove(it)
		b.placeGroup(g)
	case behind:
		it.lane.parked.remove(it)
	case delayed:
		b.delayed.remove(it)
		it.lane.parked.remove(it)
	case blocked:
		b.unblock(it)
		it.lane.parked.remove(it)
	}
	it.place = nowhere
}

// placeGroup puts a group where its content belongs: among its sender's turns
// when it is due, else in the heap of deadlines; forgotten when it is empty. A
// group that is due keeps its turn.
func (b *Batcher) placeGroup(g *group) {
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
			g.turn = g.lane.sender.turns.PushBack(g)
		}
		return
	}
	b.endTurn(g)
	b.deadlines.set(g, g.deadline())
}

func (b *Batcher) endTurn(g *group) {
	if g.turn != nil {
		g.lane.sender.turns.Remove(g.turn)
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
		b.detach(it)
		b.placeItem(it)
	}
	for b.deadlines.len() > 0 {
		g, at := b.deadlines.min()
		if at > b.now {
			break
		}
		b.placeGroup(g)
	}
}

// forget ends an item without work. Those that waited for it may go.
func (b *Batcher) forget(it *item) {
	it.lane.forget(it)
	b.items--
	b.wake(it)
}
