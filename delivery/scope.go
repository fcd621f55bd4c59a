package delivery

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Scopes are the quota scopes of one worker process: whose limits calls draw on,
// shared by all its engines, and how many calls at a time each account makes. What is
// learnt of a scope is saved, and read again every few seconds, so that workers that
// share a scope, and a new owner, do not call into a block that another was told of.
type Scopes struct {
	store  ledger.Store
	logger *slog.Logger
	kick   chan struct{}

	mu       sync.Mutex
	scopes   map[string]*scope
	fresh    bool                // some are to be read since mu was locked
	limiters map[string]*limiter // by account
}

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
	untold       bool          // it was blocked, and the store has not been told
	meters       []*meter      // its limits
	lastCall     time.Time     // for the pace
	patience     time.Duration // for how long it was blocked without being told

	inUse   int
	halveAt time.Time // pace of bisecting

	waiters map[chan<- struct{}]struct{} // until it is read
}

const (
	// scopeSync is how often scopes are saved and read.
	scopeSync = 3 * time.Second
	// defaultBlock is how long a scope rests after a refusal for quota that named no
	// time; it doubles with each further one up to longestBlock.
	defaultBlock = 5 * time.Second
	longestBlock = 5 * time.Minute
	// clockDoubt is how far in the future a worker's saved state may be: further and its
	// clock was wrong, so that its times mean nothing.
	clockDoubt = 2 * time.Minute
)

// NewScopes makes the scopes of a worker. Run must be running while engines use them.
func NewScopes(store ledger.Store, logger *slog.Logger) *Scopes {
	return &Scopes{store: store, logger: logger, kick: make(chan struct{}, 1), scopes: map[string]*scope{}, limiters: map[string]*limiter{}}
}

// Run saves and reads the scopes until ctx ends, and saves once more then.
func (s *Scopes) Run(ctx context.Context) {
	ticker := time.NewTicker(scopeSync)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			s.sync(last)
			cancel()
			return
		case <-ticker.C:
		case <-s.kick:
		}
		select { // one reading serves whatever asked for it
		case <-ticker.C:
		default:
		}
		select {
		case <-s.kick:
		default:
		}
		call, cancel := context.WithTimeout(ctx, 10*time.Second)
		s.sync(call)
		cancel()
	}
}

func (s *Scopes) sync(ctx context.Context) {
	save, names := s.collect()
	if len(save) > 0 {
		if err := s.store.SaveScopes(ctx, save); err != nil {
			s.logger.WarnContext(ctx, "quota scopes could not be saved, trying again", slog.Any("error", err))
			s.markDirty(save)
			return
		}
	}
	if len(names) == 0 {
		return
	}
	began := time.Now()
	states, err := s.store.Scopes(ctx, names)
	if err != nil {
		s.logger.WarnContext(ctx, "quota scopes could not be read, trying again", slog.Any("error", err))
		return
	}
	s.learn(names, states, began)
}

func (s *Scopes) collect() (save []ledger.ScopeState, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names = s.names()
	for _, name := range names {
		if scope := s.scopes[name]; scope.dirty {
			save = append(save, scope.toSave())
		}
	}
	return save, names
}

// names lists the scopes in order: two who save some of them at the same time must not
// wait for each other. s.mu must be held.
func (s *Scopes) names() []string { return slices.Sorted(maps.Keys(s.scopes)) }

// toSave is the scope as it is saved now.
func (c *scope) toSave() ledger.ScopeState {
	c.dirty, c.untold = false, false
	return ledger.ScopeState{
		Scope: c.name, BlockedUntil: c.blockedUntil, Quota: c.quotaJSON(), UpdatedAt: time.Now(), Patience: c.patience,
	}
}

func (s *Scopes) markDirty(states []ledger.ScopeState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range states {
		s.scopes[state.Scope].dirty, s.scopes[state.Scope].untold = true, true
	}
}

func (s *Scopes) learn(names []string, states []ledger.ScopeState, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	saved := make(map[string]time.Time, len(states))
	for _, state := range states {
		saved[state.Scope] = state.BlockedUntil
		if scope := s.scopes[state.Scope]; scope != nil {
			if !state.UpdatedAt.After(now.Add(clockDoubt)) { // else of a clock that was ahead
				if !scope.loaded || state.BlockedUntil.After(scope.blockedUntil) {
					scope.patience = max(scope.patience, min(state.Patience, longestBlock))
				}
				scope.blockedUntil = later(scope.blockedUntil, state.BlockedUntil)
			}
			scope.hear(state.Quota, now)
		}
	}
	for _, name := range names {
		scope := s.scopes[name]
		scope.loaded, scope.readAt = true, began
		wakeAll(scope.waiters)
		// A failover may have lost what was saved: others must not call into the block.
		if scope.blockedUntil.After(now) && saved[name].Before(scope.blockedUntil.Add(-time.Second)) {
			scope.dirty = true
		}
	}
}

// readSince reports that the scope was read after the time, and has it read otherwise.
// Scopes.mu must be held.
func (s *Scopes) readSince(scope *scope, since time.Time) bool {
	if scope.loaded && !scope.readAt.Before(since) {
		return true
	}
	if scope.wanted.Before(since) {
		scope.wanted, s.fresh = since, true
	}
	return false
}

// get finds or makes a scope. s.mu must be held.
func (s *Scopes) get(name string) *scope {
	found := s.scopes[name]
	if found != nil {
		return found
	}
	made := &scope{name: name, waiters: map[chan<- struct{}]struct{}{}}
	made.quota = platform.Quota{Limit: -1, Remaining: -1, UsedPercent: -1}
	s.scopes[name], s.fresh = made, true
	return made
}

// unlock has the scopes that were made meanwhile, or are to be read again, read: all of
// them together.
func (s *Scopes) unlock() {
	fresh := s.fresh
	s.fresh = false
	s.mu.Unlock()
	if !fresh {
		return
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Slot is the right to make one call. Exactly one of its Release calls must follow.
type Slot struct {
	scopes  *Scopes
	limiter *limiter
	names   []string
	done    func(error)
	heard   bool // what is to be learnt from the call was
}

// limiterOf finds or makes an account's limiter. s.mu must be held.
func (s *Scopes) limiterOf(account string) *limiter {
	found, ok := s.limiters[account]
	if !ok {
		found = newLimiter(account)
		s.limiters[account] = found
	}
	return found
}

// Acquire takes a slot for a call of the account that uses up the quota of all the
// named scopes, or none. When there is none, again says when to ask; a zero again
// means that wake is sent to once there may be one. maxConcurrency caps the adapted
// limit of the account's calls under way.
func (s *Scopes) Acquire(account string, names []string, maxConcurrency int, wake chan<- struct{}) (slot *Slot, again time.Time) {
	return s.AcquireSince(time.Time{}, account, names, maxConcurrency, wake)
}

// AcquireSince is Acquire for who takes over at a moment what another owner did: the
// scopes must have been read after it, also where this process knows them, because that
// one may have been told of a block just before.
func (s *Scopes) AcquireSince(since time.Time, account string, names []string, maxConcurrency int, wake chan<- struct{}) (slot *Slot, again time.Time) {
	s.mu.Lock()
	defer s.unlock()
	now := time.Now()
	var wait time.Time
	for _, name := range names {
		s.get(name) // all of them at once, so that they are read together
	}
	unread := false
	for _, name := range names {
		scope := s.scopes[name]
		if !s.readSince(scope, since) && !unread {
			scope.waiters[wake], unread = struct{}{}, true // once: all of them are read together
		}
		wait = later(wait, scope.freeAt(now))
	}
	if unread {
		return nil, time.Time{}
	}
	limiter := s.limiterOf(account)
	free, at := limiter.free(now, maxConcurrency)
	if !free && at.IsZero() {
		limiter.waiters[wake] = struct{}{}
		return nil, time.Time{}
	}
	if wait = later(wait, at); wait.After(now) {
		return nil, wait
	}
	done, err := limiter.begin()
	if err != nil {
		return nil, now.Add(breakerTimeout / 10)
	}
	for _, name := range names {
		s.scopes[name].called(now)
	}
	return &Slot{scopes: s, limiter: limiter, names: names, done: done}, time.Time{}
}

// freeAt is when the scope's quota allows the next call; a time that has passed
// means now.
func (c *scope) freeAt(now time.Time) time.Time { return later(c.blockedUntil, c.next(now)) }

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

// Release gives the slot back after a call and learns from how it ended, unless Heard
// has; err is nil or what the call returned. A call that was never made (ScopeCaller)
// counts for nothing.
func (s *Slot) Release(err *platform.Error, quotas []platform.Quota) {
	s.scopes.mu.Lock()
	defer s.scopes.unlock()
	if !s.heard {
		s.learn(err, quotas)
	}
	s.limiter.end(s.done, err)
}

// learn takes in how the call ended. Scopes.mu must be held.
func (s *Slot) learn(err *platform.Error, quotas []platform.Quota) {
	s.heard = true
	now := time.Now()
	for _, name := range s.names {
		scope := s.scopes.scopes[name]
		scope.ended(err == nil || err.Scope != platform.ScopeCaller || err.Ambiguous)
		if err == nil && scope.patience > 0 {
			scope.patience, scope.dirty = 0, true
		}
	}
	if err != nil && err.RetryAfter > 0 {
		switch err.Scope {
		case platform.ScopePlatform, platform.ScopeBatch, platform.ScopeItem:
			// The narrowest: one account's trouble is no reason to stop a whole app.
			s.scopes.get(s.names[0]).block(now.Add(err.RetryAfter))
		case platform.ScopeQuota, platform.ScopeAccount, platform.ScopeCaller: // see refused and pause
		}
	}
	for _, quota := range quotas {
		s.scopes.get(quota.Scope).learn(quota, now)
	}
	if err != nil && err.Scope == platform.ScopeQuota {
		s.refused(err, quotas, now)
	}
}

// refused blocks the scope whose quota is used up, for as long as the platform
// says by whatever means.
func (s *Slot) refused(err *platform.Error, quotas []platform.Quota, now time.Time) {
	scope := s.scopes.get(cmp.Or(err.BlockedScope, s.names[0]))
	wait := err.RetryAfter
	if wait <= 0 && !anyBlock(quotas) {
		wait = scope.waitLonger()
	}
	scope.block(now.Add(wait))
}

// waitLonger is the next block that nobody told the length of.
func (c *scope) waitLonger() time.Duration {
	c.patience, c.dirty = min(max(2*c.patience, defaultBlock), longestBlock), true
	return c.patience
}

func anyBlock(quotas []platform.Quota) bool {
	for _, quota := range quotas {
		if quota.Block > 0 {
			return true
		}
	}
	return false
}

func (c *scope) learn(quota platform.Quota, now time.Time) {
	c.dirty = true
	c.tell(quota, now)
	if quota.Block > 0 {
		c.block(now.Add(quota.Block))
	}
	if quota.Remaining == 0 && quota.Reset > 0 {
		c.block(now.Add(quota.Reset))
	}
	if quota.UsedPercent >= 100 && quota.Block == 0 {
		// Used up, and nobody says until when: "stop making calls", as further ones
		// extend the block (Meta, rate limits).
		c.block(now.Add(defaultBlock))
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

func (c *scope) block(until time.Time) {
	if until.After(c.blockedUntil) {
		c.blockedUntil, c.dirty, c.untold = until, true, true
	}
}

// BlockedUntil is the latest end of a block among the scopes; zero when free.
func (s *Scopes) BlockedUntil(names []string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var until time.Time
	for _, name := range names {
		if scope := s.scopes[name]; scope != nil {
			until = later(until, scope.blockedUntil)
		}
	}
	return until
}

// CallsPerMinute is how many calls the scopes are known to allow; 0 when nothing
// was told.
func (s *Scopes) CallsPerMinute(names []string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lowest float64
	for _, name := range names {
		if scope := s.scopes[name]; scope != nil {
			for _, m := range scope.meters {
				if rate := m.perMinute(); rate > 0 && (lowest == 0 || rate < lowest) {
					lowest = rate
				}
			}
		}
	}
	return lowest
}

// bisectShare of a quota may go into finding the bad record of a refused batch.
const bisectShare = 0.1

// ReserveBisect says when the next POST that bisects a refused batch may be made.
func (s *Scopes) ReserveBisect(names []string) time.Time {
	spacing := time.Duration(0)
	if rate := s.CallsPerMinute(names); rate > 0 {
		spacing = time.Duration(float64(time.Minute) / (rate * bisectShare))
	}
	s.mu.Lock()
	defer s.unlock()
	scope := s.get(names[0])
	at := later(time.Now(), scope.halveAt)
	scope.halveAt = at.Add(spacing)
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
