package batcher

import (
	"cmp"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Due lists the senders that have a due group, in the order they were made known.
func (b *Batcher) Due(now time.Time) []string {
	b.now = nanos(now)
	b.advance()
	var due []string
	for _, s := range b.turns {
		if s.turns.Len() > 0 {
			due = append(due, s.name)
		}
	}
	return due
}

// NextDue is when the next group that is not due becomes so by age, or the next
// delayed item may be sent; false when nothing waits for a time.
func (b *Batcher) NextDue() (time.Time, bool) {
	var next int64
	found := false
	if b.deadlines.len() > 0 {
		_, next = b.deadlines.min()
		found = true
	}
	if b.delayed.len() > 0 {
		if _, at := b.delayed.min(); !found || at < next {
			next = at
		}
		found = true
	}
	return time.Unix(0, next), found
}

// Cut takes the next due batch of the sender, groups in turn; false when none is
// due. Its items are in flight until each is released.
func (b *Batcher) Cut(name string, now time.Time) (*Batch, bool) {
	b.now = nanos(now)
	b.advance()
	s := b.senders[name]
	if s == nil {
		return nil, false
	}
	// A group that yields nothing held only items that wait for an older change of a related item; it
	// is empty now and has no turn any more.
	for s.turns.Len() > 0 {
		g, ok := s.turns.Front().Value.(*group)
		if !ok {
			return nil, false
		}
		batch := b.cutGroup(g)
		if g.turn != nil {
			s.turns.MoveToBack(g.turn)
		}
		b.placeGroup(g)
		if batch != nil {
			return batch, true
		}
	}
	return nil, false
}

func (b *Batcher) cutGroup(g *group) *Batch {
	l := g.lane
	batch := &Batch{
		Lane:   l.Key,
		Group:  g.name,
		Bytes:  l.Overhead,
		Reason: cmp.Or(g.full(b.config.MaxPayload), FlushAge),
	}
	payload := 0
	for len(batch.Records) < l.MaxItems {
		it := g.front()
		if it == nil {
			break
		}
		if b.blockedByLocalization(it) {
			g.remove(it)
			b.block(it)
			continue
		}
		if len(batch.Records) > 0 && (l.MaxBytes > 0 && batch.Bytes+int(it.head.size) > l.MaxBytes ||
			payload+int(it.head.payload) > b.config.MaxPayload) {
			break
		}
		if batch.Records == nil {
			batch.Records = make([]catalog.Record, 0, min(g.count, l.MaxItems))
		}
		batch.Bytes += int(it.head.size)
		payload += int(it.head.payload)
		g.remove(it)
		it.place = nowhere
		batch.Records = append(batch.Records, b.takeHead(it))
	}
	if len(batch.Records) == 0 {
		return nil
	}
	return batch
}

// takeHead takes the head of a detached item, which is in flight from now on.
func (b *Batcher) takeHead(it *item) catalog.Record {
	head := it.pop()
	b.charge(it.lane, -len(head.constituents), -head.cost())
	b.unpersisted.left(it, head.constituents)
	it.inFlight = head.constituents
	b.inFlight++
	b.placeItem(it)
	return catalog.Record{Key: it.key(), Change: head.change, Constituents: head.constituents}
}
