package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
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
	// From here to Error all is of the newest final change.
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
// A page with failures locks their dead letters while it is written, see noteDismissed, and each
// page the lanes of its items, see remaining.
//
// oldest is when the first transaction of the page was committed: what is filled in from
// the time before the outbox is counted up to the oldest of all.
func (s *Store) IndexItems(ctx context.Context, oldest time.Time, update ItemUpdate, done func(context.Context, pgx.Tx) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.writeItems(ctx, tx, update, &oldest); err != nil {
			return err
		}
		return done(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("updating the index of items: %w", err)
	}
	return nil
}

// writeItems changes the rows of items and the series. It leaves out what became final before
// its account was removed. oldest is that of IndexItems, nil for what is filled in.
func (s *Store) writeItems(ctx context.Context, tx pgx.Tx, update ItemUpdate, oldest *time.Time) error {
	items, err := s.remaining(ctx, tx, update.Items)
	if err != nil {
		return err
	}
	columns, err := s.itemColumns(ctx, items)
	if err != nil {
		return err
	}
	if err := s.noteDismissed(ctx, tx, items, &columns); err != nil {
		return err
	}
	flight := &pgx.Batch{}
	written := int64(len(items))
	if len(items) > 0 {
		flight.Queue(upsertItems, columns.arguments()...).Exec(func(tag pgconn.CommandTag) error {
			written = tag.RowsAffected()
			return nil
		})
	}
	if err := s.queueCounts(ctx, flight, update.Counts); err != nil {
		return err
	}
	if oldest != nil {
		flight.Queue(countItemsFrom, *oldest)
	}
	if flight.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, flight).Close(); err != nil {
		return fmt.Errorf("writing %d items and %d points of the series: %w", len(items), len(update.Counts), err)
	}
	if written < int64(len(items)) {
		// Some rows know a newer change; their newest success may still be one of these.
		if _, err := tx.Exec(ctx, updateSuccesses, columns.arguments()...); err != nil {
			return fmt.Errorf("writing the successes of items: %w", err)
		}
	}
	return nil
}

// countItemsFrom notes when the first transaction was committed that the index read in the
// outbox, as long as nothing was filled in.
const countItemsFrom = `update courier.item_filling set outbox_from = $1::timestamptz
	where started_at is null and (outbox_from is null or outbox_from > $1::timestamptz)`

// remaining are the changes of accounts that were not removed since. It locks the lanes of all
// changes FOR SHARE until the transaction ends, so that a removal waits.
func (s *Store) remaining(ctx context.Context, tx pgx.Tx, changes []ItemChange) ([]ItemChange, error) {
	lanes := map[catalog.Lane]int32{}
	for i := range changes {
		lane := changes[i].Key.Lane
		if _, known := lanes[lane]; known {
			continue
		}
		id, err := s.knownLaneID(ctx, lane)
		if err != nil {
			return nil, err
		}
		lanes[lane] = id
	}
	if len(lanes) == 0 {
		return changes, nil
	}
	rows, err := s.query.WithTx(tx).RemovedLanes(ctx, slices.Collect(maps.Values(lanes)))
	if err != nil {
		return nil, fmt.Errorf("looking for removed accounts: %w", err)
	}
	removed := map[int32]time.Time{}
	for _, row := range rows {
		if row.RemovedAt != nil {
			removed[row.ID] = *row.RemovedAt
		}
	}
	if len(removed) == 0 {
		return changes, nil
	}
	kept := make([]ItemChange, 0, len(changes))
	for i := range changes {
		if at, gone := removed[lanes[changes[i].Key.Lane]]; !gone || changes[i].ChangedAt.After(at) {
			kept = append(kept, changes[i])
		}
	}
	return kept, nil
}

// nameless are the reasons of dead letters whose item id can be none: an edit replaces them by
// a change of another item.
var nameless = []string{string(catalog.BadKey), string(catalog.KeyMismatch)}

// noteDismissed looks for failures whose dead letters were dismissed, or replaced by changes
// of other items, before the index came to them: they are no issues. It locks the dead letters of
// all failures of the page FOR SHARE until the transaction ends, in the order of their ids: who
// dismisses one waits until its item is in the index, and finds it there.
func (s *Store) noteDismissed(ctx context.Context, tx pgx.Tx, changes []ItemChange, c *itemColumns) error {
	asked := query.LettersOfFailuresParams{Nameless: nameless}
	var which []int
	for i := range changes {
		if changes[i].Status == ItemSucceeded {
			continue
		}
		which = append(which, i)
		asked.Lanes, asked.Generations = append(asked.Lanes, c.lanes[i]), append(asked.Generations, int32(changes[i].Position.Generation)) //nolint:gosec // counts rewinds
		asked.Sequences, asked.Lines = append(asked.Sequences, c.sequences[i]), append(asked.Lines, c.lines[i])
	}
	if len(which) == 0 {
		return nil
	}
	letters, err := s.query.WithTx(tx).LettersOfFailures(ctx, asked)
	if err != nil {
		return fmt.Errorf("looking for dismissed dead letters: %w", err)
	}
	for _, letter := range letters {
		if !letter.Dismissed {
			continue
		}
		i := which[letter.Nth-1]
		other := otherOf(&changes[i])
		other.Dismissed = true
		if c.others[i], err = other.text(); err != nil {
			return err
		}
	}
	return nil
}

// newerSuccess says, where upsertItems changes a row, that the change brings a newer success than
// the one that the row knows.
const newerSuccess = `excluded.status = 1 or excluded.succeeded_sequence is not null and (i.succeeded_sequence is null
		or (excluded.succeeded_generation, excluded.succeeded_sequence, excluded.succeeded_line) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line))`

// upsertItems never takes a row back: the place in the stream decides. Nearly all changes are
// plain successes, of the same generation: u.x is null for them, and has what is different
// about the others. One statement writes both, so that rows are locked in one order. The arrays
// are taken apart in the list of a select: each one in the from clause would be copied first. A
// shorter array is filled up with nulls, so that one without anything is left empty. A change
// that succeeded is the newest success too, as it is newer than the row.
const upsertItems = `insert into courier.item as i (item_id, lane, localization, generation, sequence, line, mutation_id, operation, status,
	changed_at, failed_at, error_count, code, attribute, message, succeeded_generation, succeeded_sequence, succeeded_line, succeeded_operation, succeeded_at, succeeded_mutation_id)
select u.item_id, u.lane, coalesce(u.x ->> 'localization', ''), coalesce((u.x ->> 'generation')::int, $8::int), u.sequence, u.line, u.mutation_id, u.operation,
	coalesce((u.x ->> 'status')::smallint, 1), u.changed_at, case when (u.x ->> 'status')::smallint <> 1 and not u.x ? 'dismissed' then u.changed_at end,
	coalesce((u.x ->> 'errors')::int, 0), coalesce(u.x ->> 'code', ''), coalesce(u.x ->> 'attribute', ''), coalesce(u.x ->> 'message', ''),
	case when u.x is null then $8 else (u.x ->> 'succeeded_generation')::int end, case when u.x is null then u.sequence else (u.x ->> 'succeeded_sequence')::bigint end,
	case when u.x is null then u.line else (u.x ->> 'succeeded_line')::smallint end,
	case when u.x is null then u.operation else (u.x ->> 'succeeded_operation')::smallint end,
	case when u.x is null then u.changed_at else (u.x ->> 'succeeded_at')::timestamptz end, nullif(u.x ->> 'succeeded_mutation_id', u.mutation_id)
from (select unnest($1::text[]) item_id, unnest($2::int[]) lane, unnest($3::bigint[]) sequence, unnest($4::text[]) mutation_id, unnest($5::smallint[]) operation, unnest($6::timestamptz[]) changed_at, unnest($7::text[])::jsonb x, unnest($9::smallint[]) line offset 0) u
on conflict (item_id, lane, localization) do update set
	generation = excluded.generation, sequence = excluded.sequence, line = excluded.line, mutation_id = excluded.mutation_id, operation = excluded.operation,
	status = excluded.status, changed_at = excluded.changed_at, failed_at = excluded.failed_at, error_count = excluded.error_count,
	code = excluded.code, attribute = excluded.attribute, message = excluded.message,
	succeeded_generation = case when ` + newerSuccess + ` then excluded.succeeded_generation else i.succeeded_generation end,
	succeeded_sequence = case when ` + newerSuccess + ` then excluded.succeeded_sequence else i.succeeded_sequence end,
	succeeded_line = case when ` + newerSuccess + ` then excluded.succeeded_line else i.succeeded_line end,
	succeeded_operation = case when ` + newerSuccess + ` then excluded.succeeded_operation else i.succeeded_operation end,
	succeeded_at = case when ` + newerSuccess + ` then excluded.succeeded_at else i.succeeded_at end,
	succeeded_mutation_id = case when ` + newerSuccess + `
		then excluded.succeeded_mutation_id else coalesce(i.succeeded_mutation_id, case when i.status = 1 then i.mutation_id end) end
where (excluded.generation, excluded.sequence, excluded.line) > (i.generation, i.sequence, i.line)`

// updateSuccesses writes the newest successes of rows that know a newer change, which upsertItems
// leaves as they are.
const updateSuccesses = `update courier.item i set succeeded_generation = coalesce((u.x ->> 'succeeded_generation')::int, $8::int),
	succeeded_sequence = coalesce((u.x ->> 'succeeded_sequence')::bigint, u.sequence), succeeded_line = coalesce((u.x ->> 'succeeded_line')::smallint, u.line),
	succeeded_operation = coalesce((u.x ->> 'succeeded_operation')::smallint, u.operation),
	succeeded_at = coalesce((u.x ->> 'succeeded_at')::timestamptz, u.changed_at), succeeded_mutation_id = coalesce(u.x ->> 'succeeded_mutation_id', u.mutation_id)
from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::smallint[], $6::timestamptz[], ($7::text[])::jsonb[], $9::smallint[])
	as u(item_id, lane, sequence, mutation_id, operation, changed_at, x, line)
where i.item_id = u.item_id and i.lane = u.lane and i.localization = coalesce(u.x ->> 'localization', '') and (u.x is null or u.x ? 'succeeded_sequence')
	and (i.succeeded_sequence is null or (coalesce((u.x ->> 'succeeded_generation')::int, $8), coalesce((u.x ->> 'succeeded_sequence')::bigint, u.sequence),
			coalesce((u.x ->> 'succeeded_line')::smallint, u.line)) > (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line))`

// knownItems finds the changes of which neither upsertItems nor updateSuccesses would write
// anything.
const knownItems = `select u.nth::int from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::smallint[], $6::timestamptz[], ($7::text[])::jsonb[], $9::smallint[])
	with ordinality as u(item_id, lane, sequence, mutation_id, operation, changed_at, x, line, nth)
cross join lateral (select from courier.item i
	where i.item_id = u.item_id and i.lane = u.lane and i.localization = coalesce(u.x ->> 'localization', '')
		and (i.generation, i.sequence, i.line) >= (coalesce((u.x ->> 'generation')::int, $8::int), u.sequence, u.line)
		and (u.x is not null and not u.x ? 'succeeded_sequence' or (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line)
			>= (coalesce((u.x ->> 'succeeded_generation')::int, $8), coalesce((u.x ->> 'succeeded_sequence')::bigint, u.sequence),
				coalesce((u.x ->> 'succeeded_line')::smallint, u.line)))
	offset 0) k`

// itemColumns are the changes column by column, as upsertItems takes them.
type itemColumns struct {
	items, mutations []string
	lanes            []int32
	sequences        []int64
	operations       []int16
	lines            []int16 // of packs
	changed          []time.Time
	others           []*string // see otherItem; nil for a plain change
	generation       int32
}

// otherItem has, as JSON, what a change that did not simply succeed needs beyond the arrays.
type otherItem struct {
	Localization        string     `json:"localization,omitempty"`
	Generation          int32      `json:"generation"`
	Status              ItemStatus `json:"status"`
	Dismissed           bool       `json:"dismissed,omitempty"`
	Errors              int        `json:"errors,omitempty"`
	Code                string     `json:"code,omitempty"`
	Attribute           string     `json:"attribute,omitempty"`
	Message             string     `json:"message,omitempty"`
	SucceededGeneration *int32     `json:"succeeded_generation,omitempty"`
	SucceededSequence   *int64     `json:"succeeded_sequence,omitempty"`
	SucceededLine       *int16     `json:"succeeded_line,omitempty"`
	SucceededOperation  *int16     `json:"succeeded_operation,omitempty"`
	SucceededAt         *time.Time `json:"succeeded_at,omitempty"`
	SucceededMutationID *string    `json:"succeeded_mutation_id,omitempty"`
}

func (s *Store) itemColumns(ctx context.Context, changes []ItemChange) (c itemColumns, err error) {
	n := len(changes)
	c = itemColumns{
		items: make([]string, n), mutations: make([]string, n), lanes: make([]int32, n), sequences: make([]int64, n),
		operations: make([]int16, n), lines: make([]int16, n), changed: make([]time.Time, n),
	}
	lanes := make(map[catalog.Lane]int32, 1)
	for i := range changes {
		change := &changes[i]
		lane, known := lanes[change.Key.Lane]
		if !known {
			if lane, err = s.knownLaneID(ctx, change.Key.Lane); err != nil {
				return c, err
			}
			lanes[change.Key.Lane] = lane
		}
		c.items[i], c.lanes[i], c.mutations[i] = clean(change.Key.ItemID), lane, clean(change.MutationID)
		c.sequences[i], c.operations[i] = int64(change.Position.Sequence), int16(change.Operation) //nolint:gosec // a stream's sequence fits
		c.changed[i], c.lines[i] = change.ChangedAt, lineOf(change.Position)
		if i == 0 {
			c.generation = int32(change.Position.Generation) //nolint:gosec // counts rewinds
		}
		if change.plain(c.generation) {
			continue
		}
		if c.others == nil {
			c.others = make([]*string, n)
		}
		other := otherOf(change)
		if c.others[i], err = other.text(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// plain says that the change is a success of the generation, of an item without localization.
func (c *ItemChange) plain(generation int32) bool {
	return c.Status == ItemSucceeded && c.Succeeded != nil && c.Succeeded.Position == c.Position && c.Position.Generation == int64(generation) && c.Key.Localization.IsZero()
}

func otherOf(c *ItemChange) otherItem {
	x := otherItem{
		Localization: localizationText(c.Key.Localization), Generation: int32(c.Position.Generation), Status: c.Status, Errors: c.ErrorCount, //nolint:gosec // counts rewinds
		Code: shortened(c.Error.Code), Attribute: shortened(c.Error.Attribute), Message: shortened(c.Error.Message),
	}
	if good := c.Succeeded; good != nil {
		x.SucceededGeneration, x.SucceededSequence = new(int32(good.Position.Generation)), new(int64(good.Position.Sequence)) //nolint:gosec // a stream's sequence fits
		x.SucceededLine = new(lineOf(good.Position))
		x.SucceededOperation, x.SucceededAt, x.SucceededMutationID = new(int16(good.Operation)), new(good.At), new(clean(good.MutationID))
	}
	return x
}

func (x *otherItem) text() (*string, error) {
	encoded, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("encoding the change of an item: %w", err)
	}
	return new(string(encoded)), nil
}

func (c *itemColumns) arguments() []any {
	return []any{c.items, c.lanes, c.sequences, c.mutations, c.operations, c.changed, c.others, c.generation, c.lines}
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

func (s *Store) queueCounts(ctx context.Context, flight *pgx.Batch, counts []LaneCount) error {
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
	flight.Queue(`insert into courier.lane_series as s (lane, at, arrived, succeeded, failed)
		select u.lane, u.at, u.arrived, u.succeeded, u.failed from unnest($1::int[], $2::timestamptz[], $3::int[], $4::int[], $5::int[])
			as u(lane, at, arrived, succeeded, failed)
		on conflict (lane, at) do update set arrived = s.arrived + excluded.arrived, succeeded = s.succeeded + excluded.succeeded,
			failed = s.failed + excluded.failed`, lanes, times, arrived, succeeded, failed)
	return nil
}
