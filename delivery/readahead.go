package delivery

import "time"

const (
	// steadyFlow is from how many records a second on reading waits for sending. A
	// flood that is sent more slowly than this is taken aside instead, which Postgres
	// does a few times faster: other accounts of the partition are behind it in the
	// stream.
	steadyFlow = 1_000
	// busyFlow is how many records a second of all engines together tell that the
	// machine is the bound, not a platform: then one that gets a fair share of it is
	// steady too, as taking aside would only take from what is sent.
	busyFlow = 10_000
	// flowPeriod is over what time a flow is measured. A machine that is short of
	// processor time may send its large batches seconds apart: it least of all can
	// afford to write them twice.
	flowPeriod = 5 * time.Second
	// readAhead is how many seconds' worth of a steady flow are read before they can
	// be sent. It stays well below RecordWithin: what is in memory for longer gets a
	// waiting row first and is written twice, which costs several times as much.
	readAhead = 2
	// batchesAhead is how many of the largest batches are read ahead for each group at most:
	// one is cut while the next comes in, and what is more would only take memory.
	batchesAhead = 2
	// leastAhead is what is read ahead in any case, or one of the largest batches.
	leastAhead = 1_000
)

// throughput measures how many records are being cut: in this period so far, or in the
// period before it if that were more.
type throughput struct {
	began   time.Time
	count   int
	before  int
	since   time.Time // arrivals come since, after a rest; zero: never
	arrived time.Time // the last time
}

// arrivals notes that something was read.
func (t *throughput) arrivals(now time.Time) {
	if now.Sub(t.arrived) >= 2*flowPeriod {
		t.since = now
	}
	t.arrived = now
}

// young reports that arrivals came so recently that what is cut of them says nothing.
func (t *throughput) young(now time.Time) bool { return now.Sub(t.since) < flowPeriod }

func (t *throughput) add(records int, now time.Time) {
	t.turn(now)
	t.count += records
}

func (t *throughput) perSecond(now time.Time) int {
	t.turn(now)
	return max(t.count, t.before) / int(flowPeriod/time.Second)
}

func (t *throughput) turn(now time.Time) {
	passed := now.Sub(t.began)
	switch {
	case passed < flowPeriod:
		return
	case passed < 2*flowPeriod:
		t.before = t.count
	default:
		t.before = 0
	}
	t.began, t.count = now, 0
}

// steady reports that as much is being sent as can be, or may be: nobody knows yet.
func (m *memory) steady(now time.Time) bool {
	own := m.flow.perSecond(now)
	return own >= steadyFlow || m.flow.young(now) || m.budget.fair(own)
}

// ahead reports that reading is so far ahead of a steady flow that it should wait:
// the stream keeps messages at no cost. Where little flows, because a quota is used
// up or an account is paused, reading goes on for the sake of the other accounts and
// so that more merges.
func (e *Engine) ahead(now time.Time) bool {
	if !e.memory.steady(now) {
		return false
	}
	stats := e.batcher.Stats()
	enough := min(readAhead*e.memory.flow.perSecond(now), batchesAhead*e.lanes.largestBatch*max(stats.Groups, 1))
	enough = max(enough, leastAhead, e.lanes.largestBatch)
	if stats.Unpersisted <= enough && !e.cfg.Budget.waitingMuch() {
		return false
	}
	unpersisted, bytes := e.atRest(now)
	return stats.Unpersisted-unpersisted > enough || e.cfg.Budget.waitingMuch() && 2*bytes < stats.Bytes
}

// atRest is how much waits in memory for a quota, or for an account or a lane that is
// paused: nothing of it is on its way.
func (e *Engine) atRest(now time.Time) (unpersisted, bytes int) {
	for _, l := range e.lanes.byKey {
		if l.blocked(now) {
			laneUnpersisted, laneBytes := e.batcher.InMemory(l.key)
			unpersisted, bytes = unpersisted+laneUnpersisted, bytes+laneBytes
		}
	}
	return unpersisted, bytes
}

// blocked reports that it is a quota, or a refusal, that bounds what is sent of the
// lane, however fast the machine is.
func (l *lane) blocked(now time.Time) bool {
	s := l.sender
	return l.breaker.stopped || s.account.loaded && !s.account.mayCall(now) ||
		s.again.After(now) || now.Sub(s.rested) < flowPeriod
}
