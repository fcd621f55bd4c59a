package delivery

import (
	"container/heap"
	"context"
	"time"

	"github.com/google/uuid"
)

// openBatches are the open batches of the partition, with what each waits for.
type openBatches struct {
	byID        map[uuid.UUID]*openBatch
	timed       batchHeap               // those that wait for a time
	slotWaiters map[string][]*openBatch // wait for a slot, by scopes, first come first served
	moment      int64                   // counts POSTs that began and refusals that were heard, in their order
}

// open counts the open batch in.
func (e *Engine) open(ctx context.Context, f *openBatch) {
	e.batches.byID[f.batch.ID] = f
	f.lane.open++
	if !f.half {
		f.lane.sender.account.open++
	}
	f.lane.sender.account.openBytes += int64(f.bytes)
	e.cfg.Budget.open.Add(int64(f.bytes))
	f.startSpan(ctx, e.cfg.Tracer)
}

// close counts the open batch out, after its outcome is committed.
func (e *Engine) close(f *openBatch) {
	e.batches.unschedule(f)
	delete(e.batches.byID, f.batch.ID)
	f.lane.open--
	if !f.half {
		f.lane.sender.account.open--
	}
	f.lane.sender.account.openBytes -= int64(f.bytes)
	e.cfg.Budget.open.Add(-int64(f.bytes))
	if f.span != nil {
		f.span.End()
	}
}

// hasReady reports whether an open batch of the lane is to be sent.
func (b *openBatches) hasReady(l *lane) bool {
	for _, f := range b.byID {
		if f.lane == l && (f.phase == phaseReady || f.phase == phaseRecording || f.phase == phaseAnnouncing || f.phase == phaseSending) {
			return true
		}
	}
	return false
}

// schedule has the batch stepped at a time.
func (b *openBatches) schedule(f *openBatch, at time.Time) {
	f.wakeAt = at
	if f.heapIndex >= 0 {
		heap.Fix(&b.timed, f.heapIndex)
		return
	}
	heap.Push(&b.timed, f)
}

// unschedule forgets what the batch waits for.
func (b *openBatches) unschedule(f *openBatch) {
	if f.heapIndex >= 0 {
		heap.Remove(&b.timed, f.heapIndex)
	}
	f.slotScopes = ""
}

// due takes out the batch whose time came first; nil when none has come.
func (b *openBatches) due(now time.Time) *openBatch {
	if len(b.timed) == 0 || b.timed[0].wakeAt.After(now) {
		return nil
	}
	f, _ := heap.Pop(&b.timed).(*openBatch)
	return f
}

// batchHeap orders batches by wakeAt.
type batchHeap []*openBatch //nolint:recvcheck // container/heap wants both kinds

func (h batchHeap) Len() int { return len(h) }

func (h batchHeap) Less(i, j int) bool { return h[i].wakeAt.Before(h[j].wakeAt) }

func (h batchHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push is for container/heap.
func (h *batchHeap) Push(x any) {
	f := x.(*openBatch) //nolint:forcetypeassert // only batches are pushed
	f.heapIndex = len(*h)
	*h = append(*h, f)
}

// Pop is for container/heap.
func (h *batchHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	f.heapIndex = -1
	return f
}
