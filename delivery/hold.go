package delivery

import (
	"container/heap"
	"log/slog"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// maxRefusals is how many batches of a lane in a row may be refused as a whole, for
// the identical reason and without one that is taken, before the lane is held: by
// then the fault is hardly in single records. It leaves room to find several bad
// ones in a batch.
const maxRefusals = 16

// hold is what a lane learnt from batches that were refused as a whole. A held lane
// tries one from time to time and loses nothing meanwhile.
type hold struct {
	refusals int // in a row
	reason   refusalReason
	backoff  time.Duration
	until    time.Time // of the next try; zero: not held
}

// refusalReason tells refusals apart by what they are, never by their words.
type refusalReason struct {
	status, code, subcode int
}

func (h *hold) held() bool { return !h.until.IsZero() }

// holds reports that the flight may not be sent yet because its lane is held.
func (l *lane) holds(f *flight, now time.Time) bool {
	return l.hold.held() && !f.try && l.hold.until.After(now)
}

// beginTry makes the flight the held lane's try: no other goes before the next.
func (e *Engine) beginTry(f *flight, now time.Time) {
	h := &f.lane.hold
	if !h.held() {
		return
	}
	f.try = true
	h.until = now.Add(h.backoff)
	e.batcher.SetPaused(f.lane.key, true)
}

// judgeLane learns from the answer to a POST whether the fault is the lane's.
func (e *Engine) judgeLane(f *flight, perr *platform.Error, now time.Time) {
	f.try = false
	switch {
	case perr == nil:
		e.endHold(f.lane, now)
	case perr.Scope == platform.ScopeBatch && !perr.TooLarge && !f.names(perr):
		e.refusedWhole(f.lane, perr, now)
	}
}

func (e *Engine) refusedWhole(l *lane, perr *platform.Error, now time.Time) {
	h := &l.hold
	reason := refusalReason{status: perr.HTTPStatus, code: perr.Code, subcode: perr.Subcode}
	if reason != h.reason {
		h.refusals, h.reason = 0, reason
	}
	h.refusals++
	if h.refusals < maxRefusals {
		return
	}
	if !h.held() {
		e.held = append(e.held, l)
		e.batcher.SetPaused(l.key, true)
		e.cfg.Observer.Paused(l.key.Account, "batches refused", true)
		e.log.ErrorContext(e.callsCtx, "the platform refuses every batch of a catalog for one reason: its changes wait, and one batch is tried from time to time",
			slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)), slog.Any("error", perr))
	}
	h.backoff = min(max(2*h.backoff, firstPause), longestPause)
	h.until = now.Add(h.backoff)
	e.showHold(l, perr)
}

// showHold tells those who look at the account why its changes wait. Only the engine
// in memory goes by the hold: a new owner finds out for itself.
func (e *Engine) showHold(l *lane, perr *platform.Error) {
	account := l.sender.account
	if account.paused {
		return // that says more
	}
	account.state = ledger.AccountState{
		Account: account.account.Name, State: accountThrottled, ByHand: account.state.ByHand,
		Reason:    "every batch of " + l.key.Catalog + " " + string(l.key.Type) + " is refused: " + perr.Error(),
		ResumesAt: l.hold.until,
	}
	e.saveAccount(account)
}

// hideHold takes back what showHold told, once no lane of the account is held.
func (e *Engine) hideHold(account *accountState) {
	if account.paused || slices.ContainsFunc(e.held, func(l *lane) bool { return l.sender.account == account }) {
		return
	}
	account.state = ledger.AccountState{Account: account.account.Name, State: accountActive, ByHand: account.state.ByHand}
	e.saveAccount(account)
}

// endHold forgets the refusals: a batch was taken.
func (e *Engine) endHold(l *lane, now time.Time) {
	held := l.hold.held()
	l.hold = hold{}
	if !held {
		return
	}
	e.held = slices.DeleteFunc(e.held, func(other *lane) bool { return other == l })
	e.batcher.SetPaused(l.key, false)
	e.hideHold(l.sender.account)
	for _, f := range e.timed {
		if f.lane == l && f.phase == phaseReady {
			f.wakeAt = now
		}
	}
	heap.Init(&e.timed)
	e.cfg.Observer.Paused(l.key.Account, "batches refused", false)
	e.log.InfoContext(e.callsCtx, "the platform takes batches of the catalog again",
		slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)))
}

// tryHeld lets held lanes that have no open batch cut one for their next try.
func (e *Engine) tryHeld(now time.Time) {
	for _, l := range e.held {
		if l.open == 0 && !l.hold.until.After(now) {
			e.batcher.SetPaused(l.key, false)
		}
	}
}

// nextTry is when the flight may be its held lane's try: the smallest first, as they
// tell the most.
func (l *lane) nextTry(f *flight) time.Time {
	return l.hold.until.Add(time.Duration(len(f.batch.Records)) * time.Microsecond)
}
