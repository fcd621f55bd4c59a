package delivery

import (
	"context"
	"errors"
	"log/slog"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// recordAttempt has it recorded how a POST ended. Where the store refuses that, it is
// recorded with plain words, and else as ambiguous: this engine goes by its own memory,
// and a new owner sends the batch again.
func (s *storeCalls) recordAttempt(ctx context.Context, attempt ledger.Attempt) error {
	plain := attempt
	plain.Error = ascii(attempt.Error, maxPlain)
	unknown := ledger.Attempt{
		BatchID: attempt.BatchID, Number: attempt.Number, At: attempt.At, Result: ledger.Ambiguous,
		Error: "the database refuses to record how the POST ended",
	}
	const forms = 3
	var refused error
	for form, a := range [forms]ledger.Attempt{attempt, plain, unknown} {
		tries := 1
		if form == 0 {
			tries = rejectedTries - forms + 1
		}
		err := s.insist(ctx, "record how a POST ended", storeTimeout, tries, func(ctx context.Context) error {
			return s.cfg.Store.AppendAttempts(ctx, []ledger.Attempt{a})
		})
		if !errors.Is(err, ledger.ErrRejected) {
			if err == nil && form > 0 {
				s.log.ErrorContext(ctx, "the database refuses to record how a POST ended: less was recorded of it",
					slog.String("batch_id", a.BatchID.String()), slog.String("said", Words(refused)))
			}
			return err
		}
		refused = err
	}
	return refused
}
