package batcher

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Config bounds what one record and one batch may gather. The zero value means
// the defaults.
type Config struct {
	// MaxConstituents is how many mutations may merge into one record. Defaults to
	// 1000.
	MaxConstituents int
	// MaxPayload is how many bytes of messages the constituents of one batch may
	// have together: they are stored as one value. A single record may exceed it
	// by its last constituent. Defaults to 32 MiB.
	MaxPayload int
}

// Batcher holds what waits to be sent. One goroutine owns it.
type Batcher struct{}

// New makes an empty Batcher.
func New(config Config) *Batcher { panic("not yet") }

// AddLane makes a lane known; a second one with the same key is ignored.
func (b *Batcher) AddLane(lane Lane) { panic("not yet") }

// HasLane reports whether the lane is known.
func (b *Batcher) HasLane(key catalog.Lane) bool { panic("not yet") }

// SetPaused takes the lane's groups out of their scope's turns, or gives them
// back. What waits goes on merging.
func (b *Batcher) SetPaused(key catalog.Lane, paused bool) { panic("not yet") }

// Add takes one mutation. The problem is record_too_large when no request could
// carry it; then it was not taken. The mutation's lane must be known.
func (b *Batcher) Add(m *catalog.Mutation, now time.Time) *catalog.Problem { panic("not yet") }

// Cut takes the next due batch of the scope, groups in turn; false when none is
// due. Its items are in flight until each is released.
func (b *Batcher) Cut(scope string, now time.Time) (*Batch, bool) { panic("not yet") }

// Due lists the scopes that have a due group.
func (b *Batcher) Due(now time.Time) []string { panic("not yet") }

// NextDue is when the next group that is not due becomes so by age, or the next
// delayed item may be sent; false when nothing waits for a time.
func (b *Batcher) NextDue() (time.Time, bool) { panic("not yet") }

// Release ends the item's flight. The mutations returned, oldest first, go back to
// the head of the item, merging with newer ones that wait; their NotBefore delays
// the whole item.
func (b *Batcher) Release(key catalog.ItemKey, returned []*catalog.Mutation, now time.Time) {
	panic("not yet")
}

// Hold marks the records' items as in flight, as a new owner finds them.
func (b *Batcher) Hold(records []catalog.Record) { panic("not yet") }

// TakeUnstored finds mutations that wait without a waiting row, of items that have
// had one since before receivedBefore, at most limit, oldest first, and sets
// Stored: the caller writes their rows next. It includes newer ones of the same
// items, those behind an item in flight, and the arrivals of spilled lanes.
func (b *Batcher) TakeUnstored(receivedBefore time.Time, limit int) []*catalog.Mutation {
	panic("not yet")
}

// Spill forgets all that waits in the lane, because its waiting rows have it or
// will: it returns what has none yet, oldest first, now marked Stored, to be
// written before anything is loaded. Until the rows are loaded, arrivals are only
// buffered. What is in flight stays so. Spilling a spilled lane starts loading
// anew.
func (b *Batcher) Spill(key catalog.Lane) []*catalog.Mutation { panic("not yet") }

// SpilledAtStart marks a lane whose waiting rows a new owner found as spilled.
func (b *Batcher) SpilledAtStart(key catalog.Lane) { panic("not yet") }

// Spilled reports whether the lane has waiting rows that are not in memory.
func (b *Batcher) Spilled(key catalog.Lane) bool { panic("not yet") }

// SpilledLanes lists the spilled lanes, in the order they were added.
func (b *Batcher) SpilledLanes() []catalog.Lane { panic("not yet") }

// LoadCursor is the position after which the next page of a spilled lane starts.
func (b *Batcher) LoadCursor(key catalog.Lane) catalog.Position { panic("not yet") }

// Load takes a page of the lane's waiting rows, oldest first, that was read above
// after. A page that was asked for before the lane was spilled again does not
// start at the cursor and is ignored. Rows that are in memory already are skipped.
// With the last page (more is false) the buffered arrivals follow and the lane is
// no longer spilled. It returns the mutations that no request can carry any more
// (caps may have shrunk since they were stored); they were not taken.
func (b *Batcher) Load(key catalog.Lane, after catalog.Position, page []*catalog.Mutation, more bool, now time.Time) (tooLarge []*catalog.Mutation) {
	panic("not yet")
}

// Stored tells that the waiting rows of the mutations are committed: buffered
// arrivals of spilled lanes among them can be forgotten, as loading will find them.
func (b *Batcher) Stored(ms []*catalog.Mutation) { panic("not yet") }

// Drop forgets mutations of a lane without a way out that were received before the
// time, at most limit, and returns them. Buffered arrivals of a spilled lane have
// to be loaded first.
func (b *Batcher) Drop(key catalog.Lane, receivedBefore time.Time, limit int) []*catalog.Mutation {
	panic("not yet")
}

// Bytes is an estimate of the memory that waiting mutations take. What is in
// flight is not counted.
func (b *Batcher) Bytes() int { panic("not yet") }

// Stats counts what a Batcher holds.
type Stats struct {
	Groups   int // open groups
	Items    int // known items: waiting, in flight or both
	InFlight int // items in flight
	Waiting  int // mutations, buffered ones included
	Bytes    int
}

// Stats counts what the Batcher holds. It is cheap.
func (b *Batcher) Stats() Stats { panic("not yet") }

// LaneStats counts what waits in one lane.
type LaneStats struct {
	Lane    catalog.Lane
	Waiting int // mutations in memory, buffered ones included
	Bytes   int
	Spilled bool
	// Oldest is when the oldest waiting mutation in memory was received; zero when
	// nothing waits.
	Oldest time.Time
}

// LaneStats counts what waits in the lanes, in the order they were added. It looks
// at each group and at each item that is not in one.
func (b *Batcher) LaneStats() []LaneStats { panic("not yet") }
