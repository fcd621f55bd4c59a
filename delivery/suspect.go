package delivery

import (
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// suspect is an item whose record was refused alone, for a reason that is not known
// to be about records, while nothing else of its lane was taken: it may as well be
// the account, the app or the catalog that is refused. It waits, uses up no attempt,
// and holds up nothing but its own item. Suspects of a lane are tried one at a time,
// in turn, at growing intervals; once any other batch of the lane is taken they all
// go again, and one that is refused then is bad.
//
// They are kept in memory: a new owner knows of none, so that it takes longer to give
// a record up and never gives one up that this owner would not.
type suspect struct {
	refused int64 // the moment when it was refused first, alone or with others, since a batch was taken
	reason  refusalReason
	free    bool // another batch was taken since: it goes as any other change does
}

const (
	// maxSuspects bounds what a lane remembers. More than that are tried again by the
	// delay in their rows.
	maxSuspects = 10_000
	// suspectDelay keeps a suspect in memory from being cut by itself. Its row has the
	// lane's present interval, for a new owner.
	suspectDelay = 10_000 * time.Hour
	// evidenceHolds is for how long a batch that was taken speaks for its lane: the
	// refusals may have begun again.
	evidenceHolds = 5 * time.Minute
	// soon is within what time an open batch is about to be sent.
	soon = 10 * time.Second
)

// inCompany reports that the lane took another batch after the record was refused
// first, and that this was known before the record was sent and refused once more: so
// the fault is the record's. Where both were under way together, the refusals of the
// account may have ended between them.
func (f *openBatch) inCompany(i int) bool {
	h := &f.lane.breaker
	since := f.refusedFirst
	if s := h.suspects[f.batch.Records[i].Key]; s != nil && s.reason == f.refusedFor {
		since = min(since, s.refused) // what it was refused for before says nothing of another reason
	}
	return f.lastTaken > since && f.refusedAt.Sub(f.lastTakenAt) < evidenceHolds
}

// tellsNothingNew reports that the refusal of the open batch says no more of its lane than
// is known: it is a suspect that was tried again, or nothing but records that were
// refused before the lane took others.
func (f *openBatch) tellsNothingNew() bool {
	for i := range f.batch.Records {
		s := f.lane.breaker.suspects[f.batch.Records[i].Key]
		if s == nil || s.free && !f.inCompany(i) || !s.free && len(f.batch.Records) > 1 {
			return false
		}
	}
	return true
}

// suspect keeps returned mutations of a record that was refused alone, before the
// batcher gets them.
func (e *Engine) suspect(f *openBatch, key catalog.ItemKey, returned []*catalog.Mutation) {
	l := f.lane
	h := &l.breaker
	s := h.suspects[key]
	if s == nil && len(h.suspects) >= maxSuspects {
		return
	}
	if s == nil {
		s = &suspect{}
		if h.suspects == nil {
			h.suspects = map[catalog.ItemKey]*suspect{}
		}
		h.suspects[key] = s
	}
	s.refused, s.reason, s.free = f.refusedFirst, f.refusedFor, h.taken > f.refusedFirst
	delay := suspectDelay
	if s.free {
		delay = 0
	} else if !slices.Contains(h.queue, key) {
		h.queue = append(h.queue, key)
	}
	setDelay(returned, delay)
	if s.free {
		return
	}
	if h.backoff == 0 {
		h.backoff, h.until = firstPause, time.Now().Add(firstPause)
	}
	e.lanes.watch(l)
}

func setDelay(ms []*catalog.Mutation, delay time.Duration) {
	var notBefore time.Time
	if delay > 0 {
		notBefore = time.Now().Add(delay)
	}
	for _, m := range ms {
		m.NotBefore = notBefore
	}
}

// delaySuspect gives a mutation that is read back the delay that it had in memory.
func (h *laneBreaker) delaySuspect(m *catalog.Mutation) {
	switch s := h.suspects[m.Key()]; {
	case s == nil:
	case s.free:
		setDelay([]*catalog.Mutation{m}, 0)
	default:
		setDelay([]*catalog.Mutation{m}, suspectDelay)
	}
}

// freeSuspects lets all suspects of the lane go.
func (e *Engine) freeSuspects(l *lane, now time.Time) {
	for _, key := range l.breaker.queue {
		if s := l.breaker.suspects[key]; s != nil {
			s.free = true
			e.batcher.Hasten(key, now)
		}
	}
}

// clear forgets that the item was suspected: something was learnt of it, or it has
// something else to say.
func (h *laneBreaker) clear(key catalog.ItemKey) (was bool) {
	if _, was = h.suspects[key]; was {
		delete(h.suspects, key)
		h.queue = slices.DeleteFunc(h.queue, func(other catalog.ItemKey) bool { return other == key })
	}
	return was
}

// sayMore lets a suspect go at once that has a newer change: it may be the correction.
func (e *Engine) sayMore(l *lane, key catalog.ItemKey, now time.Time) {
	if s := l.breaker.suspects[key]; s == nil || s.free || !e.batcher.Hasten(key, now) {
		return
	}
	l.breaker.clear(key)
}

// trySuspect sends the suspect whose turn it is, alone. It reports whether it is to
// be waited for.
func (e *Engine) trySuspect(l *lane, now time.Time) bool {
	h, s := &l.breaker, l.sender
	if !e.nextSuspect(h) {
		return false
	}
	if e.life.draining || !e.mayCut(s, now) {
		return true
	}
	slot, _ := e.cfg.Scopes.Acquire(s.account.account.Name, s.scopes, s.account.account.Policy.Concurrency, e.calls.wake)
	if slot == nil {
		return true
	}
	key := h.queue[0]
	h.queue = append(h.queue[1:], key)
	batch, ok := e.batcher.CutItem(key, now)
	if !ok {
		// It waits for another change of its family, which may be in memory for a moment
		// only: it is looked at again with each report.
		slot.Cancel()
		return false
	}
	e.probe(e.launch(e.calls.ctx, batch, slot, now), now)
	return true
}

// nextSuspect brings a suspect that waits in memory to the front of the queue, if
// there is one among the first. Others are in flight, or in the database: loading them
// has them looked for again.
func (e *Engine) nextSuspect(h *laneBreaker) bool {
	const most = 64
	for range min(len(h.queue), most) {
		if e.batcher.Waits(h.queue[0]) {
			return true
		}
		h.queue = append(h.queue[1:], h.queue[0])
	}
	return false
}

// tellSuspicion alerts people of a lane with suspects, once no other batch of it is
// about to be answered that could clear it.
func (e *Engine) tellSuspicion(l *lane, now time.Time) {
	if l.breaker.told || len(l.breaker.queue) == 0 {
		return
	}
	for _, f := range e.batches.byID {
		if f.lane != l {
			continue
		}
		switch f.phase {
		case phaseSending, phaseRecording, phaseAnnouncing:
			return
		case phaseReady:
			if f.wakeAt.Before(now.Add(soon)) {
				return
			}
		case phaseFollowing, phaseSettling, phaseConcluding:
		}
	}
	e.tell(l)
}
