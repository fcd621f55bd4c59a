package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// resume takes over what the last owner left: open batches, spilled lanes and the
// states of accounts.
func (e *Engine) resume(ctx context.Context, r *ledger.Resumption) {
	now := time.Now()
	e.life.slowest = r.Slowest
	for _, recorded := range r.Recorded {
		e.reading.recordedTo = max(e.reading.recordedTo, recorded.Last)
	}
	for i := range r.Open {
		e.resumeBatch(ctx, &r.Open[i], now)
	}
	for _, key := range r.WaitingLanes {
		if e.laneOf(key) == nil {
			e.unconfigured.lanes[key] = &unconfiguredLane{since: now, words: e.resolver.resolve(key).problem.Text}
			e.unconfigured.changed = true
			continue
		}
		e.batcher.SpilledAtStart(key)
	}
	for name, saved := range r.Accounts {
		if a := e.accounts.byName[name]; a != nil {
			e.applySavedState(a, saved)
		}
	}
}

// resumeBatch takes over an open batch: it follows every known handle, and treats
// each POST without a known end as ambiguous from now on.
func (e *Engine) resumeBatch(ctx context.Context, open *ledger.OpenBatch, now time.Time) {
	l := e.laneOf(open.Lane)
	if l == nil {
		// Its account was taken out of the configuration. The batch stays open until
		// a worker knows the account again.
		e.log.WarnContext(context.Background(), "an open batch belongs to an account or catalog that is not configured; it waits",
			slog.String("batch_id", open.ID.String()), slog.String("account", open.Lane.Account))
		e.sayUnconfigured(open, now)
		e.unconfigured.open[open.ID] = open
		e.cfg.Budget.open.Add(openBytes(open))
		return
	}
	f := newOpenBatch(e.cfg, open.ID, l, open.Group, open.Records, open.CreatedAt)
	f.recorded, f.damaged = true, open.Damaged
	if f.damaged == "" {
		f.rebuild(e.log)
		f.split()
	} else {
		e.log.ErrorContext(ctx, "the payload of an open batch cannot be read: it is followed as far as it was sent, and not sent again",
			slog.String("batch_id", open.ID.String()), slog.String("account", open.Lane.Account), slog.String("problem", f.damaged))
	}
	e.batcher.MarkInFlight(f.batch.Records)
	e.open(ctx, f)
	e.resumeAttempts(f, open.Attempts, now)
	e.batches.schedule(f, now)
}

// sayUnconfigured writes down why nobody goes on with the batch. A POST without a known
// end is ambiguous, and so it is written.
func (e *Engine) sayUnconfigured(open *ledger.OpenBatch, now time.Time) {
	last := ledger.Attempt{BatchID: open.ID, Number: 1}
	if n := len(open.Attempts); n > 0 {
		last = open.Attempts[n-1]
	}
	if last.Result == 0 {
		last.Result, last.At = ledger.Ambiguous, now
	}
	why := notConfigured(open.Lane) + ": the batch waits until it is"
	if last.Error != why {
		last.Error = why
		e.amend("record why a batch waits", last)
	}
}

// rebuild merges the constituents of each record again.
func (f *openBatch) rebuild(log *slog.Logger) {
	rules := f.lane.endpoint.Rules()
	for i := range f.batch.Records {
		record := &f.batch.Records[i]
		record.Change = f.lane.effective(record.Constituents[0])
		for _, m := range record.Constituents[1:] {
			merged, ok := rules.Merge(record.Change, f.lane.effective(m))
			if !ok {
				// Only a change of the merge rules between two versions gets here: the
				// record as it is would lose what the newer ones say, so that it is not
				// sent, and its mutations go again as the present rules merge them.
				f.torn = true
				log.Error("a recorded merge is not reproducible by this version",
					slog.String("batch_id", f.batch.ID.String()), slog.String("mutation_id", m.ID))
				continue
			}
			record.Change = merged
		}
	}
}

// notLater bounds a time that was written by another worker's clock: one that was
// ahead must not have this one wait for the time to come.
func notLater(at, bound time.Time) time.Time {
	if at.After(bound) {
		return bound
	}
	return at
}

// resumeAttempts learns from what is recorded of a batch's POSTs. No wait is longer
// than it was meant to be, whatever clock wrote it down.
func (e *Engine) resumeAttempts(f *openBatch, attempts []ledger.Attempt, now time.Time) {
	// From now on, not from when it was: that was written down by another clock, and one
	// that is behind would have the wait end too early.
	ambiguous := func() { f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(f.lane.policy()))) }
	f.to(phaseReady)
	f.attempt = 1
	resend := true // the last POST was not taken as far as is known
	for _, a := range attempts {
		a.At = notLater(a.At, now)
		f.attempt = a.Number
		resend = true
		switch a.Result {
		case ledger.Accepted:
			notes, err := decodeNotes(a.Notes, len(f.batch.Records))
			if err != nil {
				e.log.Error("the notes of a POST cannot be read", slog.Any("error", err))
			}
			f.posts = append(f.posts, post{number: a.Number, notes: notes, final: len(a.Handles) == 0})
			for _, name := range a.Handles {
				f.handles = append(f.handles, &handle{
					name: name, attempt: a.Number, since: a.At, delay: f.lane.policy().PollMin, nextPoll: now,
					silence: silence{stated: a.Error != ""},
				})
			}
			resend = false
		case ledger.Ambiguous:
			ambiguous()
		case ledger.NotTaken, ledger.Unsent:
		default: // no known end: it may be on its way still
			ambiguous()
		}
	}
	if len(attempts) == 0 {
		ambiguous()
	}
	if len(f.posts) > 0 {
		// Something was accepted: that is followed first, whatever came after. Where its
		// answer was final the batch only needs its end.
		f.to(phaseFollowing)
		resend = false
	}
	if resend {
		f.attempt++
		// What a batch waited for that was never sent is looked at again: a quota that was
		// expected to be used up for an hour may be free.
		if last := len(attempts) - 1; last >= 0 && attempts[last].Result != ledger.Unsent {
			last := &attempts[last]
			f.sendAt = notLater(last.NextAt, now.Add(last.NextAt.Sub(last.At)))
		}
	}
}
