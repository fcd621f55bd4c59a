package persistence

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

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
	if err := s.groups.write(ctx, &request{attempts: known, bytes: bytes, alone: bytes > maxJoining}); err != nil {
		return fmt.Errorf("recording %d attempts: %w", len(attempts), rejected(err))
	}
	return nil
}
