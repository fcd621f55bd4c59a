package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// executor is what sqlc's batches have in common.
type executor interface {
	Exec(each func(int, error))
	Close() error
}

// all runs a batch and returns its first error.
func all(batch executor) error {
	var first error
	batch.Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return errors.Join(first, batch.Close())
}

// AppendAttempts records how POSTs ended: see ledger.Store. A handle once written
// is never taken back by a repeat that knows none.
func (s *Store) AppendAttempts(ctx context.Context, attempts []ledger.Attempt) error {
	if len(attempts) == 0 {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	known := make([]*ledger.Attempt, len(attempts))
	bytes := 0
	for i := range attempts {
		known[i] = s.withRightTimes(&attempts[i])
		bytes += len(known[i].Notes) + len(known[i].Answer) + len(known[i].Error)
	}
	if err := s.flights.write(ctx, &request{attempts: known, bytes: bytes, apart: bytes > maxShared}); err != nil {
		return fmt.Errorf("recording %d attempts: %w", len(attempts), rejected(err))
	}
	return nil
}

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
