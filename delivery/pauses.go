package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// An answer may ask for a pause: of a quota scope or of the account. It is saved by the
// goroutine that heard it, before the engine hears of the call: whoever works the
// partition next, however this owner comes to its end, must not call into it.

const (
	// tellTimeout is how long an answer is kept back at most until the pause it asks for
	// is saved. Meanwhile, and if it takes longer, this process keeps the pause.
	tellTimeout = 5 * time.Second
	// tellAgain is the first pause after a failed attempt to save; it doubles.
	tellAgain = 50 * time.Millisecond
)

// Heard learns from how the call ended, and saves the blocks that were told before it
// returns, or until ctx ends. Release must still follow.
func (s *Slot) Heard(ctx context.Context, err *platform.Error, quotas []platform.Quota) {
	s.scopes.mu.Lock()
	if !s.heard {
		s.learn(err, quotas)
	}
	told := s.scopes.told()
	s.scopes.unlock()
	if len(told) == 0 {
		return
	}
	failed := tell(ctx, func(ctx context.Context) error { return s.scopes.store.SaveScopes(ctx, told) })
	if failed != nil {
		s.scopes.logger.WarnContext(ctx, "a pause that a platform asked for could not be saved yet: only this worker keeps it until then", slog.Any("error", failed))
		s.scopes.markDirty(told)
	}
}

// told lists the scopes with a block that was not saved yet. s.mu must be held.
func (s *Scopes) told() (states []ledger.ScopeState) {
	now := time.Now()
	for _, scope := range s.scopes {
		if scope.untold && scope.blockedUntil.After(now) {
			states = append(states, scope.toSave())
		}
	}
	slices.SortFunc(states, func(a, b ledger.ScopeState) int { return strings.Compare(a.Scope, b.Scope) }) // see names
	return states
}

// tell saves a pause: again and again until it works, the store refuses it permanently, or
// ctx ends.
func tell(ctx context.Context, save func(ctx context.Context) error) error {
	for wait := tellAgain; ; wait *= 2 {
		err := save(ctx)
		if err == nil || errors.Is(err, ledger.ErrRejected) {
			return err
		}
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return err
		}
	}
}

// refusable is what a call needs to know to have its account paused should it be
// refused.
type refusable struct {
	account string
	pause   time.Duration // if it is refused
	byHand  bool          // the operator's pause stands
}

func (a *accountState) refusable() refusable {
	return refusable{account: a.account.Name, pause: min(max(2*a.backoff, firstPause), longestPause), byHand: a.state.ByHand}
}

// pausedBy is the account's state after a refusal. The platform's own wish overrides
// the formula.
func (r refusable) pausedBy(perr *platform.Error, now time.Time) ledger.AccountState {
	return ledger.AccountState{
		Account: r.account, State: accountPaused, Reason: perr.Error(), ResumesAt: now.Add(max(r.pause, perr.RetryAfter)), Pause: r.pause,
	}
}

// hear takes in how a call ended, on the goroutine that made it, for tellTimeout at most.
// It goes on when ctx ends: the lease may be lost, and knowing of a pause does no harm.
func (e *Engine) hear(ctx context.Context, slot *Slot, who refusable, perr *platform.Error, quotas []platform.Quota) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
	defer cancel()
	slot.Heard(ctx, perr, quotas)
	if perr == nil || perr.Scope != platform.ScopeAccount || who.byHand {
		return
	}
	state := who.pausedBy(perr, time.Now())
	err := tell(ctx, func(ctx context.Context) error {
		_, err := e.cfg.Store.SaveAccount(ctx, state)
		return err
	})
	if err != nil {
		e.log.WarnContext(ctx, "the pause of an account could not be saved yet", slog.String("account", who.account), slog.Any("error", err))
	}
}
