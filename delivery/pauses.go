package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// hearTimeout is how long an answer is kept back at most until the pause it asks for is
// saved. Meanwhile, and if it takes longer, this process keeps the pause.
const hearTimeout = 5 * time.Second

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

// hear takes in how a call ended, on the goroutine that made it, and saves the pause of a
// quota scope or of the account that the answer asks for, for hearTimeout at most.
// It goes on when ctx ends: the lease may be lost, and knowing of a pause does no harm.
func (s *storeCalls) hear(ctx context.Context, slot *quota.Slot, who refusable, perr *platform.Error, quotas []platform.Quota) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hearTimeout)
	defer cancel()
	slot.Heard(ctx, perr, quotas)
	if perr == nil || perr.Scope != platform.ScopeAccount || who.byHand {
		return
	}
	state := who.pausedBy(perr, time.Now())
	err := quota.SavePause(ctx, func(ctx context.Context) error {
		_, err := s.cfg.Store.SaveAccount(ctx, state)
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "the pause of an account could not be saved yet", slog.String("account", who.account), slog.Any("error", err))
	}
}
