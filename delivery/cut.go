package delivery

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/quota"
)

// cut makes batches while there are due groups, free slots and room.
func (e *Engine) cut(ctx context.Context, now time.Time) {
	if e.life.draining || e.shut() {
		return
	}
	due := e.dueSenders(now)
	for len(due) > 0 {
		again := due[:0]
		for _, s := range due {
			if e.mayCut(s, now) && e.cutOne(ctx, s, now) {
				e.lanes.turn = s.index
				again = append(again, s)
			}
		}
		due = again
	}
	e.updateBudget()
}

// dueSenders lists the senders with something to send. The one that had the last
// slot comes last: several may share the scope whose slots they take.
func (e *Engine) dueSenders(now time.Time) []*sender {
	keys := e.batcher.Due(now)
	due := make([]*sender, 0, len(keys))
	next := 0
	for _, key := range keys {
		s := e.lanes.senders[key]
		if s.index <= e.lanes.turn {
			next++
		}
		due = append(due, s)
	}
	if next == 0 || next == len(due) {
		return due
	}
	return append(append(make([]*sender, 0, len(due)), due[next:]...), due[:next]...)
}

func (e *Engine) mayCut(s *sender, now time.Time) bool {
	return s.account.mayCall(now) && !s.again.After(now) && !e.full() &&
		e.memory.mayOpen(s.account) && s.account.open < e.maxOpen(s)
}

// mayOpen bounds the memory of open batches: an account takes at most half of what
// there is for all, and each may have one batch open, so that no account's trouble
// keeps another from sending.
func (m *memory) mayOpen(a *accountState) bool {
	return a.open == 0 || !m.budget.openFull() && !m.budget.overShare(a.openBytes) && !m.budget.unsentMuch(a.unsent)
}

// maxOpen bounds the account's open batches by what its read quota can follow:
// each is polled about once per PollMax at the longest.
func (e *Engine) maxOpen(s *sender) int {
	policy := &s.account.account.Policy
	most := openPerSlot * policy.Concurrency
	for _, l := range s.lanes {
		if rate := e.cfg.Scopes.CallsPerMinute(l.endpoint.PollScopes()); rate > 0 {
			most = min(most, max(int(rate*policy.PollMax.Minutes()), 1))
		}
	}
	return most
}

// openPerSlot bounds open batches where no read quota is known.
const openPerSlot = 16

// cutOne takes a slot and a batch to go with it.
func (e *Engine) cutOne(ctx context.Context, s *sender, now time.Time) bool {
	slot, again := e.cfg.Scopes.AcquireSince(e.life.began, s.account.account.Name, s.scopes, s.account.account.Policy.Concurrency, e.calls.wake)
	if slot == nil {
		s.again = again
		if !again.IsZero() {
			e.lanes.resting[s] = struct{}{}
			s.rested = now
		}
		return false
	}
	batch, ok := e.batcher.Cut(s.key, now)
	if !ok {
		slot.Cancel()
		return false
	}
	e.probeIfStopped(e.launch(ctx, batch, slot, now), now)
	return true
}

// launch makes an open batch of a batch that was cut, and has it recorded.
func (e *Engine) launch(ctx context.Context, batch *batcher.Batch, slot *quota.Slot, now time.Time) *openBatch {
	l := e.lanes.byKey[batch.Lane]
	f := newOpenBatch(e.cfg, ledger.NewBatchID(now), l, batch.Group, batch.Records, now)
	e.haveSlot(f, slot)
	l.sender.account.began()
	f.split()
	mutations := e.record(ctx, f)
	e.memory.flow.add(len(batch.Records), now)
	e.cfg.Observer.BatchCut(l.key, len(batch.Records), mutations, batch.Bytes, batch.Reason)
	return f
}

// split cuts down the records that say more than one record can carry; what is
// left of them goes when this much has succeeded.
func (f *openBatch) split() {
	for i := range f.batch.Records {
		record := &f.batch.Records[i]
		if first, rest := f.lane.endpoint.Split(record.Change); rest != nil {
			record.Change = first
			f.rests[i] = *rest
		}
	}
}

// record puts the open batch's batch into the next transaction; after the commit
// onRecorded sends it.
func (e *Engine) record(ctx context.Context, f *openBatch) (mutations int) {
	e.open(ctx, f)
	before := e.jobs.next.mutations
	for i := range f.batch.Records {
		e.jobs.next.note(f.batch.Records[i].Constituents...)
	}
	e.jobs.next.adds(f)
	e.jobs.next.after(func() { e.onRecorded(f) })
	return e.jobs.next.mutations - before
}

// onRecorded sends the batch: its transaction is committed.
func (e *Engine) onRecorded(f *openBatch) {
	if e.wasRefused(f) {
		return
	}
	f.recorded = true
	f.forEachConstituent(func(m *catalog.Mutation) { m.HasWaitingRow = false })
	f.to(phaseReady)
	e.step(f, time.Now())
}
