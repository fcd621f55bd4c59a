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
	case b.mustWait(it):
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
	b.wake(it)
}
