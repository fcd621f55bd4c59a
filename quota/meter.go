package quota

import (
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// freeShare of a quota is used as fast as there is work. What is left after that
	// is spread, so that changes that come later need not wait for the window's end.
	freeShare = 0.5
	// reserveShare of a quota stays unused where the platform tells no exact count:
	// what it tells is rounded, and calls are under way.
	reserveShare = 0.02
	// defaultWindow and defaultShare are those of the least quota that is told in
	// percent: Meta's batch calls of a new catalog, 200 within a rolling hour.
	defaultWindow = time.Hour
	defaultShare  = 1.0 / 200
	// learnFrom is how many own calls a share is learnt from; two are enough where
	// each took as much of the quota as the other, and largeStep of it or more.
	learnFrom = 10
	largeStep = 0.1
	// lookAgain is the part of a window after which a used up quota is tried again
	// whose use is not our own: nobody tells when that ends.
	lookAgain = 12
	// maxMeters bounds the limits known of one scope.
	maxMeters = 8
)

// meter follows one limit of a quota scope: how much of it is used up, by what the
// platform told last and by the own calls since, and when the next call may be made.
type meter struct {
	window time.Duration // 0 where only the time of the reset is told
	limit  int           // calls; 0 where a share is told
	share  float64       // of the quota that one call takes
	learnt bool          // share is more than a guess
	exact  bool          // the platform counts calls and tells the count

	used   float64   // as last told, less what has left the window since; 1 is all
	step   float64   // what one call added when it was told last
	told   time.Time // zero: never
	base   float64   // what others had used when it was told first
	resets time.Time // when used falls to nothing; zero: as calls leave the window
	ends   time.Time // of a block that the platform told; zero: none
	since  int       // own calls that used does not hold

	born time.Time
	own  history
}

func newMeter(window time.Duration, now time.Time) *meter {
	return &meter{window: window, share: defaultShare, born: now, own: history{slot: window / historySlots}}
}

// called notes a call about to be made.
func (m *meter) called(now time.Time) {
	m.advance(now)
	m.since++
	m.own.add()
}

// uncalled takes back a call that was not made after all.
func (m *meter) uncalled() {
	if m.since > 0 {
		m.since--
	}
	m.own.undo()
}

// tell takes in what an answer told; underWay are calls that it cannot hold.
func (m *meter) tell(quota platform.Quota, underWay int, now time.Time) {
	m.advance(now)
	if quota.Limit > 0 {
		m.limit, m.share, m.learnt = quota.Limit, 1/float64(quota.Limit), true
	}
	m.exact = quota.Limit > 0 && quota.Remaining >= 0
	used := quota.UsedPercent / 100
	switch {
	case m.exact:
		used = float64(quota.Limit-quota.Remaining) / float64(quota.Limit)
	case used < 0:
		return // the limit alone: the own calls count
	case m.limit == 0:
		m.learnShare(used, m.since-underWay, now)
	}
	if m.overtaken(used, now.Add(quota.Reset)) {
		return
	}
	m.used, m.told, m.since = used, now, underWay
	m.resets, m.ends = time.Time{}, time.Time{}
	if quota.Reset > 0 {
		m.resets = now.Add(quota.Reset)
	}
	if quota.Block > 0 {
		m.ends = now.Add(quota.Block)
	}
}

// overtaken reports an answer that is older than one heard before: until a reset
// what is used up only grows. Resets are told in whole seconds.
func (m *meter) overtaken(used float64, resets time.Time) bool {
	const rounding = 2 * time.Second
	return !m.resets.IsZero() && resets.Sub(m.resets).Abs() < rounding && used < m.used
}

// learnShare compares the used share with the own calls in the window; calls of them
// were made since it was told last. What others had used before counts for less the
// longer ago that is; what they use meanwhile makes the own calls look dearer, and so
// the pace slower, as it should be, but not much at once: a platform may also say that
// all is used up when it is not.
func (m *meter) learnShare(used float64, calls int, now time.Time) {
	const (
		least  = 1e-6
		most   = 0.5
		finest = 0.01 // percents are whole numbers
		tells  = 0.05 // less says little of what the quota is
		faster = 2
		alike  = 1.5
	)
	own, before := float64(m.own.total), m.step
	if m.told.IsZero() {
		m.base = max(0, used-own*defaultShare)
	} else {
		m.step = (used - m.used) / float64(max(calls, 1))
	}
	if m.own.total >= learnFrom {
		old := m.base * max(0, 1-float64(now.Sub(m.born))/float64(m.window))
		m.share = min(max(max(used-old, finest)/own, least), most, faster*m.share)
		m.learnt = used-old >= tells
		return
	}
	if smaller, larger := min(before, m.step), max(before, m.step); smaller >= largeStep && larger < alike*smaller {
		m.share, m.learnt = min(smaller, most), true
	}
}

// advance lets go what has left the window, or was reset. It comes to the same however the
// time is cut: what a reset frees goes by the calls that are in the window at the reset.
func (m *meter) advance(now time.Time) {
	end := m.resets
	if !m.ends.IsZero() && (end.IsZero() || m.ends.Before(end)) {
		end = m.ends
	}
	if !end.IsZero() && !now.Before(end) {
		m.pass(end)
		m.freed()
	}
	m.pass(now)
}

// pass lets go what has left the window.
func (m *meter) pass(now time.Time) {
	gone := float64(m.own.advance(now)) * m.share
	switch {
	case !m.resets.IsZero():
	case m.used >= gone:
		m.used -= gone
	default:
		m.since -= min(m.since, int((gone-m.used)/m.share+0.5))
		m.used = 0
	}
}

// freed goes on when the time has come that the platform told. Whether all of the
// quota is free then, or only what the oldest call had used, is not documented
// anywhere: so one call is made, at least, and its answer tells.
func (m *meter) freed() {
	m.used = min(float64(m.own.total)*m.share, 1-m.reserve()-m.share)
	m.since, m.resets, m.ends = 0, time.Time{}, time.Time{}
}

func (m *meter) reserve() float64 {
	if m.exact || m.share >= largeStep { // or it would cost a whole call
		return 0
	}
	return reserveShare
}

// next is when the next call may be made; zero, or a time that has passed, means now. It is
// the same however often it is asked in between.
func (m *meter) next(now, last time.Time) time.Time {
	m.advance(now)
	if m.limit == 0 && m.told.IsZero() {
		return time.Time{}
	}
	used := m.used + float64(m.since)*m.share
	if used < freeShare {
		return time.Time{}
	}
	if !m.resets.IsZero() {
		return m.untilReset(used, last)
	}
	at := m.paced(now, last, used)
	if eases, ever := m.eases(used); ever && eases.Before(at) {
		at = eases
	}
	if !m.ends.IsZero() && m.ends.Before(at) {
		at = m.ends
	}
	return at
}

// whole is one call, but for what is lost in counting.
const whole = 1 - 1e-9

// room is how many calls are left where so much is used.
func (m *meter) room(used float64) float64 { return (1 - m.reserve() - used) / m.share }

// untilReset spreads what is left over the time until the reset.
func (m *meter) untilReset(used float64, last time.Time) time.Time {
	room := m.room(used)
	if room < whole {
		return m.resets
	}
	return last.Add(time.Duration(float64(m.resets.Sub(last)) / (room + 1)))
}

// paced spreads what is left of a window that moves over the time until the oldest call
// leaves it, and no faster than a window has calls.
func (m *meter) paced(now, last time.Time, used float64) time.Time {
	room := m.room(used)
	switch {
	case room >= whole:
		spread := float64(m.window) * m.share / (1 - m.reserve())
		if m.own.total > 0 {
			spread = max(spread, float64(m.own.leaves().Sub(last))/(room+1))
		}
		return last.Add(time.Duration(spread))
	case m.others(used):
		at := later(m.told, last).Add(m.window / lookAgain)
		if m.own.total > 0 && at.After(now) && m.own.leaves().Before(at) {
			return m.own.leaves() // there may be room then
		}
		return at
	case m.own.total == 0:
		return later(m.told, last).Add(m.window)
	default:
		return m.own.leaves()
	}
}

// eases is when so many of the own calls have left the window that a call may be made as
// fast as there is work.
func (m *meter) eases(used float64) (at time.Time, ever bool) {
	return m.own.leave(func(gone int) bool { return used-float64(gone)*m.share < freeShare })
}

// others reports that the own calls explain less than half of what is used.
func (m *meter) others(used float64) bool { return float64(m.own.total)*m.share < used/2 }

// perMinute is how many calls the limit allows; 0 when it is not known.
func (m *meter) perMinute() float64 {
	if !m.learnt || m.window <= 0 {
		return 0
	}
	return 1 / m.share / m.window.Minutes()
}
