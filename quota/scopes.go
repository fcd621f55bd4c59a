package quota

import (
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Scopes are the quota scopes of one worker process: whose limits calls draw on, shared by
// all who make calls, and how many calls at a time each account makes. What is learnt of a
// scope is saved, and read again every few seconds, so that workers that share a scope, and
// a new owner, do not call into a block that another was told of. Its methods are safe for
// concurrent use.
type Scopes struct {
	store  ledger.Store
	logger *slog.Logger
	kick   chan struct{}

	mu       sync.Mutex
	scopes   map[string]*scope
	untold   scopeSet            // see scope.untold; nearly always empty, so that a call costs the same with any number of scopes
	fresh    bool                // some are to be read since mu was locked
	limiters map[string]*limiter // by account
}

// NewScopes makes the scopes of a worker. Run must be running while they are used: without
// it no scope is ever read, and Acquire gives no slot.
func NewScopes(store ledger.Store, logger *slog.Logger) *Scopes {
	return &Scopes{store: store, logger: logger, kick: make(chan struct{}, 1), scopes: map[string]*scope{}, untold: scopeSet{}, limiters: map[string]*limiter{}}
}

// get finds or makes a scope. s.mu must be held.
func (s *Scopes) get(name string) *scope {
	found := s.scopes[name]
	if found != nil {
		return found
	}
	made := &scope{name: name, untold: s.untold, waiters: map[chan<- struct{}]struct{}{}}
	made.quota = platform.Quota{Limit: -1, Remaining: -1, UsedPercent: -1}
	s.scopes[name], s.fresh = made, true
	return made
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

// BlockedUntil is the latest end of a block among the scopes; zero when none was blocked
// yet. It says nothing of the pace, see Acquire.
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

// Paces names the scope that allows the next call last, by a block or by the pace; empty
// where all of them allow one now.
func (s *Scopes) Paces(names []string) (last string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var at time.Time
	for _, name := range names {
		if scope := s.scopes[name]; scope != nil {
			if free := scope.foreseen(now); free.After(now) && free.After(at) {
				at, last = free, name
			}
		}
	}
	return last
}

// Holds says in words why the account may make no call of the scopes now: what ends last.
func (s *Scopes) Holds(account string, names []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, why := time.Now(), "a request is allowed again in a moment"
	until := now
	if limiter := s.limiters[account]; limiter != nil {
		if free, at := limiter.free(now, math.MaxInt); !free && at.After(until) {
			until, why = at, "the platform failed several times in a row, so that calls rest for some seconds"
		}
	}
	for _, name := range names {
		scope := s.scopes[name]
		if scope == nil || !scope.foreseen(now).After(until) {
			continue
		}
		until = scope.foreseen(now)
		switch words := legible.Scope(name); {
		case scope.blockedUntil.Before(until):
			why = "requests are spread to keep within the quota of " + words
		case scope.usedUp:
			why = "the quota of " + words + " is used up"
		default: // another worker may have heard it
			why = "the platform asked to wait"
		}
	}
	return why
}

// CallsPerMinute is how many calls a minute the tightest of the scopes is known to allow;
// 0 when nothing was told.
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

// ReserveBisect says when the next POST that bisects a refused batch may be made, and
// reserves that time: a tenth of the tightest quota known goes into bisecting. names[0] is
// the scope that keeps the pace.
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
