package lease

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Holding is a partition that this worker owns, from its acquisition until
// Release. Every holding must be released, a lost one too: until then the
// partition is not taken again, so that two lives of it never overlap in one
// process.
type Holding struct {
	Lease ledger.Lease

	manager  *Manager
	taken    time.Time // when this worker learnt that it is the owner
	before   ledger.LeaseRow
	deadline atomic.Pointer[time.Time]
	handOver chan struct{}
	lost     chan struct{}
	asked    sync.Once
	gone     sync.Once
	// releasing is set once Release was called.
	releasing atomic.Bool
}

func newHolding(manager *Manager, lease ledger.Lease, deadline time.Time) *Holding {
	h := &Holding{Lease: lease, manager: manager, taken: time.Now(), handOver: make(chan struct{}), lost: make(chan struct{})}
	h.deadline.Store(&deadline)
	return h
}

// Deadline is until when writes to a platform are allowed: no other worker can
// own the partition before. It moves with every heartbeat and is the zero time
// once the lease is lost. It carries a monotonic clock reading; compare it with
// time.Now by Before, or use MayWrite.
func (h *Holding) Deadline() time.Time { return *h.deadline.Load() }

// MayWrite reports whether a write to a platform may start now. It looks at the
// wall clock too: the monotonic clock may stand still while a machine sleeps.
func (h *Holding) MayWrite() bool {
	deadline, at := h.Deadline(), time.Now()
	return at.Before(deadline) && at.Round(0).Before(deadline.Round(0))
}

// HandOver is closed when the partition should be drained and released: another
// worker waits for it, or this one is shutting down.
func (h *Holding) HandOver() <-chan struct{} { return h.handOver }

// Lost is closed once the partition may have another owner. Nothing may be sent
// any more; fenced calls fail.
func (h *Holding) Lost() <-chan struct{} { return h.lost }

// Release gives the partition up, directly to the worker that asked for it if
// there is one. Call it once nothing of the partition is under way any more. It
// is harmless to repeat. An error means that the row could not be written: then
// the others wait for the expiry.
func (h *Holding) Release(ctx context.Context) error { return h.manager.release(ctx, h) }

// Forfeit marks the holding lost, for a caller that learnt it from a fenced call
// before the next heartbeat does. It must still be released.
func (h *Holding) Forfeit() { h.lose() }

func (h *Holding) askBack() { h.asked.Do(func() { close(h.handOver) }) }

func (h *Holding) lose() {
	h.gone.Do(func() {
		h.deadline.Store(new(time.Time))
		close(h.lost)
	})
}

func (h *Holding) isLost() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

func (h *Holding) extend(deadline time.Time) {
	for {
		known := h.deadline.Load()
		if known.IsZero() || !deadline.After(*known) {
			return
		}
		if h.deadline.CompareAndSwap(known, &deadline) {
			return
		}
	}
}
