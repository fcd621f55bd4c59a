package quota

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Heard learns from how the call ended, on the goroutine that made it, and saves the
// blocks that were told before it returns, or until ctx ends: whoever draws on the scope
// next, however this process comes to its end, must not call into it. Until a block is
// saved this process alone keeps it. Release must still follow.
func (s *Slot) Heard(ctx context.Context, err *platform.Error, quotas []platform.Quota) {
	s.scopes.mu.Lock()
	if !s.heard {
		s.learn(err, quotas)
	}
	blocks := s.scopes.unsavedBlocks()
	s.scopes.unlock()
	if len(blocks) == 0 {
		return
	}
	failed := SavePause(ctx, func(ctx context.Context) error { return s.scopes.store.SaveScopes(ctx, blocks) })
	if failed != nil {
		s.scopes.logger.WarnContext(ctx, "a pause that a platform asked for could not be saved yet: only this worker keeps it until then", slog.Any("error", failed))
		s.scopes.markDirty(blocks)
	}
}

// unsavedBlocks lists the scopes with a block that was not saved yet. s.mu must be held.
func (s *Scopes) unsavedBlocks() (states []ledger.ScopeState) {
	if len(s.untold) == 0 {
		return nil
	}
	now := time.Now()
	for scope := range s.untold {
		if scope.blockedUntil.After(now) {
			states = append(states, scope.toSave())
		}
	}
	slices.SortFunc(states, func(a, b ledger.ScopeState) int { return strings.Compare(a.Scope, b.Scope) }) // see names
	return states
}

// saveAgain is the first wait after a failed attempt to save a pause; it doubles.
const saveAgain = 50 * time.Millisecond

// SavePause has a pause that a platform asked for saved: it calls save again and again,
// after 50 ms and then twice as long each time, until save works (nil), the store refuses
// permanently (ledger.ErrRejected), or ctx ends (what save said last).
func SavePause(ctx context.Context, save func(ctx context.Context) error) error {
	for wait := saveAgain; ; wait *= 2 {
		err := save(ctx)
		if err == nil || errors.Is(err, ledger.ErrRejected) {
			return err
		}
		if sleep.For(ctx, wait) != nil {
			return err
		}
	}
}
