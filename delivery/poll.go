package delivery

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// pollTimeout bounds one poll. It is longer than the clients' own (see
// platform.Settings): of two that end together it would be left to chance whether
// the platform was silent or the call given up.
const pollTimeout = 2 * time.Minute

// startPolling begins to poll the handles of a POST that was taken.
func (e *Engine) startPolling(f *openBatch, attempt int, names []string, now time.Time) {
	for _, name := range names {
		delay := f.lane.policy().PollMin
		f.handles = append(f.handles, &handle{
			name: name, endpoint: f.lane.endpoint, attempt: attempt, since: now, delay: delay, nextPoll: now.Add(delay),
		})
	}
	f.to(phaseFollowing)
	e.pollDue(f, now)
}

// pollDue polls the handles whose time has come and schedules the rest.
func (e *Engine) pollDue(f *openBatch, now time.Time) {
	if e.life.draining {
		return // the next owner follows
	}
	if f.allFinal() {
		e.endFollowing(f, now)
		return
	}
	var next time.Time
	for _, h := range f.handles {
		if h.final || h.polling {
			continue
		}
		if !h.nextPoll.After(now) && !e.poll(f, h, now) {
			if f.slotScopes != "" {
				continue
			}
		}
		if !h.polling && (next.IsZero() || h.nextPoll.Before(next)) {
			next = h.nextPoll
		}
	}
	if !next.IsZero() {
		e.batches.schedule(f, next)
	}
}

// poll asks about one handle if the quota allows it now; otherwise it moves the
// handle's next poll or leaves the open batch to be woken.
func (e *Engine) poll(f *openBatch, h *handle, now time.Time) bool {
	account := f.lane.sender.account
	if !account.mayCall(now) {
		h.nextPoll = account.nextLook(now)
		return false
	}
	slot, again := e.cfg.Scopes.AcquireSince(e.life.began, f.lane.key.Account, h.endpoint.PollScopes(), pollConcurrency, e.calls.wake)
	if slot == nil {
		if again.IsZero() {
			e.batches.waitForSlot(f, h.endpoint.PollScopes())
			return false
		}
		h.nextPoll = again
		return false
	}
	h.polling, h.slot = true, slot
	account.began()
	p := &polling{storeCalls: &e.recorder.storeCalls, f: f, name: h.name, endpoint: h.endpoint, group: f.batch.Group, records: f.batch.Records, slot: slot, who: account.refusable()}
	e.spawn(func(ctx context.Context) {
		p.run(ctx)
		e.calls.report(ctx, func() { e.onPolled(f, h, p) })
	})
	return true
}

// polling is a poll under way: what its goroutine needs of the batch, and how it ended.
type polling struct {
	*storeCalls
	f        *openBatch
	name     string
	endpoint platform.Endpoint
	group    string
	records  []catalog.Record
	slot     *quota.Slot
	who      refusable

	report  platform.Report
	failure *platform.Error
	answer  string // the text of the answer, "" for none
	took    time.Duration
}

// run asks about the handle.
func (p *polling) run(ctx context.Context) {
	began := time.Now()
	call, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	call, span := p.f.startCall(call, p.cfg.Tracer, "poll")
	call, kept := platform.KeepAnswer(call)
	report, err := p.callPoll(call)
	p.report, p.failure = report, asPlatformError(err)
	p.answer = shortened(kept.Text(), p.failure == nil && report.Progress == platform.Finished)
	endCall(span, p.failure)
	p.took = time.Since(began)
	p.hear(ctx, p.slot, p.who, p.failure, quotasOf(p.report.Quotas, p.failure))
}

// callPoll asks the platform. A panic while its answer is read postpones the
// verdict, as any failed poll does.
func (p *polling) callPoll(ctx context.Context) (report platform.Report, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "reading the answer to a poll panicked; it is asked for again",
				slog.String("batch_id", p.f.batch.ID.String()), slog.String("panic", fmt.Sprint(r)))
			err = &platform.Error{Scope: platform.ScopePlatform, Unclear: true, Operation: "poll", Message: "Courier could not read the answer; please report it"}
		}
	}()
	report, err = p.endpoint.Poll(ctx, p.name, p.group, p.records)
	if err != nil {
		return report, err
	}
	if broken := report.Broken(len(p.records)); broken != "" {
		return report, &platform.Error{Scope: platform.ScopePlatform, Unclear: true, Operation: "poll", Message: broken}
	}
	return report, nil
}

// pollConcurrency caps an account's calls at a time for one more poll to be made.
const pollConcurrency = 8

// onPolled goes on after a poll.
func (e *Engine) onPolled(f *openBatch, h *handle, p *polling) {
	now, report, perr := time.Now(), &p.report, p.failure
	f.answer = cmp.Or(p.answer, f.answer)
	h.slot.Release(perr, quotasOf(report.Quotas, perr))
	h.polling, h.slot = false, nil
	e.learnFromPoll(f.lane.sender.account, perr)
	e.cfg.Observer.Polled(f.lane.key, pollLabel(*report, perr), causeLabel(perr), p.took)
	e.noteAnswer(f, h, report.Note)
	policy := f.lane.policy()
	h.delay = min(h.delay*3/2, policy.PollMax)
	h.nextPoll = now.Add(e.cfg.jitter(h.delay))
	switch {
	case perr != nil:
		e.pollFailed(f, h, perr, now)
	case report.Progress == platform.Finished:
		h.final, h.verdicts, h.incomplete, h.message = true, report.Verdicts, report.Incomplete, report.Error
		e.life.slowest = max(e.life.slowest*99/100, now.Sub(h.since))
	case report.Progress == platform.NotFound:
		e.onHandleNotFound(f, h, now)
	default:
		h.notFound, h.unclear = 0, time.Time{}
		e.giveUpHandle(f, h, now)
	}
	f.lane.sender.account.noteCall(perr, now, h.nextPoll)
	if perr == nil {
		e.pollWorks(f, h)
	}
	e.pollDue(f, now)
}

// giveUpHandle ends a handle that the platform has not finished in time. What it stands
// for may still be applied, so its items wait for settle before they go again. Only
// an answer gives a handle up: a failed poll says nothing about the batch.
func (e *Engine) giveUpHandle(f *openBatch, h *handle, now time.Time) {
	policy := f.lane.policy()
	if now.Sub(h.since) <= policy.PollGiveUp {
		return
	}
	e.log.WarnContext(e.calls.ctx, "a handle is given up: the platform did not finish it in time; its items are sent again",
		slog.String("batch_id", f.batch.ID.String()), slog.Duration("after", now.Sub(h.since)))
	h.final, h.message = true, "the platform did not finish the batch in time"
	f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(policy)))
}

// onHandleNotFound counts a definite not-found. Twice in a row ends the handle; what it
// stood for may still be applied, so newer changes wait for settle.
func (e *Engine) onHandleNotFound(f *openBatch, h *handle, now time.Time) {
	h.notFound++
	if h.notFound < 2 {
		return
	}
	h.final, h.message = true, "the platform does not know its own handle any more"
	f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(f.lane.policy())))
	e.log.WarnContext(e.calls.ctx, "the platform does not know a handle it gave; the batch's items are sent again",
		slog.String("batch_id", f.batch.ID.String()), slog.String("handle", h.name))
}

// endFollowing goes on once every known handle is final: at once, or when an
// ambiguous copy can no longer be applied.
func (e *Engine) endFollowing(f *openBatch, now time.Time) {
	if !f.allFinal() {
		f.to(phaseFollowing)
		e.pollDue(f, now)
		return
	}
	f.to(phaseSettling)
	e.step(f, now)
}

// jitter spreads polls by a tenth, so that batches cut together are not asked
// about together for ever.
func (c *Config) jitter(d time.Duration) time.Duration {
	return d - d/20 + c.spread(d/10)
}
