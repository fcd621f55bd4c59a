package quota

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

const (
	// scopeSync is how often scopes are saved and read.
	scopeSync = 3 * time.Second
	// clockDoubt is how far in the future a worker's saved state may be: further and its
	// clock was wrong, so that its times mean nothing.
	clockDoubt = 2 * time.Minute
)

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
	c.dirty = false
	delete(c.untold, c)
	return ledger.ScopeState{
		Scope: c.name, BlockedUntil: c.blockedUntil, Quota: c.snapshot(), UpdatedAt: time.Now(), Patience: c.patience,
	}
}

func (s *Scopes) markDirty(states []ledger.ScopeState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range states {
		scope := s.scopes[state.Scope]
		scope.dirty = true
		s.untold[scope] = struct{}{}
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
				if state.BlockedUntil.After(scope.blockedUntil) {
					scope.blockedUntil, scope.usedUp = state.BlockedUntil, false // nobody knows here what of
				}
			}
			scope.mergeSnapshot(state.Quota, now)
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
