package batcher

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Bytes is an estimate of the memory that waiting mutations take. What is in
// flight is not counted.
func (b *Batcher) Bytes() int { return b.bytes }

// Stats counts what a Batcher holds.
type Stats struct {
	Groups      int // open groups
	Items       int // known items: waiting, in flight or both
	InFlight    int // items in flight
	Waiting     int // mutations, buffered ones included
	Unpersisted int // items with waiting mutations that have no waiting row
	Bytes       int // see Batcher.Bytes
}

// Stats counts what the Batcher holds. It is cheap.
func (b *Batcher) Stats() Stats {
	return Stats{Groups: b.groups, Items: b.items, InFlight: b.inFlight, Waiting: b.waiting, Unpersisted: b.unpersisted.items, Bytes: b.bytes}
}

// InMemory is how much of one lane waits in memory: items that have no waiting row,
// and bytes, see Batcher.Bytes. It is cheap.
func (b *Batcher) InMemory(key catalog.Lane) (unpersisted, bytes int) {
	if l := b.lanes[key]; l != nil {
		return l.unpersisted, l.bytes
	}
	return 0, 0
}

// LaneStats counts what waits in one lane.
type LaneStats struct {
	Lane    catalog.Lane
	Waiting int // mutations in memory that may be cut, now or later
	// Buffered are arrivals of a spilled lane, to follow when all rows are loaded.
	Buffered int
	Bytes    int // of both; see Batcher.Bytes
	Spilled  bool
	// Oldest is when the oldest waiting mutation in memory was received; zero when
	// none waits.
	Oldest time.Time
}

// LaneStats counts what waits in the lanes, in the order they were made known. It
// looks at each group and at each item that is in none.
func (b *Batcher) LaneStats() []LaneStats {
	stats := make([]LaneStats, 0, len(b.order))
	for _, l := range b.order {
		stats = append(stats, LaneStats{
			Lane: l.Key, Waiting: l.waiting - len(l.buffer), Buffered: len(l.buffer),
			Bytes: l.bytes, Spilled: l.spilled, Oldest: l.oldest(),
		})
	}
	return stats
}

func (l *lane) oldest() time.Time {
	var oldest time.Time
	older := func(m *catalog.Mutation) {
		if oldest.IsZero() || m.ReceivedAt.Before(oldest) {
			oldest = m.ReceivedAt
		}
	}
	for _, g := range l.groups {
		older(g.front().head.constituents[0])
	}
	for it := l.parked.first; it != nil; it = it.next {
		older(it.head.constituents[0])
	}
	if len(l.buffer) > 0 {
		older(l.buffer[0])
	}
	return oldest
}
