package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// fillBlocks is how many blocks of a day are read at once: some 8,000 mutations.
const fillBlocks = 200

// ItemFilling is a piece of what was final before the outbox began.
type ItemFilling struct {
	Outcomes []ledger.Outcome
	// CountedFrom is when the outbox began: the series count by it what became final from
	// then on.
	CountedFrom time.Time
	day         *time.Time
	block, next int64
	nextDay     *time.Time
	nextBlocks  *int64 // of nextDay when its first block was read; nil before
}

// NextFilling reads the next piece. more is false once all is filled in, and until everything that
// becomes final is in the outbox and will be read there, as what became final in between would be
// missed: while some partition has not begun to read the outbox, or a worker of a release that
// writes no outbox runs. Rows are read by their blocks, so that a piece is bounded and nothing is read
// twice, and what is written to a day while it is filled in is left to the outbox.
func (s *Store) NextFilling(ctx context.Context) (piece ItemFilling, more bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	state, err := s.query.ItemFilling(ctx)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (state.FinishedAt != nil || !state.Ready) {
		return piece, false, nil
	}
	if err != nil {
		return piece, false, fmt.Errorf("reading how far the index of items is filled: %w", err)
	}
	piece.CountedFrom = state.CountedFrom
	days, err := s.query.MutationDays(ctx, state.Day)
	if err != nil {
		return piece, false, fmt.Errorf("listing the days of mutations: %w", err)
	}
	piece.day, piece.block = state.Day, state.Block
	piece.nextDay, piece.next = state.Day, state.Block
	if len(days) == 0 {
		piece.nextDay = nil
		return piece, true, nil // the last write says that it is finished
	}
	piece.nextBlocks = state.Blocks
	if piece.nextDay == nil || !days[0].Day.Equal(*piece.nextDay) { // the first one, or one that was dropped meanwhile
		piece.nextDay, piece.next, piece.nextBlocks = &days[0].Day, 0, nil
	}
	if piece.nextBlocks == nil {
		piece.nextBlocks = &days[0].Blocks // what is written from now on is in the outbox
	}
	from := piece.next
	if piece.Outcomes, err = s.filling(ctx, *piece.nextDay, from); err != nil {
		return piece, false, fmt.Errorf("reading mutations of %s: %w", piece.nextDay.Format(time.DateOnly), err)
	}
	piece.next += fillBlocks
	if piece.next >= *piece.nextBlocks {
		piece.next, piece.nextDay, piece.nextBlocks = 0, nil, nil
		if len(days) > 1 {
			piece.nextDay = &days[1].Day
		}
	}
	return piece, true, nil
}

// filling unfolds the mutations of some blocks of a day that are final.
func (s *Store) filling(ctx context.Context, on time.Time, block int64) ([]ledger.Outcome, error) {
	table := pgx.Identifier{"courier", "mutation_" + on.Format("20060102")}.Sanitize()
	blocks := fmt.Sprintf("m.ctid >= '(%d,0)'::tid and m.ctid < '(%d,0)'::tid", block, block+fillBlocks)
	rows, err := s.pool.Query(ctx, "select distinct m.batch_id, m.lane from "+table+" m where m.state in (0, 2, 3, 4) and "+blocks)
	if err != nil {
		return nil, err
	}
	var batches []uuid.UUID
	var lanes []int32
	var batch *uuid.UUID
	var lane int32
	if _, err := pgx.ForEachRow(rows, []any{&batch, &lane}, func() error {
		lanes = append(lanes, lane)
		if batch != nil {
			batches = append(batches, *batch)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	u := unfolding{Store: s, brief: true, rowsOnly: true, rows: []query.OutboxAfterRow{{Batches: batches, Lanes: lanes}}}
	if err := u.readBatches(ctx); err != nil {
		return nil, err
	}
	reads := &pgx.Batch{}
	u.queueRead(reads, "select 0, "+foundColumns+" from "+table+" m where m.state in (0, 2, 3, 4) and "+blocks)
	if err := s.pool.SendBatch(ctx, reads).Close(); err != nil {
		return nil, err
	}
	final := u.found[:0]
	for i := range u.found {
		f := &u.found[i]
		if f.batch == nil && f.state == stateInBatch || f.batch != nil && u.batches[*f.batch] == nil {
			continue // its batch is open; the outbox tells of its end
		}
		final = append(final, *f)
	}
	u.found = final
	return u.outcomes(ctx)
}

// WriteFilling writes what a piece changes in the index, and that it is done, in one
// transaction. It returns ledger.ErrLeaseLost, and writes nothing, when the partition of the
// lease has another owner or the piece was written already.
func (s *Store) WriteFilling(ctx context.Context, lease ledger.Lease, piece ItemFilling, update ItemUpdate) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var err error
		if update.Items, err = s.unknownItems(ctx, tx, update.Items); err != nil {
			return err
		}
		if err := s.writeItems(ctx, tx, update, nil); err != nil {
			return err
		}
		moved, err := query.New(tx).MoveItemFilling(ctx, query.MoveItemFillingParams{
			Day: piece.day, Block: piece.block, NextDay: piece.nextDay, NextBlock: piece.next, NextBlocks: piece.nextBlocks, Mutations: int64(len(piece.Outcomes)),
			CountedFrom: piece.CountedFrom, Partition: int32(lease.Partition), Token: lease.Token, //nolint:gosec // at most maxPartitions
		})
		if err == nil && moved == 0 {
			err = fmt.Errorf("partition %d: %w", lease.Partition, ledger.ErrLeaseLost)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("filling the index of items: %w", err)
	}
	return nil
}

// unknownItems are the changes that say something new: the index is filled newest day first,
// so that most changes of older days are known to be over. Writing these would lock each row.
func (s *Store) unknownItems(ctx context.Context, tx pgx.Tx, changes []ItemChange) ([]ItemChange, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	columns, err := s.itemColumns(ctx, changes)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, knownItems, columns.arguments()...)
	if err != nil {
		return nil, fmt.Errorf("looking for items: %w", err)
	}
	known := make([]bool, len(changes))
	var nth int
	if _, err := pgx.ForEachRow(rows, []any{&nth}, func() error { known[nth-1] = true; return nil }); err != nil {
		return nil, fmt.Errorf("looking for items: %w", err)
	}
	unknown := make([]ItemChange, 0, len(changes))
	for i := range changes {
		if !known[i] {
			unknown = append(unknown, changes[i])
		}
	}
	return unknown, nil
}

// SampleQuotas notes what is left of the quotas that a platform told of in the last
// minutes. It may be called by several at once.
func (s *Store) SampleQuotas(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.query.SampleQuotas(ctx, SeriesStep.Seconds()); err != nil {
		return fmt.Errorf("sampling the quotas: %w", err)
	}
	return nil
}

const (
	// sweepBlocks is how many blocks of items one run of retention looks through, 16 MB, and
	// seriesAtOnce and seriesRounds bound the rows of the series that it deletes.
	sweepBlocks  = 2000
	seriesAtOnce = 5000
	seriesRounds = 200
	// quotaDetail is for how long quotas are kept in steps of five minutes; later, hours.
	quotaDetail = 48 * time.Hour
)

// sweepItems deletes items that no platform has any more and that nobody changed within the
// retention, what a removed account has left, and old points of the series. Items that a platform has stay, however old: it
// is what the index is for. Each run looks through a part of the table.
func (r *retention) sweepItems(ctx context.Context) error {
	before := r.at.Add(-r.keep)
	err := r.retentionStep(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
			q := r.query.WithTx(tx)
			sweep, err := q.LockItemSweep(ctx)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil // another worker is at it
			}
			if err != nil {
				return err
			}
			// Rows that are changed at this moment are not old.
			tag, err := tx.Exec(ctx, fmt.Sprintf(`delete from courier.item where ctid = any (array(
				select i.ctid from courier.item i left join courier.lane l on l.id = i.lane and l.removed_at is not null
				where i.ctid >= '(%[1]d,0)'::tid and i.ctid < '(%[2]d,0)'::tid
					and (i.changed_at < $1 and coalesce(i.succeeded_operation in (4, 5), true) or i.changed_at <= l.removed_at)
				for update of i skip locked))`, sweep.SweptBlock, sweep.SweptBlock+sweepBlocks), before)
			if err != nil {
				return err
			}
			r.report.Items += tag.RowsAffected()
			next := sweep.SweptBlock + sweepBlocks
			if next >= sweep.Blocks {
				next = 0
			}
			if tag.RowsAffected() > 0 && !r.given {
				if err := q.CheckClock(ctx, query.CheckClockParams{Theirs: ownClock(), Tolerance: clockTolerance.Seconds()}); err != nil {
					return err
				}
			}
			return q.MoveItemSweep(ctx, next)
		})
	})
	if err != nil {
		return fmt.Errorf("deleting old items from the index: %w", clockRefused(err))
	}
	for range seriesRounds {
		var deleted int64
		if err := r.retentionStep(ctx, func(ctx context.Context) (err error) {
			deleted, err = r.query.DeleteSeries(ctx, query.DeleteSeriesParams{Before: before, Detail: r.at.Add(-quotaDetail), Lim: seriesAtOnce})
			return err
		}); err != nil {
			return fmt.Errorf("deleting old points of the series: %w", err)
		}
		if deleted < seriesAtOnce {
			break
		}
	}
	return nil
}

// forgetItems deletes the items of an account from the index, piece by piece, as its lanes
// are in no index of their own.
func (s *Store) forgetItems(ctx context.Context, account string) error {
	lanes, blocks, err := s.lanesAndBlocks(ctx, account)
	if err != nil || len(lanes) == 0 {
		return err
	}
	for block := int64(0); block < blocks; block += sweepBlocks {
		if err := s.forgetPiece(ctx, lanes, block); err != nil {
			return fmt.Errorf("deleting the items of account %s from the index: %w", account, err)
		}
	}
	return nil
}

func (s *Store) lanesAndBlocks(ctx context.Context, account string) (lanes []int32, blocks int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if lanes, err = s.query.LanesOfAccount(ctx, account); err != nil {
		return nil, 0, fmt.Errorf("listing the catalogs of account %s: %w", account, err)
	}
	if blocks, err = s.query.ItemBlocks(ctx); err != nil {
		return nil, 0, fmt.Errorf("reading the size of the index of items: %w", err)
	}
	return lanes, blocks, nil
}

func (s *Store) forgetPiece(ctx context.Context, lanes []int32, block int64) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	_, err := s.pool.Exec(ctx, fmt.Sprintf(`delete from courier.item where ctid = any (array(
		select i.ctid from courier.item i where i.ctid >= '(%d,0)'::tid and i.ctid < '(%d,0)'::tid and i.lane = any ($1)
		for update skip locked))`, block, block+sweepBlocks), lanes)
	return err
}
