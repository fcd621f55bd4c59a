package delivery

import "sync/atomic"

// Budget bounds the memory that the engines of one worker hold in messages:
// half for what waits, half for batches that are open. It counts message bytes
// and an allowance for what hangs on them; it is not exact.
type Budget struct {
	half    int64
	waiting atomic.Int64
	open    atomic.Int64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{half: limit / 2} }

// waitingFull reports that waiting messages must be spilled.
func (b *Budget) waitingFull() bool { return b.waiting.Load() > b.half }

// waitingMuch reports that engines with a steady flow should read no further, so
// that memory does not get short.
func (b *Budget) waitingMuch() bool { return b.waiting.Load() > b.half/2 }

// intakeFull reports that no more may be read until some were spilled. It leaves
// room for spilling to work before reading stops.
func (b *Budget) intakeFull() bool { return b.waiting.Load() > b.half+b.half/4 }

// openFull reports that no further batch may be cut by an account that has one.
func (b *Budget) openFull() bool { return b.open.Load() > b.half }

// hog reports that one account has its share of the memory for open batches.
func (b *Budget) hog(bytes int64) bool { return bytes > b.half/2 }
