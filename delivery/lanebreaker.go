package delivery

import (
	"container/heap"
	"log/slog"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// maxRefusals is how many batches of a lane in a row may be refused as a whole,
// without one that is taken, before the lane is stopped: by then the fault is hardly
// in single records. It leaves room to find several bad ones in a batch.
const maxRefusals = 16

// triesBetween is how many tries of a stopped lane are of what was not refused alone
// yet, where there is such, for each of one that was.
const triesBetween = 3

// laneBreaker is what a lane learnt from batches that were refused as a whole. A stopped
// lane tries one from time to time and loses nothing meanwhile; one that only has
// suspects sends everything else as ever.
type laneBreaker struct {
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

// mustWait reports that the open batch may not be sent yet because its lane is stopped.
func (l *lane) mustWait(f *openBatch, now time.Time) bool {
	return l.breaker.stopped && !f.probe && l.breaker.until.After(now)
}

// probeIfStopped makes the open batch the stopped lane's try: no other is sent before the next.
func (e *Engine) probeIfStopped(f *openBatch, now time.Time) {
	if f.lane.breaker.stopped {
		e.probe(f, now)
	}
}

func (e *Engine) probe(f *openBatch, now time.Time) {
	h := &f.lane.breaker
	f.probe = true
	h.until = now.Add(h.backoff)
	h.tries++
	if h.stopped {
		e.batcher.SetPaused(f.lane.key, true)
	}
}

// observeLane learns from the answer to a POST whether the fault is the lane's.
func (e *Engine) observeLane(f *openBatch, perr *platform.Error, now time.Time) {
	tried := f.probe
	f.probe = false
	switch {
	case perr == nil:
		e.laneTakes(f, now)
	case perr.Scope == platform.ScopeBatch && !perr.TooLarge && !f.names(perr):
		e.refusedWhole(f, perr, tried, now)
	}
}

func (e *Engine) refusedWhole(f *openBatch, perr *platform.Error, tried bool, now time.Time) {
	l := f.lane
	h := &l.breaker
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
		e.lanes.watch(l)
		e.tell(l)
	}
	if h.told {
		e.showStopped(l)
	}
}

// watch has the engine look after the lane until a batch of it is taken.
func (s *lanes) watch(l *lane) {
	if !slices.Contains(s.watched, l) {
		s.watched = append(s.watched, l)
	}
}

// tell alerts people, once for as long as no batch of the lane is taken.
func (e *Engine) tell(l *lane) {
	if l.breaker.told {
		return
	}
	l.breaker.told = true
	e.log.ErrorContext(e.calls.ctx, "the platform refuses changes of a catalog and takes none: they wait, and are tried from time to time; nothing is lost meanwhile",
		slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)), slog.Bool("all", l.breaker.stopped),
		slog.Int("status", l.breaker.reason.status), slog.Int("code", l.breaker.reason.code),
		slog.Int("subcode", l.breaker.reason.subcode))
	e.showStopped(l)
}

// showStopped tells those who look at the account why its changes wait. Only the engine
// in memory goes by the breaker: a new owner finds out for itself.
func (e *Engine) showStopped(l *lane) {
	account := l.sender.account
	if account.paused {
		return // that says more
	}
	what := "a change of " + l.key.Catalog + " " + string(l.key.Type) + " is refused, and no other was taken since: "
	if l.breaker.stopped {
		what = "every batch of " + l.key.Catalog + " " + string(l.key.Type) + " is refused: "
	}
	account.state = ledger.AccountState{
		Account: account.account.Name, State: accountThrottled, ByHand: account.state.ByHand,
		Reason: what + l.breaker.words, ResumesAt: l.breaker.until,
	}
	e.jobs.saveAccount(account)
}

// hideStopped takes back what showStopped told, once no lane of the account is held.
func (e *Engine) hideStopped(account *accountState) {
	if account.paused || slices.ContainsFunc(e.lanes.watched, func(l *lane) bool { return l.sender.account == account && l.breaker.told }) {
		return
	}
	account.state = ledger.AccountState{Account: account.account.Name, State: accountActive, ByHand: account.state.ByHand}
	e.jobs.saveAccount(account)
}

// showAgain tells once more what is known of the account's lanes, after its state said
// something else for a while.
func (e *Engine) showAgain(account *accountState) {
	for _, l := range e.lanes.watched {
		if l.sender.account == account && l.breaker.told {
			e.showStopped(l)
		}
	}
}

// laneTakes forgets the refusals: a batch was taken that was sent after the first of
// them. What was refused alone meanwhile goes again at once, and will tell.
func (e *Engine) laneTakes(f *openBatch, now time.Time) {
	l := f.lane
	h := &l.breaker
	if f.lastPostNo > h.taken {
		h.taken, h.takenAt = f.lastPostNo, f.lastPost
	}
	if h.since == 0 || f.lastPostNo < h.since {
		return
	}
	stopped, told := h.stopped, h.told
	e.freeSuspects(l, now)
	l.breaker = laneBreaker{taken: h.taken, takenAt: h.takenAt, suspects: h.suspects}
	e.lanes.watched = slices.DeleteFunc(e.lanes.watched, func(other *lane) bool { return other == l })
	if stopped {
		e.batcher.SetPaused(l.key, false)
		for _, f := range e.batches.timed {
			if f.lane == l && f.phase == phaseReady {
				f.wakeAt = now
			}
		}
		heap.Init(&e.batches.timed)
	}
	if !told {
		return
	}
	e.hideStopped(l.sender.account)
	e.log.InfoContext(e.calls.ctx, "the platform takes batches of the catalog again",
		slog.String("account", l.key.Account), slog.String("catalog", l.key.Catalog), slog.String("type", string(l.key.Type)))
}

// probeStopped lets stopped lanes cut a batch for their next try, where none is open, and
// has suspects tried.
func (e *Engine) probeStopped(now time.Time) {
	for _, l := range e.lanes.watched {
		h := &l.breaker
		e.tellSuspicion(l, now)
		switch {
		case h.until.After(now):
		case !h.stopped:
			e.trySuspect(l, now)
		case e.batches.hasReady(l): // it is the next try
		case len(h.queue) > 0 && (h.tries >= triesBetween || !e.batcher.Queued(l.key)) && e.trySuspect(l, now):
			h.tries = 0
		default:
			e.batcher.SetPaused(l.key, false)
		}
	}
}

// nextTry is when the open batch may be its stopped lane's try: the smallest first, as they
// tell the most.
func (l *lane) nextTry(f *openBatch) time.Time {
	return l.breaker.until.Add(time.Duration(len(f.batch.Records)) * time.Microsecond)
}
