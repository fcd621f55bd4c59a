package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// ItemStatus is the state of an item after its newest final change.
type ItemStatus int16

// The states of an item, as they are stored.
const (
	ItemSucceeded ItemStatus = iota + 1
	ItemFailed
	ItemUnconfirmed
	ItemInvalid
)

// ItemChange is what the index of items learns of one item: its newest final change, its
// newest success, or both. A mutation that a newer one superseded is neither.
type ItemChange struct {
	Key catalog.ItemKey
	// Newest is the newest final change.
	Position   catalog.Position
	MutationID string
	Operation  catalog.Operation
	Status     ItemStatus
	ChangedAt  time.Time
	// ErrorCount is how many errors it has, and Error the first of them; zero for none.
	ErrorCount int
	Error      ledger.Issue
	// Succeeded is the newest success; nil where there was none.
	Succeeded *ItemSuccess
}

// ItemSuccess is a change of an item that the platform confirmed.
type ItemSuccess struct {
	Position   catalog.Position
	MutationID string
	Operation  catalog.Operation
	At         time.Time
}

// LaneCount is how many mutations of a lane arrived, succeeded and failed in five minutes.
type LaneCount struct {
	Lane                       catalog.Lane
	At                         time.Time // when the five minutes begin
	Arrived, Succeeded, Failed int
}

// SeriesStep is what one point of the series stands for.
const SeriesStep = 5 * time.Minute

// ItemUpdate is what a page of outcomes changes in the index. Items are in the order of
// item id, lane and localization, each once; counts are in the order of lane and time. So
// two that write at the same time never wait for each other in a circle.
type ItemUpdate struct {
	Items  []ItemChange
	Counts []LaneCount
}

// maxItemMessage bounds the text of an error in the index, in bytes.
const maxItemMessage = 300

// ItemsConsumer is the name of the index of items as a consumer of the outbox.
const ItemsConsumer = "items"

// IndexItems writes what a page of the outbox changes in the index, and ends with done, which
// moves the cursor of the index in the same transaction: what it returns is returned, and
// then nothing is written.
//
// oldest is when the first transaction of the page was committed: what is filled in from
// the time before the outbox is counted up to the oldest of all.
func (s *Store) IndexItems(ctx context.Context, oldest time.Time, update ItemUpdate, done func(context.Context, pgx.Tx) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.writeItems(ctx, tx, update); err != nil {
			return err
		}
		if err := s.query.WithTx(tx).CountItemsFrom(ctx, oldest); err != nil {
			return err
		}
		return done(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("updating the index of items: %w", err)
	}
	return nil
}

// writeItems changes the rows of items and the series.
func (s *Store) writeItems(ctx context.Context, tx pgx.Tx, update ItemUpdate) error {
	columns, err := s.itemColumns(ctx, update.Items)
	if err != nil {
		return err
	}
	if n := len(update.Items); n > 0 {
		tag, err := tx.Exec(ctx, upsertItems, columns.arguments()...)
		if err != nil {
			return fmt.Errorf("writing %d items: %w", n, err)
		}
		if tag.RowsAffected() < int64(n) {
			// Some rows know a newer change; their newest success may still be one of these.
			if _, err := tx.Exec(ctx, updateSuccesses, columns.successes()...); err != nil {
				return fmt.Errorf("writing the successes of items: %w", err)
			}
		}
	}
	return s.writeCounts(ctx, tx, update.Counts)
}

// upsertItems never takes a row back: the place in the stream decides.
const upsertItems = `insert into courier.item as i (item_id, lane, localization, generation, sequence, line, mutation_id, operation, status,
	changed_at, failed_at, error_count, code, attribute, message, succeeded_generation, succeeded_sequence, succeeded_line, succeeded_operation, succeeded_at, succeeded_mutation_id)
select u.item_id, u.lane, u.localization, u.generation, u.sequence, u.line, u.mutation_id, u.operation, u.status,
	u.changed_at, case when u.status <> 1 then u.changed_at end, u.error_count, u.code, u.attribute, u.message,
	u.succeeded_generation, u.succeeded_sequence, u.succeeded_line, u.succeeded_operation, u.succeeded_at, nullif(u.succeeded_mutation_id, u.mutation_id)
from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::smallint[], $8::smallint[], $9::timestamptz[],
	$10::int[], $11::text[], $12::text[], $13::text[], $14::int[], $15::bigint[], $16::smallint[], $17::timestamptz[], $18::text[], $19::smallint[], $20::smallint[])
	as u(item_id, lane, localization, generation, sequence, mutation_id, operation, status, changed_at,
		error_count, code, attribute, message, succeeded_generation, succeeded_sequence, succeeded_operation, succeeded_at, succeeded_mutation_id,
		line, succeeded_line)
on conflict (item_id, lane, localization) do update set
	generation = excluded.generation, sequence = excluded.sequence, line = excluded.line, mutation_id = excluded.mutation_id, operation = excluded.operation,
	status = excluded.status, changed_at = excluded.changed_at, failed_at = excluded.failed_at, error_count = excluded.error_count,
	code = excluded.code, attribute = excluded.attribute, message = excluded.message,
	succeeded_generation = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)) then excluded.succeeded_generation else i.succeeded_generation end,
	succeeded_sequence = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)) then excluded.succeeded_sequence else i.succeeded_sequence end,
	succeeded_line = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)) then excluded.succeeded_line else i.succeeded_line end,
	succeeded_operation = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)) then excluded.succeeded_operation else i.succeeded_operation end,
	succeeded_at = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)) then excluded.succeeded_at else i.succeeded_at end,
	succeeded_mutation_id = case when excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line))
		then excluded.succeeded_mutation_id else coalesce(i.succeeded_mutation_id, case when i.status = 1 then i.mutation_id end) end
where (excluded.generation, excluded.sequence, excluded.line) > (i.generation, i.sequence, i.line)`

const updateSuccesses = `update courier.item i set succeeded_generation = u.generation, succeeded_sequence = u.sequence, succeeded_line = u.line,
	succeeded_operation = u.operation, succeeded_at = u.at, succeeded_mutation_id = u.mutation_id
from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::bigint[], $6::smallint[], $7::timestamptz[], $8::text[], $9::smallint[])
	as u(item_id, lane, localization, generation, sequence, operation, at, mutation_id, line)
where i.item_id = u.item_id and i.lane = u.lane and i.localization = u.localization and u.sequence is not null
	and (i.succeeded_sequence is null or (u.generation, u.sequence, u.line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line))`

// itemColumns are the changes column by column, as unnest takes them.
type itemColumns struct {
	items, localizations, mutations, codes, attributes, messages []string
	lanes, generations, errorCounts                              []int32
	sequences                                                    []int64
	lines, operations, statuses                                  []int16
	changed                                                      []time.Time
	// Null where there was no success. Pointers would be sent one by one through reflection.
	goodGenerations []pgtype.Int4
	goodSequences   []pgtype.Int8
	goodLines       []pgtype.Int2
	goodOperations  []pgtype.Int2
	goodTimes       []pgtype.Timestamptz
	goodMutations   []pgtype.Text
}

func (s *Store) itemColumns(ctx context.Context, changes []ItemChange) (c itemColumns, err error) {
	for i := range changes {
		change := &changes[i]
		lane, err := s.knownLaneID(ctx, change.Key.Lane)
		if err != nil {
			return c, err
		}
		c.items, c.lanes = append(c.items, clean(change.Key.ItemID)), append(c.lanes, lane)
		c.localizations = append(c.localizations, localizationText(change.Key.Localization))
		c.generations = append(c.generations, int32(change.Position.Generation)) //nolint:gosec // counts rewinds
		c.sequences = append(c.sequences, int64(change.Position.Sequence))       //nolint:gosec // a stream's sequence fits
		c.lines = append(c.lines, lineOf(change.Position))
		c.mutations = append(c.mutations, clean(change.MutationID))
		c.operations, c.statuses = append(c.operations, int16(change.Operation)), append(c.statuses, int16(change.Status))
		c.changed, c.errorCounts = append(c.changed, change.ChangedAt), append(c.errorCounts, int32(change.ErrorCount)) //nolint:gosec // bounded by IssuesOf
		c.codes, c.attributes = append(c.codes, shortened(change.Error.Code)), append(c.attributes, shortened(change.Error.Attribute))
		c.messages = append(c.messages, shortened(change.Error.Message))
		c.addSuccess(change.Succeeded)
	}
	return c, nil
}

func (c *itemColumns) addSuccess(good *ItemSuccess) {
	if good == nil {
		good = &ItemSuccess{Position: catalog.Position{Generation: -1}}
	}
	has := good.Position.Generation >= 0
	c.goodGenerations = append(c.goodGenerations, pgtype.Int4{Int32: int32(good.Position.Generation), Valid: has}) //nolint:gosec // counts rewinds
	c.goodSequences = append(c.goodSequences, pgtype.Int8{Int64: int64(good.Position.Sequence), Valid: has})       //nolint:gosec // a stream's sequence fits
	c.goodLines = append(c.goodLines, pgtype.Int2{Int16: lineOf(good.Position), Valid: has})
	c.goodOperations = append(c.goodOperations, pgtype.Int2{Int16: int16(good.Operation), Valid: has})
	c.goodTimes = append(c.goodTimes, pgtype.Timestamptz{Time: good.At, Valid: has})
	c.goodMutations = append(c.goodMutations, pgtype.Text{String: clean(good.MutationID), Valid: has})
}

func (c *itemColumns) arguments() []any {
	return []any{
		c.items, c.lanes, c.localizations, c.generations, c.sequences, c.mutations, c.operations, c.statuses, c.changed,
		c.errorCounts, c.codes, c.attributes, c.messages, c.goodGenerations, c.goodSequences, c.goodOperations, c.goodTimes, c.goodMutations,
		c.lines, c.goodLines,
	}
}

func (c *itemColumns) successes() []any {
	return []any{c.items, c.lanes, c.localizations, c.goodGenerations, c.goodSequences, c.goodOperations, c.goodTimes, c.goodMutations, c.goodLines}
}

// shortened is a text that fits into an index entry and a page of a list.
func shortened(s string) string {
	if s = clean(s); len(s) <= maxItemMessage {
		return s
	}
	end := maxItemMessage
	for end > 0 && s[end]&0xc0 == 0x80 { // inside of a letter
		end--
	}
	return s[:end]
}

func (s *Store) writeCounts(ctx context.Context, tx pgx.Tx, counts []LaneCount) error {
	if len(counts) == 0 {
		return nil
	}
	times := make([]time.Time, len(counts))
	lanes, arrived, succeeded, failed := make([]int32, len(counts)), make([]int32, len(counts)), make([]int32, len(counts)), make([]int32, len(counts))
	for i, count := range counts {
		lane, err := s.knownLaneID(ctx, count.Lane)
		if err != nil {
			return err
		}
		times[i], lanes[i] = count.At, lane
		arrived[i], succeeded[i], failed[i] = int32(count.Arrived), int32(count.Succeeded), int32(count.Failed) //nolint:gosec // a page is bounded
	}
	_, err := tx.Exec(ctx, `insert into courier.lane_series as s (lane, at, arrived, succeeded, failed)
		select u.lane, u.at, u.arrived, u.succeeded, u.failed from unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[], $5::int[])
			as u(lane, at, arrived, succeeded, failed)
		on conflict (lane, at) do update set arrived = s.arrived + excluded.arrived, succeeded = s.succeeded + excluded.succeeded,
			failed = s.failed + excluded.failed`, lanes, times, arrived, succeeded, failed)
	if err != nil {
		return fmt.Errorf("writing the series: %w", err)
	}
	return nil
}
