package persistence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

func (r *retention) deleteDeadLetters(ctx context.Context, before time.Time) error {
	defer func() {
		if r.report.DeadLetters > 0 {
			r.logger.InfoContext(ctx, "old dead letters were deleted", slog.Int64("dead_letters", r.report.DeadLetters),
				slog.Time("failed_before", before), slog.Duration("retention", r.deadLetters), slog.Time("database_clock", r.at))
		}
	}()
	for range deleteRounds {
		var deleted int64
		err := r.retentionStep(ctx, func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) (err error) {
				q := r.query.WithTx(tx)
				deleted, err = q.DeleteDeadLetters(ctx, query.DeleteDeadLettersParams{FailedBefore: before, Lim: deleteAtOnce})
				if err != nil || r.given || deleted == 0 {
					return err
				}
				return q.CheckClock(ctx, query.CheckClockParams{Theirs: ownClock(), Tolerance: clockTolerance.Seconds()})
			})
		})
		if err != nil {
			return fmt.Errorf("deleting old dead letters: %w", clockRefused(err))
		}
		r.report.DeadLetters += deleted
		if deleted < deleteAtOnce {
			return nil
		}
	}
	return nil
}

// deleteLanes forgets the names of lanes that nothing refers to.
func (r *retention) deleteLanes(ctx context.Context, before time.Time) error {
	for range deleteRounds {
		var deleted int64
		err := r.retentionStep(ctx, func(ctx context.Context) (err error) {
			deleted, err = r.query.DeleteLanes(ctx, query.DeleteLanesParams{Before: before, Lim: deleteAtOnce})
			return err
		})
		if err != nil {
			return fmt.Errorf("forgetting lanes: %w", err)
		}
		r.report.Lanes += deleted
		if deleted == 0 {
			break // what is left is referred to
		}
	}
	if r.report.Lanes > 0 {
		r.logger.InfoContext(ctx, "lanes that nothing refers to were forgotten", slog.Int64("lanes", r.report.Lanes), slog.Time("unused_before", before))
	}
	return nil
}
