package delivery

import (
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// pollsStatedAfter is from when on it is written down that the polls of a handle
	// fail: before that it is hardly worth a call to the store.
	pollsStatedAfter = 10 * time.Minute
	// untoldAfter is for how long a handle is followed whose polls fail, although the
	// account's POSTs are taken; untoldAtLast, while nobody knows whether they would be
	// and no account is refused. poll.give_up, where longer, takes the place of a day.
	untoldAfter  = 24 * time.Hour
	untoldAtLast = 3 // times as long
)

// silence is what a handle has not told since its polls began to fail.
type silence struct {
	since  time.Time // of the first failed poll since the last that told something; zero: none failed
	works  time.Time // when the account's POSTs were first seen to be taken all the same
	stated bool      // it was written down
	pauses int       // polls of the handle that were refused for its account
}

// ofHandle reports that a failed poll is the answer to one handle: it says nothing
// about the account.
func ofHandle(perr *platform.Error) bool {
	return perr != nil && (perr.Scope == platform.ScopeBatch || perr.Scope == platform.ScopeItem)
}

// learnFromPoll learns from a poll whether the account works.
func (e *Engine) learnFromPoll(a *accountState, perr *platform.Error) {
	if ofHandle(perr) {
		a.probing = false
		return
	}
	e.learnFromPost(a, perr)
}

// yield has the next poll of a handle that was refused for its account come a while
// after the pause: another call tries the account first, if there is one, as the
// refusal may be about this handle alone. So one handle takes little of the account's
// time.
func (h *handle) yield(a *accountState, now time.Time) {
	h.silence.pauses++
	const (
		few       = 3 // a token is refused to many handles for a while: that says little of each
		doublings = 6 // up to longestPause
	)
	wait := firstPause << min(max(h.silence.pauses-few, 0), doublings)
	h.nextPoll = later(now, a.state.ResumesAt).Add(min(wait, longestPause))
}

// pollFailed postpones the verdict: a failed poll says nothing about the batch, so
// that nothing is sent again for it. What makes no sense, or is said of this handle
// alone, ends the handle in poll.give_up; other failures end it in days.
func (e *Engine) pollFailed(f *openBatch, h *handle, perr *platform.Error, now time.Time) {
	if perr.Scope == platform.ScopeCaller {
		return
	}
	e.log.DebugContext(e.calls.ctx, "a poll failed", slog.String("batch_id", f.batch.ID.String()), slog.Any("error", perr))
	if perr.RetryAfter > 0 {
		h.nextPoll = now.Add(perr.RetryAfter)
	}
	if h.silence.since.IsZero() {
		h.silence.since = now
	}
	switch {
	case perr.Unclear:
		e.unclearPoll(f, h, "the platform's answers about the batch make no sense: "+perr.Message, now)
	case ofHandle(perr):
		e.unclearPoll(f, h, "the platform refuses to tell of the batch: "+perr.Error(), now)
	case perr.Scope == platform.ScopeAccount:
		h.yield(f.lane.sender.account, now)
	}
	if h.final {
		return
	}
	e.endSilence(f, h, perr, now)
	if !h.silence.stated && now.Sub(h.silence.since) >= pollsStatedAfter {
		h.silence.stated = true
		e.sayPolls(f, h, "taken; since "+h.silence.since.UTC().Format(ledger.MomentLayout)+" polls fail: "+perr.Error())
	}
}

// pollWorks notes that a poll told something.
func (e *Engine) pollWorks(f *openBatch, h *handle) {
	if h.silence.stated {
		e.sayPolls(f, h, "")
	}
	h.silence = silence{}
}

// unclearPoll ends a handle of which the answers told nothing for PollGiveUp. Its
// items are sent again: what the platform made of them it does not say.
func (e *Engine) unclearPoll(f *openBatch, h *handle, why string, now time.Time) {
	if h.unclear.IsZero() {
		h.unclear = now
	}
	policy := f.lane.policy()
	if now.Sub(h.unclear) <= policy.PollGiveUp {
		return
	}
	e.log.WarnContext(e.calls.ctx, "a handle is given up: the answers about it tell nothing; its items are sent again",
		slog.String("batch_id", f.batch.ID.String()), slog.Duration("after", now.Sub(h.since)))
	h.final, h.message = true, why
	f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(policy)))
}

// endSilence ends a handle whose polls have failed for very long: its items are not
// sent again, as nobody says that they were not applied, and end unconfirmed. It needs
// the account's POSTs to be taken while polls go on failing, or three times as long:
// in a mere outage there is nothing to do but to wait.
func (e *Engine) endSilence(f *openBatch, h *handle, perr *platform.Error, now time.Time) {
	s, account, giveUpHandle := &h.silence, f.lane.sender.account, f.lane.policy().PollGiveUp
	if s.works.IsZero() && account.took.After(s.since.Add(giveUpHandle)) {
		s.works = now
	}
	age, enough := now.Sub(h.since), max(untoldAfter, giveUpHandle)
	switch {
	case now.Sub(s.since) <= giveUpHandle: // an owner that has just begun knows little
		return
	case age > enough && !s.works.IsZero() && now.Sub(s.works) >= longestPause:
	case age > untoldAtLast*enough && perr.Scope != platform.ScopeAccount:
	default:
		return
	}
	e.log.ErrorContext(e.calls.ctx, "the platform took a batch and does not tell what became of it: its items are unconfirmed",
		slog.String("batch_id", f.batch.ID.String()), slog.String("account", f.batch.Lane.Account), slog.Duration("after", age), slog.Any("error", perr))
	h.final, h.message = true, "the platform took the batch, and polls about it fail: "+perr.Error()
	f.untold = perr
}

// sayPolls writes down, with the POST that got the handle, why nothing is known of it.
func (e *Engine) sayPolls(f *openBatch, h *handle, why string) {
	for _, p := range f.posts {
		if p.number != h.attempt {
			continue
		}
		attempt := ledger.Attempt{BatchID: f.batch.ID, Number: p.number, Result: ledger.Accepted, At: h.since, Error: why, Notes: encodeNotes(p.notes)}
		for _, other := range f.handles {
			if other.attempt == p.number {
				attempt.Handles = append(attempt.Handles, other.name)
			}
		}
		e.amend("record why polls fail", attempt)
	}
}
