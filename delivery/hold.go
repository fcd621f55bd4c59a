package delivery

import (
	"container/heap"
	"log/slog"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// maxRefusals is how many batches of a lane in a row may be refused as a whole,
// without one that is taken, before the lane is stopped: by then the fault is hardly
// in single records. It leaves room to find several bad ones in a batch.
const maxRefusals = 16

// triesBetween is how many tries of a stopped lane are of what was not refused alone
// yet, where there is such, for each of one that was.
const triesBetween = 3

// hold is what a lane learnt from batches that were refused as a whole. A stopped
// lane tries one from time to time and loses nothing meanwhile; one that only has
// suspects sends everything else as ever.
type hold struct {
	refusals int // in a row, those of suspects that were tried again apart
	reason   refusalReason
	since    int64 // the moment of the first of them; 0: none since a batch was taken
	stopped  bool
	told     bool // people were told
	backoff  time.Duration
	until    time.Time // of the next try: of any batch where the lane is stopped, else of a suspect
	words    string    // of the last refusal

	// taken is the moment when the last POST that was taken began, takenAt its time.
	taken   int64
	takenAt time.Time

	suspects map[catalog.ItemKey]*suspect
	queue    []catalog.ItemKey // the suspects that wait for a try, least recently tried first
	tries    int               // of the stopped lane since the last of a suspect
}

// refusalReason tells refusals apart by what they are, never by their words.
type refusalReason struct {
	status, code, subcode int
}

func reasonOf(perr *platform.Error) refusalReason {
	return refusalReason{status: perr.HTTPStatus, code: perr.Code, subcode: perr.Subcode}
}

func (h *hold) held() bool { return h.stopped }

// holds reports that the flight may not be sent yet because its lane is stopped.
func (l *lane) holds(f *flight, now time.Time) bool {
	return l.hold.held() && !f.try && l.hold.until.After(now)
}

// beginTry makes the flight the stopped lane's try: no other is sent before the next.
func (e *Engine) beginTry(f *flight, now time.Time) {
	if f.lane.hold.held() {
		e.try(f, now)
	}
}

func (e *Engine) try(f *flight, now time.Time) {
	h := &f.lane.hold
	f.try = true
	h.until = now.Add(h.backoff)
	h.tries++
	if h.stopped {
		e.batcher.SetPaused(f.lane.key, true)
	}
}

// judgeLane learns from the answer to a POST whether the fault is the lane's.
func (e *Engine) judgeLane(f *flight, perr *platform.Error, now time.Time) {
	tried := f.try
	f.try = false
	switch {
	case perr == nil:
		e.laneTakes(f, now)
	case perr.Scope == platform.ScopeBatch && !perr.TooLarge && !f.names(perr):
		e.refusedWhole(f, perr, tried, now)
	}
}

func (e *Engine) refusedWhole(f *flight, perr *platform.Error, tried bool, now time.Time) {
	l := f.lane
	h := &l.hold
	reason := reasonOf(perr)
	if perr.OfRecords && reason != h.reason {
		h.refusals = 0 // one kind of bad value after another is no fault of the lane
	}
	h.reason, h.words = reason, perr.Error()
	if h.since == 0 {
		h.since = f.refusedLast
	}
	if !f.tellsNothingNew() {
		h.refusals++
	}
	if tried || h.refusals >= maxRefusals && !h.stopped {
		h.backoff = min(max(2*h.backoff, firstPause), longestPause)
		h.until = now.Add(h.backoff)
	}
	if h.refusals >= maxRefusals && !h.stopped {
		h.stopped = true
		e.batcher.SetPaused(l.key, true)
		e.watch(l)
		e.tell(l)
	}
	if h.told {
		e.showHold(l)
	}
}

// watch has the engine look after the lane until a batch of it is taken.
func (e *Engine) watch(l *lane) {
	if !slices.Contains(e.held, l) {
		e.held = append(e.held, l)
	}
}

// tell alerts people, once for as long as no batch of the lane is taken.
func (e *Engine) tell(l *lane) {
	if l.hold.told {
		return
	}
	l.hold.told = true
	e.cfg.Observer.Paused(l.key.Account, "batches refused", true)
	e.log.ErrorContext(e.callsCtx, "the platform refuses changes of a catalog and takes none: they wait, and are tried from time to time; nothing is lost meanwhile",
		slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)), slog.Bool("all", l.hold.stopped),
		slog.Int("status", l.hold.reason.status), slog.Int("code", l.hold.reason.code),
		slog.Int("subcode", l.hold.reason.subcode))
	e.showHold(l)
}

// showHold tells those who look at the account why its changes wait. Only the engine
// in memory goes by the hold: a new owner finds out for itself.
func (e *Engine) showHold(l *lane) {
	account := l.sender.account
	if account.paused {
		return // that says more
	}
	what := "a change of " + l.key.Catalog + " " + string(l.key.Type) + " is refused, and no other was taken since: "
	if l.hold.stopped {
		what = "every batch of " + l.key.Catalog + " " + string(l.key.Type) + " is refused: "
	}
	account.state = ledger.AccountState{
		Account: account.account.Name, State: accountThrottled, ByHand: account.state.ByHand,
		Reason: what + l.hold.words, ResumesAt: l.hold.until,
	}
	e.saveAccount(account)
}

// hideHold takes back what showHold told, once no lane of the account is held.
func (e *Engine) hideHold(account *accountState) {
	if account.paused || slices.ContainsFunc(e.held, func(l *lane) bool { return l.sender.account == account && l.hold.told }) {
		return
	}
	account.state = ledger.AccountState{Account: account.account.Name, State: accountActive, ByHand: account.state.ByHand}
	e.saveAccount(account)
}

// showAgain tells once more what is known of the account's lanes, after its state said
// something else for a while.
func (e *Engine) showAgain(account *accountState) {
	for _, l := range e.held {
		if l.sender.account == account && l.hold.told {
			e.showHold(l)
		}
	}
}

// laneTakes forgets the refusals: a batch was taken that was sent after the first of
// them. What was refused alone meanwhile goes again at once, and will tell.
func (e *Engine) laneTakes(f *flight, now time.Time) {
	l := f.lane
	h := &l.hold
	if f.lastPostNo > h.taken {
		h.taken, h.takenAt = f.lastPostNo, f.lastPost
	}
	if h.since == 0 || f.lastPostNo < h.since {
		return
	}
	stopped, told := h.stopped, h.told
	e.freeSuspects(l, now)
	l.hold = hold{taken: h.taken, takenAt: h.takenAt, suspects: h.suspects}
	e.held = slices.DeleteFunc(e.held, func(other *lane) bool { return other == l })
	if stopped {
		e.batcher.SetPaused(l.key, false)
		for _, f := range e.timed {
			if f.lane == l && f.phase == phaseReady {
				f.wakeAt = now
			}
		}
		heap.Init(&e.timed)
	}
	if !told {
		return
	}
	e.hideHold(l.sender.account)
	e.cfg.Observer.Paused(l.key.Account, "batches refused", false)
	e.log.InfoContext(e.callsCtx, "the platform takes batches of the catalog again",
		slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)))
}

// tryHeld lets stopped lanes cut a batch for their next try, where none is open, and
// has suspects tried.
func (e *Engine) tryHeld(now time.Time) {
	for _, l := range e.held {
		h := &l.hold
		e.tellSuspicion(l, now)
		switch {
		case h.until.After(now):
		case !h.stopped:
			e.trySuspect(l, now)
		case e.hasReady(l): // it is the next try
		case len(h.queue) > 0 && (h.tries >= triesBetween || !e.batcher.Queued(l.key)) && e.trySuspect(l, now):
			h.tries = 0
		default:
			e.batcher.SetPaused(l.key, false)
		}
	}
}

// hasReady reports whether an open batch of the lane is to be sent.
func (e *Engine) hasReady(l *lane) bool {
	for _, f := range e.flights {
		if f.lane == l && (f.phase == phaseReady || f.phase == phaseRecording || f.phase == phaseAnnouncing || f.phase == phaseSending) {
			return true
		}
	}
	return false
}

// nextTry is when the flight may be its stopped lane's try: the smallest first, as they
// tell the most.
func (l *lane) nextTry(f *flight) time.Time {
	return l.hold.until.Add(time.Duration(len(f.batch.Records)) * time.Microsecond)
}
