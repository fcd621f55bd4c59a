package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Scopes reads the scopes named: see ledger.Store.
func (s *Store) Scopes(ctx context.Context, scopes []string) ([]ledger.ScopeState, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ScopesNamed(ctx, scopes)
	if err != nil {
		return nil, fmt.Errorf("reading quota scopes: %w", err)
	}
	states := make([]ledger.ScopeState, len(rows))
	for i, row := range rows {
		states[i] = ledger.ScopeState{
			Scope: row.Scope, BlockedUntil: timeOf(row.BlockedUntil), Quota: row.Quota, UpdatedAt: row.UpdatedAt,
			Patience: time.Duration(row.PatienceNs),
		}
	}
	return states, nil
}

// SaveScopes writes what was learnt: see ledger.Store.
func (s *Store) SaveScopes(ctx context.Context, scopes []ledger.ScopeState) error {
	if len(scopes) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.checkClock(); err != nil {
		return fmt.Errorf("saving quota scopes: %w", err)
	}
	params := make([]query.SaveScopeParams, len(scopes))
	for i, scope := range scopes {
		params[i] = query.SaveScopeParams{
			Scope: clean(scope.Scope), BlockedUntil: timeOrNull(scope.BlockedUntil), Quota: scope.Quota, UpdatedAt: timeOrNull(scope.UpdatedAt),
			PatienceNs: scope.Patience.Nanoseconds(),
		}
	}
	if err := all(s.query.SaveScope(ctx, params)); err != nil {
		return fmt.Errorf("saving quota scopes: %w", err)
	}
	return nil
}
