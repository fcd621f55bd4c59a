package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrClock is returned by whatever must not happen by a clock that cannot be trusted.
// Nothing was written or dropped.
var ErrClock = errors.New("refused because of a clock")

// codeClock is the code of courier.check_clock and courier.ensure_day.
const codeClock = "CC010"

// clockRefused gives the server's refusal its kind.
func clockRefused(err error) error {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	if answered && problem.Code == codeClock {
		return fmt.Errorf("%w: %s", ErrClock, problem.Message)
	}
	return err
}

// checkClock is ErrClock while the times of this process are not to be written.
func (s *Store) checkClock() error {
	if s.clock == nil {
		return nil
	}
	if err := s.clock.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrClock, err)
	}
	return nil
}

// How far from today the days of new rows may be. What is new was received a moment
// ago; it is older only where the database was away.
const (
	daysLate  = 7
	daysEarly = 2
)

// checkDay is ErrClock for new rows of a day that no right clock gave them: the clock
// was wrong when they were made and is right again. Rows of a day long ago would be
// dropped as soon as they are final. Who holds them reads them again.
func (s *Store) checkDay(on time.Time) error {
	if s.clock == nil {
		return nil
	}
	today := day(s.clock.Theirs())
	if on.After(today.AddDate(0, 0, daysEarly)) || on.Before(today.AddDate(0, 0, -daysLate)) {
		return fmt.Errorf("%w: new rows are of %s, and today is %s: %w", ErrClock, on.Format(time.DateOnly), today.Format(time.DateOnly), ledger.ErrLeaseLost)
	}
	return nil
}

// withRightTimes is an attempt that may be written. A handle is worth knowing by
// whatever clock; the times beside it, which a new owner goes by, are the database's
// while this process's are wrong.
func (s *Store) withRightTimes(attempt *ledger.Attempt) *ledger.Attempt {
	if s.checkClock() == nil {
		return attempt
	}
	right := *attempt
	right.At = s.clock.Theirs()
	if !attempt.NextAt.IsZero() {
		right.NextAt = right.At.Add(attempt.NextAt.Sub(attempt.At))
	}
	return &right
}

// Clock asks the database for the time.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	at, err := s.query.Clock(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking the database for the time: %w", err)
	}
	return at, nil
}

// MarkStream notes how far the stream reaches, and returns the sequence up to which it
// had all messages a replay window ago, by the database's clock; 0 while nothing is
// known of that time.
func (s *Store) MarkStream(ctx context.Context, last uint64, window time.Duration) (uint64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	before, err := s.query.MarkStream(ctx, query.MarkStreamParams{Last: int64(last), Seconds: window.Seconds()}) //nolint:gosec // a stream's sequence fits
	if err != nil {
		return 0, fmt.Errorf("noting how far the stream reaches: %w", err)
	}
	return uint64(max(before, 0)), nil
}

// ClockDoubt is ErrClock while the database's own clock is doubted, so that nothing
// old is dropped: see Retain.
func (s *Store) ClockDoubt(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.ClockDoubt(ctx)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("asking whether the database's clock is doubted: %w", err)
	case row.Doubt == nil || row.DoubtedSince == nil:
		return nil
	}
	return fmt.Errorf("%w: %s; nothing old is dropped before a day has passed since %s", ErrClock, *row.Doubt, row.DoubtedSince.UTC().Format(time.RFC3339))
}
