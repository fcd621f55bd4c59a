package delivery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// failingShownAfter is for how long no call of an account must have got a usable answer
	// before it is shown as failing: one that works again with the next try is not.
	failingShownAfter = 5 * time.Second
	// failingShownAgain is how often the words and the next try of an account that fails
	// are written at most, succeededShown the time of the last success.
	failingShownAgain = 5 * time.Second
	succeededShown    = 30 * time.Second
	// pacedShown is the shortest wait for a quota's pace that is shown: shorter ones come
	// and go with each batch. pacedShownAgain is how far the moment must have moved.
	pacedShown      = 30 * time.Second
	pacedShownAgain = 5 * time.Second
)

// accountHealth is how the calls of an account go, for people.
type accountHealth struct {
	now     ledger.AccountHealth
	shown   ledger.AccountHealth
	shownAt time.Time // zero: nothing was written by this owner
}

// noteCall takes in how a call ended. next is when the platform is called again after a
// failure, as far as is known. What the platform says of a batch, an item, a quota or the
// account is an answer: it is there, and the account's state tells the rest.
func (a *accountState) noteCall(perr *platform.Error, now, next time.Time) {
	h := &a.health.now
	switch {
	case perr == nil:
		*h = ledger.AccountHealth{Account: a.account.Name, SucceededAt: now}
	case perr.Scope == platform.ScopeCaller:
	case perr.Scope == platform.ScopePlatform || perr.Ambiguous:
		if h.FailingSince.IsZero() {
			h.FailingSince = now
		}
		h.Account, h.Reason, h.NextTry = a.account.Name, perr.Error(), next
	default:
		*h = ledger.AccountHealth{Account: a.account.Name, SucceededAt: h.SucceededAt}
	}
}

// pacedDue reports that the pace which is shown is not the one that holds. A moment that
// has passed is over without a word.
func (h *accountHealth) pacedDue(now time.Time) bool {
	long, shown := h.now.PacedUntil.Sub(now) >= pacedShown, h.shown.PacedUntil.After(now.Add(pacedShownAgain))
	switch {
	case long && shown:
		return h.now.PacedUntil.Sub(h.shown.PacedUntil).Abs() >= pacedShownAgain && now.Sub(h.shownAt) >= failingShownAgain
	case long:
		return true
	default:
		return shown && h.now.PacedUntil.IsZero()
	}
}

// notePace takes in until when the pace within a quota holds up what each account has to
// send: the first of its senders with something to send, or of its batches that were refused,
// that asks for a slot again.
func (e *Engine) notePace(now time.Time) {
	withheld, until := e.withheld(now)
	for _, a := range e.accounts.byName {
		h := &a.health.now
		if h.PacedUntil, h.PacedBy, h.Withheld = until, "", withheld; withheld != "" {
			h.Account = a.account.Name
		}
	}
	if withheld != "" {
		return
	}
	for _, s := range e.dueSenders(now) {
		e.notePaced(s, s.again, now)
	}
	for _, f := range e.batches.timed {
		if f.waits() {
			e.notePaced(f.lane.sender, f.wakeAt, now)
		}
	}
}

// notePaced notes that the sender asks for a slot again at a time, where a quota is why.
func (e *Engine) notePaced(s *sender, again, now time.Time) {
	h := &s.account.health.now
	if !again.After(now) || !s.account.mayCall(now) || !h.PacedUntil.IsZero() && !again.Before(h.PacedUntil) {
		return
	}
	if scope := e.cfg.Scopes.Paces(s.scopes); scope != "" {
		h.Account, h.PacedUntil, h.PacedBy = s.account.account.Name, again, scope
	}
}

// withheld says why nothing of the partition is sent for long, and until when as far as is
// known; "" where it is sent.
func (e *Engine) withheld(now time.Time) (why string, until time.Time) {
	if !e.life.quiet {
		return "", time.Time{}
	}
	// What prolongs it is not known here.
	const more = pacedShown + 2*pacedShownAgain
	return "the database may have lost its last commits: nothing is sent until what was sent and forgotten can no longer be applied",
		later(e.life.began.Add(e.cfg.Quiet), now.Add(more))
}

// due reports that people are shown something that is not so any more.
func (h *accountHealth) due(now time.Time) bool {
	if h.now.Account == "" {
		return false
	}
	failing := !h.now.FailingSince.IsZero()
	switch {
	case h.pacedDue(now):
		return true
	case failing && h.shown.FailingSince.IsZero():
		return now.Sub(h.now.FailingSince) >= failingShownAfter
	case failing:
		return now.Sub(h.shownAt) >= failingShownAgain && (h.now.Reason != h.shown.Reason || !h.now.NextTry.Equal(h.shown.NextTry))
	case h.shownAt.IsZero() || !h.shown.FailingSince.IsZero():
		return true // whatever the last owner left
	default:
		return h.now.SucceededAt.After(h.shown.SucceededAt) && now.Sub(h.shownAt) >= succeededShown
	}
}

// showHealth writes how the calls of accounts go where that changed, one call to the
// store at a time.
func (e *Engine) showHealth(now time.Time) {
	if e.accounts.showing || now.Sub(e.accounts.lastShow) < gaugeInterval {
		return
	}
	e.accounts.lastShow = now
	e.notePace(now)
	var due []ledger.AccountHealth
	for _, a := range e.accounts.byName {
		if a.health.due(now) {
			a.health.shown, a.health.shownAt = a.health.now, now
			due = append(due, a.health.now)
		}
	}
	strays, changed := e.unconfigured.toShow(e.cfg.UnknownAccountGrace)
	if len(due) == 0 && !changed {
		return
	}
	e.accounts.showing = true
	e.spawn(func(ctx context.Context) {
		err := e.recorder.show(ctx, due, strays, changed)
		e.calls.report(ctx, func() {
			e.accounts.showing = false
			if err != nil && !errors.Is(err, ledger.ErrRejected) {
				e.fail(err)
			}
		})
	})
}

// show writes what people are shown.
func (s *storeCalls) show(ctx context.Context, accounts []ledger.AccountHealth, strays []ledger.StrayLane, changed bool) error {
	var err error
	if len(accounts) > 0 {
		err = s.retryStore(ctx, "save how calls go", func(ctx context.Context) error { return s.cfg.Store.SaveHealth(ctx, s.cfg.Lease, accounts) })
	}
	if changed && (err == nil || errors.Is(err, ledger.ErrRejected)) {
		err = errors.Join(err, s.retryStore(ctx, "save which lanes are not configured", func(ctx context.Context) error {
			return s.cfg.Store.SaveStrays(ctx, s.cfg.Lease, strays)
		}))
	}
	if errors.Is(err, ledger.ErrRejected) {
		s.log.ErrorContext(ctx, "the database refuses what account_status shows of accounts: it may be old", slog.Any("error", err))
	}
	return err
}
