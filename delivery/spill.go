package delivery

import (
	"log/slog"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// spill forgets the largest lane's waiting mutations when memory is short; they
// are read back, oldest first, when there is room and a use for them. A steady flow
// makes room by itself, as reading waits for it, but for what is blocked beside it.
func (e *Engine) spill(now time.Time) {
	if !e.cfg.Budget.waitingFull() || len(e.memory.leaving) > 0 || e.full() {
		return
	}
	steady := e.memory.steady(now)
	key, ok := e.largestLane(func(l *lane) bool { return !steady || l.blocked(now) })
	if !ok && steady {
		return
	}
	if !ok {
		e.writeBuffered(now)
		return
	}
	unpersisted := e.batcher.Spill(key)
	if l := e.lanes.byKey[key]; l != nil {
		l.spilled = now
	}
	e.log.DebugContext(e.calls.ctx, "memory is short: waiting mutations go to the database",
		slog.String("account", key.Account), slog.String("catalog", key.Catalog), slog.Int("unrecorded", len(unpersisted)))
	e.memory.leave(unpersisted)
	e.updateBudget()
}

// writeBuffered writes what has arrived for spilled lanes, when nothing else is left
// that could make room.
func (e *Engine) writeBuffered(now time.Time) {
	if e.jobs.recording {
		return
	}
	if ms := e.batcher.TakeUnpersisted(now, takeMutations); len(ms) > 0 {
		e.writeWaiting(ms)
	}
}

// leave has mutations written that the batcher has let go. Nothing is read back
// before all of them are in a transaction.
func (m *memory) leave(ms []*catalog.Mutation) {
	var bytes int64
	for _, gone := range ms {
		bytes += int64(gone.Size())
	}
	m.leaving = ms
	m.addLeaving(bytes)
}

// writeLeaving puts the next piece of what leaves into the transaction that is about
// to be written: packed for Postgres it takes as much memory again. What a drain finds
// here is read again by the next owner.
func (e *Engine) writeLeaving() {
	if len(e.memory.leaving) == 0 || e.jobs.recording || e.life.draining {
		return
	}
	var bytes int64
	count := 0
	for most := min(e.recorder.mostMutations()-e.jobs.next.mutations, len(e.memory.leaving)); count < most && bytes < e.cfg.Budget.mostLeaving(); count++ {
		bytes += int64(e.memory.leaving[count].Size())
	}
	if count == 0 {
		return
	}
	piece := slices.Clone(e.memory.leaving[:count]) // the array would keep all of them as long as the last
	clear(e.memory.leaving[:count])
	e.memory.leaving = e.memory.leaving[count:]
	e.writeWaiting(piece)
	e.jobs.next.after(func() { e.memory.addLeaving(-bytes) })
}

// largestLane is the lane with the most bytes in memory among those that may be
// spilled. A spilled one counts with what was read back or returned to it: its
// batches may have failed since.
func (e *Engine) largestLane(may func(*lane) bool) (key catalog.Lane, ok bool) {
	largest := 0
	for _, stats := range e.batcher.LaneStats() {
		if (!stats.Spilled || stats.Waiting > 0) && stats.Bytes > largest && may(e.lanes.byKey[stats.Lane]) {
			key, largest, ok = stats.Lane, stats.Bytes, true
		}
	}
	return key, ok
}

// pageSize is how many waiting rows are read at a time.
const pageSize = 5000

// spillRest is how long a lane stays spilled at least: where memory is very short
// it would be read and spilled again without an end.
const spillRest = time.Second

// maxLoading bounds the pages that are read at a time: each may fill memory.
const maxLoading = 2

// readBackAhead is how long before its next call a lane is read back: when the call may
// be made the batch should be full.
const readBackAhead = 5 * time.Second

// loadSpilled reads back lanes that have little left in memory and may send soon.
func (e *Engine) loadSpilled(now time.Time) {
	if e.life.draining || e.cfg.Budget.waitingFull() || len(e.memory.leaving) > 0 || len(e.batcher.SpilledLanes()) == 0 {
		return
	}
	loading := 0
	for _, stats := range e.batcher.LaneStats() {
		l := e.lanes.byKey[stats.Lane]
		if l != nil && l.loading {
			loading++
		}
		if loading >= maxLoading {
			return
		}
		if !stats.Spilled || l == nil || l.loading || e.reading.mayMissFamily(l) || stats.Waiting >= 2*l.limits.MaxItems ||
			now.Sub(l.spilled) < spillRest || !l.sender.account.mayCall(now) || l.sender.again.After(now.Add(readBackAhead)) {
			continue
		}
		l.loading = true
		loading++
		after := e.batcher.LoadCursor(l.key)
		e.jobs.next.loads = append(e.jobs.next.loads, &load{
			lane: l.key, after: after, limit: max(pageSize, l.limits.MaxItems), check: true,
			then: func(read *load) { e.onSpilledRead(l, after, read) },
		})
	}
}

// mayMissFamily reports that the waiting rows of a lane of localized items, or of
// items that others localize, must not be read back yet: the last owner may have
// recorded them and not an older change of the other side, which the stream is
// still to bring.
func (r *reading) mayMissFamily(l *lane) bool {
	return l.family && r.readTo < r.recordedTo
}

func (e *Engine) onSpilledRead(l *lane, after catalog.Position, read *load) {
	l.loading = false
	for i := range read.refused {
		e.refuse(read.refused[i].Mutation, &read.refused[i].Problem)
	}
	now := time.Now()
	for _, m := range read.page.Mutations {
		m.NotBefore = notLater(m.NotBefore, now.Add(l.policy().RetryMax)) // of whatever clock
	}
	e.versions.learn(read.versions, now)
	e.versions.unweighed = read.unweighed
	for _, m := range read.page.Mutations {
		l.breaker.delaySuspect(m)
	}
	tooLarge := e.batcher.Load(l.key, after, read.page.Mutations, read.page.More, now)
	e.versions.unweighed = nil
	if !e.batcher.Spilled(l.key) {
		e.versions.forgetLate(l.key)
	}
	for _, m := range tooLarge {
		e.refuse(m, &catalog.Problem{
			Reason: catalog.RecordTooLarge, Field: "attributes",
			Text: "the item alone is larger than one request may be",
		})
	}
	e.updateBudget()
}
