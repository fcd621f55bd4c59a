package quota

import (
	"errors"
	"math"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// initialConcurrency is how many calls at a time an account starts with. It grows
	// by one per round of successes and halves on trouble.
	initialConcurrency = 2
	// breakerTimeout is how long an account rests after a row of platform failures
	// before one call tries again.
	breakerTimeout = 5 * time.Second
	// breakerFailures in a row open the breaker.
	breakerFailures = 5
)

// limiter bounds the calls of one account that are under way. It is an account's own,
// also where several draw on one quota: one whose calls hang or fail must not take
// the others' slots or close their breaker. Scopes.mu guards it.
type limiter struct {
	limit       float64 // calls at a time, adapted
	inUse       int
	breaker     *gobreaker.TwoStepCircuitBreaker[struct{}]
	openedUntil time.Time
	waiters     map[chan<- struct{}]struct{}
}

func newLimiter(account string) *limiter {
	l := &limiter{limit: initialConcurrency, waiters: map[chan<- struct{}]struct{}{}}
	l.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        account,
		Timeout:     breakerTimeout,
		IsExcluded:  func(err error) bool { return errors.Is(err, errNotMade) },
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			// Called with Scopes.mu held: the breaker is only used under it.
			if to == gobreaker.StateOpen {
				l.openedUntil = time.Now().Add(breakerTimeout)
			}
		},
	})
	return l
}

// free reports whether a call may be made now, and if not when to look again (zero:
// when a slot is given back).
func (l *limiter) free(now time.Time, maxConcurrency int) (bool, time.Time) {
	state := l.breaker.State()
	switch {
	case state == gobreaker.StateOpen:
		return false, later(l.openedUntil, now.Add(breakerTimeout/10))
	case state == gobreaker.StateHalfOpen && l.inUse > 0,
		l.inUse >= int(math.Min(l.limit, float64(maxConcurrency))):
		return false, time.Time{}
	default:
		return true, time.Time{}
	}
}

// begin takes a slot. done must be called with how the call ended.
func (l *limiter) begin() (done func(error), err error) {
	done, err = l.breaker.Allow()
	if err == nil {
		l.inUse++
	}
	return done, err
}

// end gives a slot back and learns from how the call ended; nil is a success.
func (l *limiter) end(done func(error), err *platform.Error) {
	l.inUse--
	// The breaker is about the platform being there at all: a refusal or a used up
	// quota is an answer like any other.
	switch {
	case err == nil:
		done(nil)
	case err.Scope == platform.ScopePlatform:
		done(err)
	case err.Scope == platform.ScopeCaller:
		done(errNotMade)
	default:
		done(nil)
	}
	l.adapt(err)
	wakeAll(l.waiters)
}

// adapt is additive increase, multiplicative decrease.
func (l *limiter) adapt(err *platform.Error) {
	switch {
	case err == nil:
		l.limit = math.Min(l.limit+1/l.limit, 1024)
	case err.Scope == platform.ScopePlatform || err.Scope == platform.ScopeQuota:
		l.limit = math.Max(l.limit/2, 1)
	}
}

// wakeAll tells everybody who found no slot to ask again.
func wakeAll(waiters map[chan<- struct{}]struct{}) {
	for waiter := range waiters {
		select {
		case waiter <- struct{}{}:
		default: // it has a wake-up waiting already
		}
		delete(waiters, waiter)
	}
}
