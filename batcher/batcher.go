package batcher

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Config bounds what one record and one batch may gather. The zero value means
// the defaults.
type Config struct {
	// MaxConstituents is how many mutations may merge into one record. Defaults to
	// 1000.
	MaxConstituents int
	// MaxPayload is how many bytes the messages of one batch may have together, headers
	// and all, as they are stored as one value. A batch exceeds it only if a single
	// message does. Defaults to 32 MiB.
	MaxPayload int
}

func (c Config) withDefaults() Config {
	const (
		defaultMaxConstituents = 1000
		defaultMaxPayload      = 32 << 20
	)
	c.MaxConstituents = cmp.Or(c.MaxConstituents, defaultMaxConstituents)
	c.MaxPayload = cmp.Or(c.MaxPayload, defaultMaxPayload)
	return c
}

// Batcher holds what waits to be sent. One goroutine owns it. It has no clock: it
// goes by the time it was last told.
type Batcher struct {
	config Config
	now    int64 // as last told, in nanoseconds

	lanes   map[catalog.Lane]*lane
	order   []*lane // as they were added
	senders map[string]*sender
	turns   []*sender // as they were added
	// localizing are the lanes whose items localize those of another, by that one.
	localizing map[catalog.Lane][]*lane

	deadlines   timeHeap[*group] // groups that are not due yet
	delayed     timeHeap[*item]  // items whose head has a NotBefore to come
	unpersisted unpersistedList

	groups, items, inFlight int
	waiting, bytes          int
}

// New makes an empty Batcher.
func New(config Config) *Batcher {
	return &Batcher{
		config:     config.withDefaults(),
		lanes:      make(map[catalog.Lane]*lane),
		senders:    make(map[string]*sender),
		localizing: make(map[catalog.Lane][]*lane),
	}
}

// AddLane makes a lane known; a second one with the same key is ignored.
func (b *Batcher) AddLane(added Lane) {
	if b.HasLane(added.Key) {
		return
	}
	s := b.senders[added.Sender]
	if s == nil {
		s = &sender{name: added.Sender}
		b.senders[added.Sender] = s
		b.turns = append(b.turns, s)
	}
	l := &lane{
		Lane:         added.withDefaults(),
		sender:       s,
		plain:        make(map[string]*item),
		localized:    make(map[localizedName]*item),
		translations: make(map[string][]*item),
		groups:       make(map[string]*group),
		blocked:      make(map[string][]*item),
	}
	b.lanes[added.Key] = l
	b.order = append(b.order, l)
	b.connect(l)
}

// connect tells a lane of base items and those that localize it of each other,
// whichever was made known first.
func (b *Batcher) connect(added *lane) {
	added.localizers = slices.Clone(b.localizing[added.Key])
	if added.BaseLane == added.Key {
		added.base = added
		added.localizers = append(added.localizers, added)
	} else if base := b.lanes[added.BaseLane]; base != nil {
		added.base = base
		base.localizers = append(base.localizers, added)
	}
	for _, l := range b.localizing[added.Key] {
		l.base = added
	}
	if added.BaseLane != added.Key {
		b.localizing[added.BaseLane] = append(b.localizing[added.BaseLane], added)
	}
}

// HasLane reports whether the lane is known.
func (b *Batcher) HasLane(key catalog.Lane) bool {
	_, ok := b.lanes[key]
	return ok
}

// SetPaused takes the lane's groups out of their sender's turns, or gives them
// back. What waits goes on merging.
func (b *Batcher) SetPaused(key catalog.Lane, paused bool) {
	l := b.lanes[key]
	if l == nil || l.paused == paused {
		return
	}
	l.paused = paused
	for _, g := range l.groups {
		b.placeGroup(g)
	}
}

// Add takes one mutation. The problem is record_too_large when no request could
// carry it; then it was not taken. The mutation's lane must be known.
func (b *Batcher) Add(m *catalog.Mutation, now time.Time) *catalog.Problem {
	l := b.lanes[m.Lane]
	if l == nil {
		return &catalog.Problem{Reason: catalog.InternalError, Text: "the catalog of the mutation was not made known to the batcher"}
	}
	b.now = nanos(now)
	added := l.single(m)
	if !l.fits(added.size) {
		return l.tooLarge(added.size)
	}
	if l.spilled {
		l.buffer = append(l.buffer, m)
		b.charge(l, 1, added.cost())
		return nil
	}
	b.insert(l, m, added)
	return nil
}

func (l *lane) tooLarge(size int32) *catalog.Problem {
	return &catalog.Problem{
		Reason: catalog.RecordTooLarge,
		Text: "the item takes " + strconv.Itoa(l.Overhead+int(size)) + " bytes in a request of its own; the limit is " +
			strconv.Itoa(l.MaxBytes) + " bytes: send fewer or shorter attributes",
	}
}

// insert puts a mutation behind all that waits for its item.
func (b *Batcher) insert(l *lane, m *catalog.Mutation, added entry) {
	it := l.find(m.ItemID, m.Localization)
	if it == nil {
		it = l.create(m.ItemID, m.Localization)
		b.items++
	}
	if !m.HasWaitingRow {
		b.unpersisted.note(it, m)
	}
	if !it.waiting() {
		it.head = added
		b.charge(l, 1, added.cost())
		b.placeItem(it)
		return
	}
	tail := it.tail()
	merged, ok := b.merge(l, it, tail, &added)
	if !ok {
		it.append(added)
		b.charge(l, 1, added.cost())
		return
	}
	b.charge(l, 1, merged.cost()-tail.cost())
	if tail != &it.head {
		*tail = merged
		return
	}
	b.replaceHead(it, merged)
}

// replaceHead changes the head of an item that has one waiting. Where the item
// keeps its group, which is nearly always, only the group's sums change.
func (b *Batcher) replaceHead(it *item, head entry) {
	g := it.group
	if it.place == queued && head.notBefore <= b.now && it.lane.Group(head.change.Operation) == g.name {
		g.bytes += int(head.size - it.head.size)
		g.payload += int(head.payload - it.head.payload)
		it.head = head
		b.placeGroup(g)
		return
	}
	if it.place == behind {
		it.head = head
		return
	}
	b.detach(it)
	it.head = head
	b.placeItem(it)
}

// merge makes one entry of two that follow each other, unless the platform's
// rules or a limit are against it. The change is always that of the constituents
// merged one by one from the oldest: a new owner makes it again from them.
func (b *Batcher) merge(l *lane, it *item, older, newer *entry) (entry, bool) {
	if older.apart() || newer.apart() || b.hasChangeBetween(it, older, newer) ||
		len(older.constituents)+len(newer.constituents) > b.config.MaxConstituents ||
		int(older.payload+newer.payload) > b.config.MaxPayload {
		return entry{}, false
	}
	change, ok := l.mergeEach(older.change, newer)
	if !ok || l.OneRecord != nil && !l.OneRecord(change) {
		return entry{}, false
	}
	size := l.size(it.key(), change)
	if !l.fits(size) {
		return entry{}, false
	}
	return entry{
		change:       change,
		constituents: append(older.constituents, newer.constituents...),
		size:         size,
		payload:      older.payload + newer.payload,
		notBefore:    max(older.notBefore, newer.notBefore),
	}, true
}

// Release ends the item's flight. The mutations returned, oldest first, go back to
// the head of the item, merging with newer ones that wait; their NotBefore delays
// the whole item. Releasing what is not in flight does nothing.
func (b *Batcher) Release(key catalog.ItemKey, returned []*catalog.Mutation, now time.Time) {
	l := b.lanes[key.Lane]
	if l == nil {
		return
	}
	it := l.find(key.ItemID, key.Localization)
	if it == nil || it.inFlight == nil {
		return
	}
	b.now = nanos(now)
	b.detach(it)
	it.inFlight = nil
	b.inFlight--
	if len(returned) > 0 {
		b.requeue(it, returned)
	}
	b.placeItem(it)
	b.wake(it)
}

// requeue lays the entries that waited behind the returned ones.
func (b *Batcher) requeue(it *item, returned []*catalog.Mutation) {
	l := it.lane
	newer := it.takeAll()
	for i := range newer {
		b.charge(l, -len(newer[i].constituents), -newer[i].cost())
	}
	for _, m := range returned {
		b.appendMerged(it, l.single(m))
	}
	for i := range newer {
		b.appendMerged(it, newer[i])
	}
	b.charge(l, it.count(), it.cost())
	for _, m := range slices.Backward(returned) {
		if !m.HasWaitingRow {
			b.unpersisted.noteReturned(it, m)
		}
	}
}

// appendMerged adds an entry behind all that waits, merged with the last one if possible.
func (b *Batcher) appendMerged(it *item, added entry) {
	if it.waiting() {
		tail := it.tail()
		if merged, ok := b.merge(it.lane, it, tail, &added); ok {
			*tail = merged
			return
		}
	}
	it.append(added)
}

// MarkInFlight marks the records' items as in flight, as a new owner finds them. Their
// lanes must be known.
func (b *Batcher) MarkInFlight(records []catalog.Record) {
	for i := range records {
		record := &records[i]
		l := b.lanes[record.Key.Lane]
		if l == nil {
			continue
		}
		it := l.find(record.Key.ItemID, record.Key.Localization)
		if it == nil {
			it = l.create(record.Key.ItemID, record.Key.Localization)
			b.items++
		}
		b.detach(it)
		if it.inFlight == nil {
			b.inFlight++
		}
		it.inFlight = record.Constituents
		b.placeItem(it)
	}
}

// charge counts waiting mutations and their memory.
func (b *Batcher) charge(l *lane, mutations, bytes int) {
	l.waiting += mutations
	l.bytes += bytes
	b.waiting += mutations
	b.bytes += bytes
}
