package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// showWaitFrom is from what wait on a batch that was never sent is shown as waiting:
// writing that down costs a call to the store, and the next POST another.
const showWaitFrom = 2 * time.Second

// wait has the open batch looked at again at until. One that was never sent is recorded
// as unsent where that takes a while, or people, and the next owner, would take it
// for one that is being sent. From then on its next POST is announced like any other.
func (e *Engine) wait(f *openBatch, now, until time.Time, why string) {
	e.batches.schedule(f, until)
	if f.attempt != 1 || !f.lastPost.IsZero() || until.Sub(now) < showWaitFrom {
		return
	}
	if why == "" {
		why = "the batch that it is a part of was refused, and its quota sets the pace of what comes of that"
	}
	unsent := ledger.Attempt{BatchID: f.batch.ID, Number: f.attempt, Result: ledger.Unsent, At: now, Error: "not sent yet: " + why, NextAt: until}
	f.attempt++
	e.amend("record that a batch waits", unsent)
}

// unsentHalf reports that the open batch is a part of a refused batch that was not sent
// itself: given back it would only become part of such a batch again.
func (f *openBatch) unsentHalf() bool { return f.half && f.lastPost.IsZero() }

// waits reports that the open batch is certainly at no platform and waits to be sent.
func (f *openBatch) waits() bool {
	return f.phase == phaseReady && !f.taken() && (f.attempt > 1 || f.wakeAt.Sub(f.batch.CreatedAt) > showWaitFrom)
}
