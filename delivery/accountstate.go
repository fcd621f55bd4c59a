package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// accounts are those of the lanes.
type accounts struct {
	byName   map[string]*accountState
	lastLook time.Time // at their saved states
	looking  bool
	lastShow time.Time // to people, of how calls go
	showing  bool
}

// accountState is what the engine knows of an account's health.
type accountState struct {
	account *Account
	open    int // batches, the halves of refused ones apart
	// openBytes are the messages of its open batches.
	openBytes int64
	// unsent are those of its batches with a slot whose POST has not ended.
	unsent  int64
	state   ledger.AccountState
	paused  bool
	backoff time.Duration
	told    time.Time // the end of a pause that the platform asked for
	probing bool      // one call finds out whether the account works again
	// refused is the lane whose POST was refused for the account last. Until turnOver
	// another lane has the probe, if it has something to send.
	refused  *lane
	turnOver time.Time
	loaded   bool      // its saved state was read
	saved    bool      // its pause was seen in the store
	took     time.Time // when the last POST began that was taken
	health   accountHealth
	gauge    int // its place in the gauges that are being made
	// credential is the access token that was last seen, by its name.
	credential string
}

// mayCall reports whether a call for the account may be made now; a call for a
// paused account is its probe.
func (a *accountState) mayCall(now time.Time) bool {
	switch {
	case !a.loaded || a.state.ByHand:
		return false
	case !a.paused:
		return true
	default:
		return !a.probing && !a.state.ResumesAt.After(now)
	}
}

// nextLook is when to look again whether a call may be made: a pause can end before
// its time.
func (a *accountState) nextLook(now time.Time) time.Time {
	next := now.Add(accountWatch)
	if a.state.ResumesAt.After(now) {
		next = earlier(next, a.state.ResumesAt)
	}
	return next
}

// began notes that a call is being made.
func (a *accountState) began() {
	a.probing = a.paused
	a.turnOver = time.Time{}
}

// probeTurn is how long the lane that was refused leaves the probe of its account to
// others. They may be held back themselves, by a quota or an earlier change, so that it
// is not for long.
const probeTurn = 30 * time.Second

// leavesProbe reports that a POST of the lane should not be the probe of its paused account
// now: it was refused for the account last, and the refusal may be about the lane alone. So
// a token that lacks the permission for one catalog type stops no other type.
func (e *Engine) leavesProbe(l *lane, now time.Time) bool {
	a := l.sender.account
	if !a.paused || a.refused != l || !e.hasOthers(l) {
		return false
	}
	if a.turnOver.IsZero() {
		a.turnOver = now.Add(probeTurn)
	}
	return a.turnOver.After(now)
}

// hasOthers reports whether another lane of the account has something to send.
func (e *Engine) hasOthers(l *lane) bool {
	for _, other := range e.lanes.byKey {
		if other != l && other.sender.account == l.sender.account && (e.batcher.Queued(other.key) || other.open > 0 && e.batches.hasReady(other)) {
			return true
		}
	}
	return false
}
