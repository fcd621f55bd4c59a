package quota

import (
	"cmp"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

// errNotMade stands for a call that was never made.
var errNotMade = &platform.Error{Scope: platform.ScopeCaller, Message: "the call was not made"}

// Slot is the right to make one call. Exactly one Release or Cancel must follow.
type Slot struct {
	scopes  *Scopes
	limiter *limiter
	names   []string
	done    func(error)
	heard   bool // what is to be learnt from the call was
}

// Acquire takes a slot for a call of the account that uses up the quota of all the
// named scopes, the most specific first. It is nil when no call may be made now: again
// says when to ask then; a zero again means that wake is sent to, without blocking, once
// there may be a slot. maxConcurrency caps the adapted limit of the account's calls under
// way. Until a scope was read from the store once there is no slot.
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

// Cancel gives the slot back without a call: no quota was used, and nothing was learnt of
// the platform.
func (s *Slot) Cancel() { s.Release(errNotMade, nil) }

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
			// The narrowest: one account's trouble does not stop a whole app.
			s.scopes.get(s.names[0]).block(now.Add(err.RetryAfter), false)
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
	scope.block(now.Add(wait), true)
}

func anyBlock(quotas []platform.Quota) bool {
	for _, quota := range quotas {
		if quota.Block > 0 {
			return true
		}
	}
	return false
}
