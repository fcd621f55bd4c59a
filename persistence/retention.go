package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// RetentionPolicy says how long final mutations are kept.
type RetentionPolicy struct {
	// Keep is the age from which a day is dropped, once all in it is final.
	// Defaults to 30 days.
	Keep time.Duration
	// DeadLetters is the age from which dead letters are deleted. Defaults to 90
	// days.
	DeadLetters time.Duration
	// At is the time it is. Defaults to now.
	At time.Time
}

// RetentionReport is what Retain did.
type RetentionReport struct {
	Dropped     []string // partitions, by name
	Kept        []string // old partitions with something in them that is not final
	Busy        []string // old partitions that were in use; the next call tries again
	DeadLetters int64    // deleted
}

const (
	// daysAhead is how many days beyond today have partitions. Days that are needed
	// all the same are made on demand.
	daysAhead = 3
	// lockWait bounds how long dropping a day waits for its locks. Writers queue
	// behind the wait, so it is short.
	lockWait = "500ms"
	// deadLettersAtOnce bounds one DELETE, deadLetterRounds how many there are.
	deadLettersAtOnce = 5000
	deadLetterRounds  = 1000
)

// Retain makes the partitions of the coming days, indexes the days that are over
// for look-ups by item, and drops what is old and final.
// Call it at the start and every hour or so, from any number of workers.
func (s *Store) Retain(ctx context.Context, policy RetentionPolicy) (RetentionReport, error) {
	var report RetentionReport
	at := policy.At
	if at.IsZero() {
		at = now()
	}
	today := day(at)
	for ahead := range daysAhead + 1 {
		if err := s.retentionStep(ctx, func(ctx context.Context) error {
			return s.ensureDay(ctx, today.AddDate(0, 0, ahead))
		}); err != nil {
			return report, err
		}
	}
	if err := s.indexPastDays(ctx, today); err != nil {
		return report, err
	}
	cutoff := day(at.Add(-cmp.Or(policy.Keep, 30*24*time.Hour)))
	oldest, err := s.dropMutations(ctx, cutoff, today, &report)
	if err != nil {
		return report, err
	}
	// A mutation's batch is as old as the mutation or newer; a day more allows for
	// clocks that differ.
	if err := s.dropBatches(ctx, minTime(cutoff, oldest.AddDate(0, 0, -1)), &report); err != nil {
		return report, err
	}
	s.days.forget()
	return report, s.deleteDeadLetters(ctx, at.Add(-cmp.Or(policy.DeadLetters, 90*24*time.Hour)), &report)
}

func (s *Store) retentionStep(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return step(ctx)
}

// dropMutations drops days before cutoff and returns the oldest that is left.
func (s *Store) dropMutations(ctx context.Context, cutoff, today time.Time, report *RetentionReport) (oldest time.Time, err error) {
	oldest = today
	err = s.eachDay(ctx, "courier.mutation", func(name string, on time.Time) error {
		if on.Before(cutoff) {
			dropped, err := s.dropDay(ctx, on, []string{name}, report, func(ctx context.Context, q *query.Queries) (bool, error) {
				open, err := q.OpenMutationsOn(ctx, on)
				return open != nil && *open, err
			})
			if err != nil || dropped {
				return err
			}
		}
		oldest = minTime(oldest, on)
		return nil
	})
	return oldest, err
}

func (s *Store) dropBatches(ctx context.Context, cutoff time.Time, report *RetentionReport) error {
	return s.eachDay(ctx, "courier.batch", func(name string, on time.Time) error {
		if !on.Before(cutoff) {
			return nil
		}
		suffix := strings.TrimPrefix(name, "batch")
		_, err := s.dropDay(ctx, on, []string{name, "attempt" + suffix, "record_outcome" + suffix}, report,
			func(ctx context.Context, q *query.Queries) (bool, error) { return q.OpenBatchesBetween(ctx, on) })
		return err
	})
}

// eachDay calls visit for the day partitions of a table, oldest first.
func (s *Store) eachDay(ctx context.Context, parent string, visit func(name string, on time.Time) error) error {
	var names []string
	err := s.retentionStep(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
			where i.inhparent = to_regclass($1) order by c.relname`, parent)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return fmt.Errorf("listing the days of %s: %w", parent, err)
	}
	for _, name := range names {
		on, err := time.Parse("20060102", name[strings.LastIndexByte(name, '_')+1:])
		if err != nil {
			continue // not one of ours
		}
		if err := visit(name, on); err != nil {
			return err
		}
	}
	return nil
}

// dropDay drops the tables of a day unless something in them is open.
func (s *Store) dropDay(ctx context.Context, on time.Time, names []string, report *RetentionReport,
	open func(context.Context, *query.Queries) (bool, error),
) (dropped bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	kept := false
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var err error
		if kept, err = open(ctx, s.query.WithTx(tx)); err != nil || kept {
			return err
		}
		if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockWait+"'"); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := tx.Exec(ctx, "drop table if exists "+pgx.Identifier{"courier", name}.Sanitize()); err != nil {
				return err
			}
		}
		return nil
	})
	problem, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case answered && (problem.Code == codeLockNotAvailable || problem.Code == codeDeadlock):
		report.Busy = append(report.Busy, names...)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("dropping the day %s: %w", on.Format(time.DateOnly), err)
	case kept:
		report.Kept = append(report.Kept, names...)
		return false, nil
	}
	report.Dropped = append(report.Dropped, names...)
	return true, nil
}

// What Postgres says when the lock wait was too long, or crossed another's.
const (
	codeLockNotAvailable = "55P03"
	codeDeadlock         = "40P01"
)

func (s *Store) deleteDeadLetters(ctx context.Context, before time.Time, report *RetentionReport) error {
	for range deadLetterRounds {
		var deleted int64
		err := s.retentionStep(ctx, func(ctx context.Context) (err error) {
			deleted, err = s.query.DeleteDeadLetters(ctx, query.DeleteDeadLettersParams{FailedBefore: before, Lim: deadLettersAtOnce})
			return err
		})
		if err != nil {
			return fmt.Errorf("deleting old dead letters: %w", err)
		}
		report.DeadLetters += deleted
		if deleted < deadLettersAtOnce {
			return nil
		}
	}
	return nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
