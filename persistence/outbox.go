package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

var _ ledger.Outbox = (*Store)(nil)

// queueOutbox notes in the outbox which mutations the transaction makes final. The fence,
// which follows, raises commits to the number that is written here; it fails where another
// transaction did so in between.
func (p *plan) queueOutbox(b *pgx.Batch) {
	tx := p.tx
	ended := make([][16]byte, len(tx.Outcomes))
	for i := range tx.Outcomes {
		ended[i] = tx.Outcomes[i].BatchID
	}
	n := len(tx.Invalid) + len(tx.Stale)
	if len(ended)+n == 0 {
		return
	}
	days, lanes, generations := make([]time.Time, 0, n), make([]int32, 0, n), make([]int32, 0, n)
	sequences, lines, ids := make([]int64, 0, n), make([]int16, 0, n), make([]string, 0, n)
	add := func(m *catalog.Mutation) {
		days, lanes = append(days, recordedOn(m)), append(lanes, p.lanes[m.Lane])
		generations = append(generations, int32(m.Position.Generation)) //nolint:gosec // counts rewinds
		sequences = append(sequences, int64(m.Position.Sequence))       //nolint:gosec // a stream's sequence fits
		lines, ids = append(lines, lineOf(m.Position)), append(ids, clean(m.ID))
	}
	for i := range tx.Invalid {
		add(tx.Invalid[i].Mutation)
	}
	for i := range tx.Stale {
		add(tx.Stale[i].Mutation)
	}
	b.Queue(`insert into courier.outcome (partition, number, batches, days, lanes, generations, sequences, lines, mutation_ids)
		select l.partition, l.commits + 1, $2::uuid[], $3::date[], $4::int[], $5::int[], $6::bigint[], $7::smallint[], $8::text[]
		from courier.lease l where l.partition = $1`, tx.Partition, ended, days, lanes, generations, sequences, lines, ids)
}

// OpenCursor reads how far a consumer of the outbox has come: see ledger.Outbox.
func (s *Store) OpenCursor(ctx context.Context, lease ledger.Lease, consumer string) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := query.OutcomeCursorParams{Consumer: consumer, Partition: int32(lease.Partition)} //nolint:gosec // at most maxPartitions
	for range 2 {
		row, err := s.query.OutcomeCursor(ctx, params)
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && (row.Token == nil || *row.Token != lease.Token):
			return 0, fmt.Errorf("partition %d: %w", lease.Partition, ledger.ErrLeaseLost)
		case err != nil:
			return 0, fmt.Errorf("reading the cursor of %s: %w", consumer, err)
		case row.Number != nil:
			return *row.Number, nil
		}
		if err := s.query.OpenOutcomeCursor(ctx, query.OpenOutcomeCursorParams(params)); err != nil {
			return 0, fmt.Errorf("making the cursor of %s: %w", consumer, err)
		}
	}
	return 0, fmt.Errorf("the cursor of %s was deleted as it was made", consumer)
}

// MoveCursor says that a consumer of the outbox is done with everything up to a number: see
// ledger.Outbox.
func (s *Store) MoveCursor(ctx context.Context, lease ledger.Lease, consumer string, from, to int64) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return moveCursor(ctx, s.query, lease, consumer, from, to)
}

// MoveCursorIn is MoveCursor inside a transaction of the consumer's own: what it writes
// there is written once, and only by the owner of the partition. The cursor stays locked
// until the transaction ends, so it should be the transaction's last statement.
func MoveCursorIn(ctx context.Context, tx pgx.Tx, lease ledger.Lease, consumer string, from, to int64) error {
	return moveCursor(ctx, query.New(tx), lease, consumer, from, to)
}

func moveCursor(ctx context.Context, q *query.Queries, lease ledger.Lease, consumer string, from, to int64) error {
	moved, err := q.MoveOutcomeCursor(ctx, query.MoveOutcomeCursorParams{
		Partition: int32(lease.Partition), Consumer: consumer, FromNumber: from, ToNumber: to, Token: lease.Token, //nolint:gosec // at most maxPartitions
	})
	if err != nil {
		return fmt.Errorf("moving the cursor of %s: %w", consumer, err)
	}
	if moved == 0 {
		return fmt.Errorf("partition %d, cursor of %s: %w", lease.Partition, consumer, ledger.ErrLeaseLost)
	}
	return nil
}

// DropCursors forgets a consumer of the outbox: see ledger.Outbox.
func (s *Store) DropCursors(ctx context.Context, consumer string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.query.DropOutcomeCursors(ctx, consumer); err != nil {
		return fmt.Errorf("forgetting the consumer %s: %w", consumer, err)
	}
	return nil
}

// lagBound is up to how many rows of a partition a consumer's lag is counted.
const lagBound = 10_000

// OutboxLag says how far a consumer is behind in some partitions, those without its cursor
// left out. Rows are counted up to 10,000 each.
func (s *Store) OutboxLag(ctx context.Context, consumer string, partitions []int) ([]ledger.OutboxLag, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	numbers := make([]int32, len(partitions))
	for i, partition := range partitions {
		numbers[i] = int32(partition) //nolint:gosec // at most maxPartitions
	}
	rows, err := s.query.OutboxLag(ctx, query.OutboxLagParams{Most: lagBound, Consumer: consumer, Partitions: numbers})
	if err != nil {
		return nil, fmt.Errorf("counting the outbox: %w", err)
	}
	lags := make([]ledger.OutboxLag, len(rows))
	for i, row := range rows {
		lags[i] = ledger.OutboxLag{Partition: int(row.Partition), Rows: row.Rows}
		if row.Rows > 0 {
			lags[i].Oldest = row.Oldest
		}
	}
	return lags, nil
}

// unreadFor is for how long the outbox is kept for consumers that have not opened a cursor
// yet: one that is about to start.
const unreadFor = time.Hour

// deleteOutcomes deletes what all consumers of the outbox are done with, and what is as
// old as mutations that are not kept any more: a consumer that is off does not make the
// table grow without end.
func (r *retention) deleteOutcomes(ctx context.Context) error {
	var partitions []int32
	err := r.retentionStep(ctx, func(ctx context.Context) (err error) {
		partitions, err = r.query.OutboxPartitions(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("listing the partitions of the outbox: %w", err)
	}
	if err := r.deleteOutcomePosts(ctx); err != nil {
		return fmt.Errorf("deleting old posts of outcomes: %w", clockRefused(err))
	}
	for _, partition := range partitions {
		if err := r.deleteOutcomesOf(ctx, partition); err != nil {
			return fmt.Errorf("deleting from the outbox of partition %d: %w", partition, clockRefused(err))
		}
	}
	if r.report.Outcomes > 0 {
		r.logger.InfoContext(ctx, "rows of the outbox were deleted: all consumers are done with them, or they are older than the retention",
			slog.Int64("rows", r.report.Outcomes), slog.Duration("retention", r.keep), slog.Time("database_clock", r.at))
	}
	return nil
}

func (r *retention) deleteOutcomesOf(ctx context.Context, partition int32) error {
	for range deleteRounds {
		var deleted int64
		err := r.retentionStep(ctx, func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) (err error) {
				q := r.query.WithTx(tx)
				deleted, err = q.DeleteOldOutcomes(ctx, query.DeleteOldOutcomesParams{
					Partition: partition, UnreadBefore: r.at.Add(-unreadFor), Before: r.at.Add(-r.keep), Lim: deleteAtOnce,
				})
				if err != nil || r.given || deleted == 0 {
					return err
				}
				return q.CheckClock(ctx, query.CheckClockParams{Theirs: ownClock(), Tolerance: clockTolerance.Seconds()})
			})
		})
		if err != nil {
			return err
		}
		r.report.Outcomes += deleted
		if deleted < deleteAtOnce {
			return nil
		}
	}
	return nil
}

// deleteOutcomePosts deletes what is kept of POSTs to webhooks, as old as mutations are.
func (r *retention) deleteOutcomePosts(ctx context.Context) error {
	for range deleteRounds {
		var deleted int64
		err := r.retentionStep(ctx, func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) (err error) {
				q := r.query.WithTx(tx)
				deleted, err = q.DeleteOldOutcomeDeliveries(ctx, query.DeleteOldOutcomeDeliveriesParams{Before: r.at.Add(-r.keep), Lim: deleteAtOnce})
				if err != nil || r.given || deleted == 0 {
					return err
				}
				return q.CheckClock(ctx, query.CheckClockParams{Theirs: ownClock(), Tolerance: clockTolerance.Seconds()})
			})
		})
		if err != nil || deleted < deleteAtOnce {
			return err
		}
	}
	return nil
}
