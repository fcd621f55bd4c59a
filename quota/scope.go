package quota

import (
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

// scope is what is known of one quota scope. Scopes.mu guards it.
type scope struct {
	name string
	// loaded is false until the saved state was read: a call before that could
	// go into a block. readAt is before the last reading began, wanted how new somebody
	// wants one to be.
	loaded       bool
	readAt       time.Time
	wanted       time.Time
	blockedUntil time.Time
	quota        platform.Quota
	told         time.Time // when quota was learnt; zero: never
	dirty        bool
	untold       scopeSet      // of Scopes: the scope is in it when it was blocked and the store has not been told
	usedUp       bool          // it is blocked because its quota is used up, as far as is known here
	meters       []*meter      // its limits
	lastCall     time.Time     // for the pace
	patience     time.Duration // for how long it was blocked without being told

	inUse   int
	halveAt time.Time // pace of bisecting

	waiters map[chan<- struct{}]struct{} // until it is read
}

type scopeSet map[*scope]struct{}

const (
	// defaultBlock is how long a scope rests after a refusal for quota that named no
	// time; it doubles with each further one up to longestBlock.
	defaultBlock = 5 * time.Second
	longestBlock = 5 * time.Minute
)

// freeAt is when the scope's quota allows the next call; a time that has passed
// means now.
func (c *scope) freeAt(now time.Time) time.Time { return later(c.blockedUntil, c.next(now)) }

// foreseen is freeAt for whoever only looks: nothing is learnt by it.
func (c *scope) foreseen(now time.Time) time.Time {
	free := c.blockedUntil
	for _, m := range c.meters {
		seen := *m
		free = later(free, seen.next(now, c.lastCall))
	}
	return free
}

// next is when all limits of the scope allow the next call.
func (c *scope) next(now time.Time) (next time.Time) {
	for _, m := range c.meters {
		next = later(next, m.next(now, c.lastCall))
	}
	return next
}

// called notes a call about to be made.
func (c *scope) called(now time.Time) {
	c.inUse++
	c.lastCall = now
	c.meter(defaultWindow, now) // a quota may be told only when it is used up
	for _, m := range c.meters {
		m.called(now)
	}
}

// ended notes that a call ended, or was not made after all.
func (c *scope) ended(made bool) {
	c.inUse--
	if made {
		return
	}
	for _, m := range c.meters {
		m.uncalled()
	}
}

// meter finds or makes the meter of a window; nil when there are too many.
func (c *scope) meter(window time.Duration, now time.Time) *meter {
	for _, m := range c.meters {
		if m.window == window {
			return m
		}
	}
	if len(c.meters) == maxMeters {
		return nil
	}
	m := newMeter(window, now)
	c.meters = append(c.meters, m)
	return m
}

func (c *scope) learn(quota platform.Quota, now time.Time) {
	c.dirty = true
	c.tell(quota, now)
	if quota.Block > 0 {
		c.block(now.Add(quota.Block), true)
	}
	if quota.Remaining == 0 && quota.Reset > 0 {
		c.block(now.Add(quota.Reset), true)
	}
	if quota.UsedPercent >= 100 && quota.Block == 0 {
		// Used up, and nobody says until when: "stop making calls", as further ones
		// extend the block (Meta, rate limits).
		c.block(now.Add(defaultBlock), true)
	}
}

// tell hands what was told to the meter of the limit that it is about.
func (c *scope) tell(quota platform.Quota, now time.Time) {
	c.quota, c.told = quota, now
	if quota.Window == 0 && quota.Reset == 0 {
		return // nobody knows what it is of: nothing to go by but a block
	}
	if m := c.meter(quota.Window, now); m != nil {
		m.tell(quota, c.inUse, now)
	}
}

// block stops the calls of the scope until a time; usedUp says that its quota is.
func (c *scope) block(until time.Time, usedUp bool) {
	if until.After(c.blockedUntil) {
		c.blockedUntil, c.dirty, c.usedUp = until, true, usedUp
		c.untold[c] = struct{}{}
	}
}

// waitLonger is the next block that nobody told the length of.
func (c *scope) waitLonger() time.Duration {
	c.patience, c.dirty = min(max(2*c.patience, defaultBlock), longestBlock), true
	return c.patience
}
