package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// store writes a waiting row for the mutation in the next transaction.
func (e *Engine) store(ms ...*catalog.Mutation) {
	for _, m := range ms {
		m.HasWaitingRow = true
	}
	e.jobs.next.tx.Waiting = append(e.jobs.next.tx.Waiting, ms...)
	e.jobs.next.note(ms...)
	e.leaveNow(ms...)
}

// leaveNow counts the memory of what is nowhere but in the job that is being collected.
func (e *Engine) leaveNow(ms ...*catalog.Mutation) {
	for _, m := range ms {
		bytes := int64(m.Size())
		e.jobs.next.leaving += bytes
		e.memory.addLeaving(bytes)
	}
}

// recordOld writes rows for what was in memory alone for too long. What leaves goes
// first: a new owner must not find a row of an item whose older change has none.
func (e *Engine) recordOld(now time.Time) {
	if len(e.memory.leaving) > 0 || e.jobs.recording || now.Sub(e.jobs.lastTake) < takeInterval || e.full() {
		return
	}
	e.jobs.lastTake = now
	if old := e.batcher.TakeUnpersisted(now.Add(-e.cfg.RecordWithin), takeMutations); len(old) > 0 {
		e.writeWaiting(old)
	}
}

func (e *Engine) writeWaiting(ms []*catalog.Mutation) {
	e.jobs.next.tx.Waiting = append(e.jobs.next.tx.Waiting, ms...)
	e.jobs.next.note(ms...)
	e.jobs.next.after(func() { e.onWaitingRecorded(ms) })
}

// onWaitingRecorded lets the batcher forget the payloads: each has a row.
func (e *Engine) onWaitingRecorded(ms []*catalog.Mutation) {
	e.batcher.MarkPersisted(ms)
	e.updateBudget()
}
