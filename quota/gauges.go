package quota

import (
	"time"

	"github.com/sony/gobreaker/v2"
)

// Gauges is what is known of a quota scope.
type Gauges struct {
	Scope       string
	UsedPercent float64 // -1 when not told
	Remaining   int     // calls; -1 when not told
	Blocked     time.Duration
}

// Gauges shows the scopes at this moment.
func (s *Scopes) Gauges() []Gauges {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	gauges := make([]Gauges, 0, len(s.scopes))
	for name, scope := range s.scopes {
		gauges = append(gauges, Gauges{
			Scope: name, UsedPercent: scope.quota.UsedPercent, Remaining: scope.quota.Remaining,
			Blocked: max(scope.blockedUntil.Sub(now), 0),
		})
	}
	return gauges
}

// Calls is how an account's calls are limited at a moment.
type Calls struct {
	UnderWay    int
	Concurrency float64 // calls at a time, adapted
	Breaker     gobreaker.State
}

// Calls shows how the account's calls are limited at this moment.
func (s *Scopes) Calls(account string) Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiterOf(account)
	return Calls{UnderWay: l.inUse, Concurrency: l.limit, Breaker: l.breaker.State()}
}
