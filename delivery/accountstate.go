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
}

// accountState is what the engine knows of an account's health.
type accountState struct {
	account *Account
	open    int // batches, the halves of refused ones apart
	// openBytes are the messages of its open batches.
	openBytes int64
	state     ledger.AccountState
	paused    bool
	backoff   time.Duration
	told      time.Time // the end of a pause that the platform asked for
	probing   bool      // one call finds out whether the account works again
	loaded    bool      // its saved state was read
	saved     bool      // its pause was seen in the store
	took      time.Time // when the last POST began that was taken
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
func (a *accountState) began() { a.probing = a.paused }
