package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	// At, when not zero, is the time it is, whatever any clock says, and nothing is
	// compared: for tests of what is kept. Without it the database's clock decides.
	At time.Time
}

// RetentionReport is what Retain did.
type RetentionReport struct {
	Dropped     []string // partitions, by name
	Kept        []string // old partitions with something in them that is not final
	Busy        []string // old partitions that were in use; the next call tries again
	DeadLetters int64    // deleted
	Outcomes    int64    // rows of the outbox deleted
	Lanes       int64    // forgotten, as nothing refers to them
	Items       int64    // deleted from the index, as no platform has them
}

const (
	// DaysAhead is how many days beyond today have partitions. Days that are needed
	// all the same are made on demand.
	DaysAhead = 3
	// lockWait bounds how long dropping a day waits for its locks. Writers queue
	// behind the wait, so it is short.
	lockWait = "500ms"
	// deleteAtOnce bounds the rows of one DELETE, deleteRounds how many there are for each table.
	deleteAtOnce = 5000
	deleteRounds = 1000
	// clockTolerance is how far this process's clock and the database's may differ for
	// anything to be dropped.
	clockTolerance = 2 * time.Minute
)

// retention is one run of Retain.
type retention struct {
	*Store
	keep, deadLetters time.Duration
	report            RetentionReport
	at                time.Time // by the clock that decides
	given             bool      // at was given: no clock is looked at
}

// Retain makes the partitions of the coming days, indexes the days that are over
// for look-ups by item, and drops what is old and final.
// Call it at the start and every hour or so, from any number of workers.
//
// What is old is decided by the database's clock, in the transaction that drops it.
// Nothing is dropped, and ErrClock returned, while that clock and this process's
// differ, when it jumped by more than a day since the last call, or when there are
// batches from the future; the last two until a day has passed since. Each drop is
// logged.
func (s *Store) Retain(ctx context.Context, policy RetentionPolicy) (RetentionReport, error) {
	r := &retention{
		Store: s, keep: cmp.Or(policy.Keep, 30*24*time.Hour), deadLetters: cmp.Or(policy.DeadLetters, 90*24*time.Hour),
		at: policy.At, given: !policy.At.IsZero(),
	}
	err := r.run(ctx)
	return r.report, err
}

func (r *retention) run(ctx context.Context) error {
	refused := r.lookAtClock(ctx)
	if refused != nil && !errors.Is(refused, ErrClock) {
		return refused
	}
	// Days are made all the same: rows must have a place.
	today := day(r.at)
	for ahead := range DaysAhead + 1 {
		if err := r.retentionStep(ctx, func(ctx context.Context) error {
			return r.ensureDay(ctx, today.AddDate(0, 0, ahead))
		}); err != nil {
			return errors.Join(refused, err)
		}
	}
	if refused != nil {
		return refused
	}
	if err := r.indexPastDays(ctx, today); err != nil {
		return err
	}
	defer r.days.forget() // of what was dropped
	cutoff := day(r.at.Add(-r.keep))
	oldest, err := r.dropMutations(ctx, cutoff, today)
	if err != nil {
		return err
	}
	// A mutation's batch is as old as the mutation or newer; a day more allows for
	// clocks that differ.
	oldestBatch, err := r.dropBatches(ctx, minTime(cutoff, oldest.AddDate(0, 0, -1)), today)
	if err != nil {
		return err
	}
	if err := r.recountLetters(ctx); err != nil {
		return fmt.Errorf("counting the dead letters: %w", err)
	}
	if err := r.deleteDeadLetters(ctx, r.at.Add(-r.deadLetters)); err != nil {
		return err
	}
	if err := r.deleteOutcomes(ctx); err != nil {
		return err
	}
	if err := r.sweepItems(ctx); err != nil {
		return err
	}
	// A row of a day is written by whoever looked its lane up on that day or, at
	// midnight, on the day before.
	return r.deleteLanes(ctx, minTime(oldest, oldestBatch).AddDate(0, 0, -1))
}

// lookAtClock sets the time of this run. ErrClock says that nothing may be dropped.
func (r *retention) lookAtClock(ctx context.Context) error {
	if r.given {
		return nil
	}
	return r.retentionStep(ctx, func(ctx context.Context) error {
		asked := ownClock()
		row, err := r.query.LookAtClock(ctx, clockTolerance.Seconds())
		if err != nil {
			return fmt.Errorf("looking at the clock: %w", err)
		}
		answered := ownClock()
		r.at = row.Clock
		switch {
		case row.Clock.Before(asked.Add(-clockTolerance)) || row.Clock.After(answered.Add(clockTolerance)):
			return fmt.Errorf("%w: this worker's says %s, the database's %s; nothing old is dropped while they differ", ErrClock,
				answered.Format(time.RFC3339), row.Clock.Format(time.RFC3339))
		case row.Doubted != nil && row.Why != nil:
			return fmt.Errorf("%w: %s; nothing old is dropped before a day has passed since %s", ErrClock, *row.Why, row.Doubted.Format(time.RFC3339))
		}
		return nil
	})
}

// ownClock is this process's wall clock, for comparing it with the database's.
func ownClock() time.Time {
	return time.Now().UTC() //nolint:forbidigo // it decides nothing but that the clocks differ
}

func (s *Store) retentionStep(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return step(ctx)
}

// dropMutations drops days before cutoff and returns the oldest that is left.
func (r *retention) dropMutations(ctx context.Context, cutoff, today time.Time) (oldest time.Time, err error) {
	oldest = today
	err = r.eachDay(ctx, "courier.mutation", func(name string, on time.Time) error {
		if on.Before(cutoff) {
			dropped, err := r.dropDay(ctx, on, []string{name}, func(ctx context.Context, q *query.Queries) (bool, error) {
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

// dropBatches drops days before cutoff and returns the oldest that is left.
func (r *retention) dropBatches(ctx context.Context, cutoff, today time.Time) (oldest time.Time, err error) {
	oldest = today
	err = r.eachDay(ctx, "courier.batch", func(name string, on time.Time) error {
		if on.Before(cutoff) {
			suffix := strings.TrimPrefix(name, "batch")
			dropped, err := r.dropDay(ctx, on, []string{name, "attempt" + suffix, "record_outcome" + suffix},
				func(ctx context.Context, q *query.Queries) (bool, error) { return q.OpenBatchesBetween(ctx, on) })
			if err != nil || dropped {
				return err
			}
		}
		oldest = minTime(oldest, on)
		return nil
	})
	return oldest, err
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
func (r *retention) dropDay(ctx context.Context, on time.Time, names []string,
	open func(context.Context, *query.Queries) (bool, error),
) (dropped bool, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	kept := false
	var sizes []slog.Attr
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		q := r.query.WithTx(tx)
		var err error
		if kept, err = open(ctx, q); err != nil || kept {
			return err
		}
		if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockWait+"'"); err != nil {
			return err
		}
		if sizes, err = sizesOf(ctx, q, names); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := tx.Exec(ctx, "drop table if exists "+pgx.Identifier{"courier", name}.Sanitize()); err != nil {
				return err
			}
		}
		return r.checkDay(ctx, q, on) // last: it says what is right when the transaction commits
	})
	problem, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case answered && (problem.Code == codeLockNotAvailable || problem.Code == codeDeadlock):
		r.report.Busy = append(r.report.Busy, names...)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("dropping the day %s: %w", on.Format(time.DateOnly), clockRefused(err))
	case kept:
		r.report.Kept = append(r.report.Kept, names...)
		return false, nil
	}
	r.report.Dropped = append(r.report.Dropped, names...)
	r.logger.LogAttrs(ctx, slog.LevelInfo, "an old day was dropped: all in it was final and older than the retention", append([]slog.Attr{
		slog.String("day", on.Format(time.DateOnly)), slog.Duration("retention", r.keep),
		slog.Time("database_clock", r.at), slog.Time("worker_clock", ownClock()),
	}, sizes...)...)
	return true, nil
}

// checkDay is an error unless the day is old by the database's clock, at this moment.
func (r *retention) checkDay(ctx context.Context, q *query.Queries, on time.Time) error {
	if r.given {
		return nil
	}
	return q.CheckDayIsOld(ctx, query.CheckDayIsOldParams{
		Day: on, Keep: r.keep.Seconds(), Theirs: ownClock(), Tolerance: clockTolerance.Seconds(),
	})
}

// sizesOf says for the log what is in tables that are about to be dropped. Rows are as
// the server's statistics have them.
func sizesOf(ctx context.Context, q *query.Queries, names []string) ([]slog.Attr, error) {
	attrs := make([]slog.Attr, 0, len(names))
	for _, name := range names {
		size, err := q.SizeOf(ctx, pgx.Identifier{"courier", name}.Sanitize())
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, slog.Group(name, slog.Int64("rows", max(size.Rows, 0)), slog.Int64("bytes", size.Bytes)))
	}
	return attrs, nil
}

// What Postgres says when the lock wait was too long, or crossed another's.
const (
	codeLockNotAvailable = "55P03"
	codeDeadlock         = "40P01"
)

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
