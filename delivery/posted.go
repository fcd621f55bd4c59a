package delivery

import (
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

// onPosted goes on after a POST whose result is recorded.
func (e *Engine) onPosted(f *openBatch, submission platform.Submission, perr *platform.Error, took time.Duration) {
	now := time.Now()
	if unsent(perr) {
		e.cancelPost(f)
	} else {
		f.slot.Release(perr, quotasOf(submission.Quotas, perr))
		e.endSlot(f)
		if perr != nil && perr.Scope == platform.ScopeAccount {
			f.lane.sender.account.refused = f.lane
		}
		e.learnFromPost(f.lane.sender.account, perr)
		f.heardRefusal(e, perr, now)
		e.observeLane(f, perr, now)
	}
	e.cfg.Observer.Submitted(f.lane.key, resultLabel(perr), causeLabel(perr), took)
	if perr == nil {
		f.resend.Reset()
		f.lane.sender.account.took = f.lastPost
		f.lane.sender.account.noteCall(nil, now, time.Time{})
		f.posts = append(f.posts, post{number: f.attempt, notes: submission.Verdicts, final: submission.Final})
		e.noteAnswer(f, nil, submission.Note)
		if submission.Final {
			e.endFollowing(f, now) // there is nothing to poll
			return
		}
		e.startPolling(f, f.attempt, submission.Handles, now)
		return
	}
	if perr.Scope != platform.ScopeCaller {
		e.log.InfoContext(e.calls.ctx, "a POST failed", slog.String("batch_id", f.batch.ID.String()),
			slog.String("account", f.batch.Lane.Account), slog.Int("attempt", f.attempt),
			slog.String("scope", perr.Scope.String()), slog.Any("error", perr))
	}
	e.onPostFailed(f, perr, now)
	if !unsent(perr) {
		f.lane.sender.account.noteCall(perr, now, f.sendAt)
	}
}

// heardRefusal notes when the batch was refused.
func (f *openBatch) heardRefusal(e *Engine, perr *platform.Error, now time.Time) {
	if perr == nil || perr.Scope != platform.ScopeBatch {
		return
	}
	e.batches.moment++
	f.refusedLast, f.refusedAt = e.batches.moment, now
	if reason := reasonOf(perr); f.refusedFirst == 0 || f.refusedFor != reason {
		f.refusedFirst, f.refusedFor = e.batches.moment, reason
	}
}

// onPostFailed decides what becomes of a batch whose POST failed.
func (e *Engine) onPostFailed(f *openBatch, perr *platform.Error, now time.Time) {
	f.to(phaseReady)
	if perr.Ambiguous {
		f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(f.lane.policy())))
	}
	switch {
	case perr.Scope == platform.ScopeBatch || perr.Scope == platform.ScopeItem:
		f.refusal = perr
		e.endFollowing(f, now)
	case perr.Scope == platform.ScopeCaller:
		if perr.Ambiguous {
			f.attempt++
		}
		e.batches.schedule(f, now.Add(f.lane.policy().RetryMin))
	case f.unclearPost(perr):
		f.unknown = perr
		e.endFollowing(f, now)
	default:
		f.attempt++
		f.sendAt = now.Add(max(perr.RetryAfter, f.resend.NextBackOff()))
		e.batches.schedule(f, f.sendAt)
	}
}

// unclearPost counts an answer that does not say what became of the POST. An outage
// only postpones; whom such an answer meets each time would be sent for ever.
func (f *openBatch) unclearPost(perr *platform.Error) bool {
	if perr.Unclear {
		f.unclear++
	}
	return perr.Unclear && f.unclear >= f.lane.policy().MaxAttempts
}

// settle is how long an ambiguous copy of a batch may still be applied.
func (l *life) settle(policy *Policy) time.Duration {
	return Settle(policy.Settle, l.slowest)
}

// Settle is how long an ambiguous copy of a batch may still be applied: fixed, where it
// is set, else three times the slowest recent batch, 2 to 30 minutes.
func Settle(fixed, slowest time.Duration) time.Duration {
	if fixed > 0 {
		return fixed
	}
	return min(max(3*slowest, 2*time.Minute), 30*time.Minute)
}
