package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// step moves an open batch on as far as it can go now.
func (e *Engine) step(f *openBatch, now time.Time) {
	switch f.phase {
	case phaseReady:
		e.trySend(f, now)
	case phaseFollowing:
		e.pollDue(f, now)
	case phaseSettling:
		if now.Before(f.holdUntil) {
			e.batches.schedule(f, f.holdUntil)
			return
		}
		e.conclude(f, now)
	case phaseRecording, phaseAnnouncing, phaseSending, phaseConcluding:
		// A report moves it on.
	}
}

// trySend sends the open batch if it may be sent now.
func (e *Engine) trySend(f *openBatch, now time.Time) {
	if e.shut() {
		if f.slot != nil {
			e.cancelPost(f)
		}
		e.batches.schedule(f, now.Add(idleWake))
		return
	}
	if f.slot != nil { // the first POST: its slot was taken with the cut
		if e.maySend(f, now) {
			e.post(f)
			return
		}
		e.cancelPost(f)
	}
	if e.life.draining {
		return
	}
	if f.damaged != "" {
		f.unknown = &platform.Error{Scope: platform.ScopeBatch, Message: "what the database kept of the batch cannot be read, so that it is not sent again: " + f.damaged}
		e.endFollowing(f, now)
		return
	}
	if f.torn {
		f.abandon = "its changes do not merge any more as they did when it was recorded"
		e.endFollowing(f, now)
		return
	}
	if now.Before(f.sendAt) {
		e.wait(f, now, f.sendAt, "")
		return
	}
	if f.lane.mustWait(f, now) {
		e.wait(f, now, f.lane.nextTry(f), "every batch of its catalog is refused")
		return
	}
	if !f.taken() && f.attempt > 1 && !f.unsentHalf() && e.hasNewer(f) {
		// No copy of it can have arrived and newer changes wait: sending it as it is
		// would only spend a call on what is stale.
		f.abandon = "newer changes of its items wait"
		e.conclude(f, now)
		return
	}
	account := f.lane.sender.account
	if !account.mayCall(now) {
		e.wait(f, now, account.nextLook(now), "the account is paused")
		return
	}
	if e.leavesProbe(f.lane, now) {
		e.wait(f, now, account.turnOver, "the account is paused")
		return
	}
	slot, again := e.cfg.Scopes.AcquireSince(e.life.began, f.lane.key.Account, f.lane.sender.scopes, f.lane.policy().Concurrency, e.calls.wake)
	if slot == nil {
		if again.IsZero() {
			e.batches.waitForSlot(f, f.lane.sender.scopes)
			return
		}
		e.wait(f, now, again, e.cfg.Scopes.Holds(f.lane.key.Account, f.lane.sender.scopes))
		return
	}
	e.haveSlot(f, slot)
	account.began()
	e.probeIfStopped(f, now)
	if f.attempt == 1 {
		e.post(f) // the batch row implies the first POST
		return
	}
	e.announce(f, now)
}

// announce puts the intent of a further POST into the next transaction; after the commit
// onAnnounced makes it.
func (e *Engine) announce(f *openBatch, now time.Time) {
	f.to(phaseAnnouncing)
	e.jobs.next.tx.Intents = append(e.jobs.next.tx.Intents, ledger.Intent{BatchID: f.batch.ID, Attempt: f.attempt, At: now})
	e.jobs.next.after(func() { e.onAnnounced(f) })
}

// onAnnounced makes the POST, unless a pause was told since or the database refused
// the intent.
func (e *Engine) onAnnounced(f *openBatch) {
	f.to(phaseReady)
	if e.jobs.isolated.withheld(f) {
		e.cancelPost(f)
		f.sendAt = later(f.sendAt, time.Now().Add(refusedPause))
		e.batches.schedule(f, f.sendAt)
		return
	}
	e.step(f, time.Now())
}

// cancelPost gives back the slot of a POST that was not made after all, and with it the
// account's probe, if it was one.
func (e *Engine) cancelPost(f *openBatch) {
	f.slot.Cancel()
	e.endSlot(f)
	f.lane.sender.account.probing = false
}

// haveSlot gives the open batch a slot: its messages count as unsent until endSlot.
func (e *Engine) haveSlot(f *openBatch, slot *quota.Slot) {
	f.slot, f.unsent = slot, int64(f.bytes)
	e.cfg.Budget.addUnsent(f.lane.sender.account, f.unsent)
}

// endSlot notes that the open batch's slot was given back.
func (e *Engine) endSlot(f *openBatch) {
	e.cfg.Budget.addUnsent(f.lane.sender.account, -f.unsent)
	f.slot, f.unsent = nil, 0
}

// maySend reports whether nothing was learnt since the cut that forbids the POST:
// recording may take long where the database is in trouble.
func (e *Engine) maySend(f *openBatch, now time.Time) bool {
	account := f.lane.sender.account
	return !account.state.ByHand && !f.lane.mustWait(f, now) && (!account.paused || account.probing) &&
		!e.cfg.Scopes.BlockedUntil(f.lane.sender.scopes).After(now)
}

// hasNewer reports whether newer changes of the open batch's items wait.
func (e *Engine) hasNewer(f *openBatch) bool {
	if e.batcher.Spilled(f.lane.key) {
		return true
	}
	for i := range f.batch.Records {
		if e.batcher.Waits(f.batch.Records[i].Key) {
			return true
		}
	}
	return false
}
