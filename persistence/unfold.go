package persistence

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// The bounds of a page of the outbox where the caller names none. A page never has more than
// outboxTransactions: a caller may only ask for fewer.
const (
	outboxTransactions = 200
	outboxMutations    = 20_000
	outboxBytes        = 32 << 20
)

// Outcomes unfolds transactions of the outbox: see ledger.Outbox. It costs three round
// trips, another where there are several transactions, and another where something failed,
// however many mutations there are.
//
// Which mutations a batch had is in its payload; the row of each is then found by its id,
// as the store's own updates find it. Looking for the rows by their batch would read all
// that the server has not summed up of the day yet, for every batch.
func (s *Store) Outcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (ledger.OutboxPage, error) {
	return s.unfold(ctx, partition, after, limit, false)
}

// ItemOutcomes is Outcomes for who wants to know no more than what became of items, which
// costs much less: handles, attempts, warnings and times of publishing are left out.
//
// What a batch carried is in its payload, and what was not plain success has a row for its
// record: the rows of the mutations are read only where these two do not tell all.
func (s *Store) ItemOutcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (ledger.OutboxPage, error) {
	return s.unfold(ctx, partition, after, limit, true)
}

func (s *Store) unfold(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit, brief bool) (ledger.OutboxPage, error) {
	limit.Transactions = cmp.Or(limit.Transactions, outboxTransactions)
	limit.Mutations, limit.Bytes = cmp.Or(limit.Mutations, outboxMutations), cmp.Or(limit.Bytes, outboxBytes)
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	page := ledger.OutboxPage{To: after}
	rows, err := s.query.OutboxAfter(ctx, query.OutboxAfterParams{
		Partition: int32(partition), After: after, Lim: int32(min(limit.Transactions, outboxTransactions)), //nolint:gosec // bounded
	})
	if err != nil {
		return page, fmt.Errorf("reading the outbox: %w", err)
	}
	page.More = len(rows) == min(limit.Transactions, outboxTransactions)
	fit, err := s.fitting(ctx, rows, limit)
	if err != nil {
		return page, fmt.Errorf("reading the sizes of batches: %w", err)
	}
	if fit < len(rows) {
		rows, page.More = rows[:fit], true
	}
	if len(rows) == 0 {
		return page, nil
	}
	page.To, page.Oldest = rows[len(rows)-1].Number, rows[0].At
	u := unfolding{Store: s, rows: rows, brief: brief}
	if page.Outcomes, err = u.unfold(ctx); err != nil {
		return ledger.OutboxPage{To: after}, fmt.Errorf("unfolding %d transactions of the outbox: %w", len(rows), err)
	}
	return page, nil
}

// fitting is how many transactions are within the limit: one at least, whatever its size.
func (s *Store) fitting(ctx context.Context, rows []query.OutboxAfterRow, limit ledger.OutboxLimit) (int, error) {
	if len(rows) < 2 {
		return len(rows), nil
	}
	var ids []uuid.UUID
	for i := range rows {
		ids = append(ids, rows[i].Batches...)
	}
	sizes := make(map[uuid.UUID]query.BatchSizesRow, len(ids))
	if len(ids) > 0 {
		first, last := span(ids)
		batches, err := s.query.BatchSizes(ctx, query.BatchSizesParams{Ids: ids, FirstID: first, LastID: last})
		if err != nil {
			return 0, err
		}
		for _, batch := range batches {
			sizes[batch.ID] = batch
		}
	}
	var mutations, size int64
	for i := range rows {
		mutations += int64(len(rows[i].Sequences))
		for _, id := range rows[i].Batches {
			mutations += int64(sizes[id].Mutations)
			size += sizes[id].Bytes
		}
		if i > 0 && (mutations > int64(limit.Mutations) || size > limit.Bytes) {
			return i, nil
		}
	}
	return len(rows), nil
}

// span is the least and the greatest of ids, in the order of the server. The tables of batches
// are divided by them.
func span(ids []uuid.UUID) (first, last uuid.UUID) {
	compare := func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
	return slices.MinFunc(ids, compare), slices.MaxFunc(ids, compare)
}

// unfolding is the work on one page.
type unfolding struct {
	*Store
	rows       []query.OutboxAfterRow
	brief      bool // see ItemOutcomes
	rowsOnly   bool // payloads are not needed: with brief
	lanes      map[int32]catalog.Lane
	batches    map[uuid.UUID]*ended
	exceptions map[recordOf]query.CourierRecordOutcome
	wanted     []wanted
	found      []found // one for each wanted that is final
}

// ended is a batch that ended.
type ended struct {
	query.EndedBatchesRow

	// unaccounted counts, when brief, the records that neither succeeded nor have a row that
	// says otherwise: they went on in another batch. Which ones, only the mutations tell.
	unaccounted int
}

// recordOf names a record of a batch.
type recordOf struct {
	batch  uuid.UUID
	record int32
}

// wanted is a mutation whose row is read. place is its order in the page.
type wanted struct {
	place      int
	day        time.Time
	lane       int32
	generation int32
	sequence   int64
	line       int16
	id         string
	batch      uuid.UUID // uuid.Nil: it became final without one
}

// found is the row of a mutation.
type found struct {
	place        int32
	sequence     int64
	line         int16
	generation   int32
	lane         int32
	record       *int32
	state        int16
	operation    int16
	attempts     int16
	batch        *uuid.UUID
	publishedNs  int64
	receivedAt   time.Time
	id, item     string
	localization *string
	supersededBy *string
	warnings     []byte
}

// foundColumns are in the order of found.targets.
const foundColumns = `m.sequence, m.line, m.generation, m.lane, m.record, m.state, m.operation, m.attempts, m.batch_id, m.published_ns, m.received_at,
	m.mutation_id, m.item_id, m.localization, m.superseded_by, m.warnings`

func (f *found) targets() []any {
	return []any{
		&f.place, &f.sequence, &f.line, &f.generation, &f.lane, &f.record, &f.state, &f.operation, &f.attempts, &f.batch, &f.publishedNs, &f.receivedAt,
		&f.id, &f.item, &f.localization, &f.supersededBy, &f.warnings,
	}
}

func (u *unfolding) unfold(ctx context.Context) ([]ledger.Outcome, error) {
	if err := u.readBatches(ctx); err != nil {
		return nil, err
	}
	u.found = make([]found, 0, u.most())
	reads := &pgx.Batch{}
	place := 0
	for i := range u.rows {
		row := &u.rows[i]
		for _, id := range row.Batches {
			if batch := u.batches[id]; batch != nil { // else it is not kept any more
				place = u.want(reads, batch, place)
			}
		}
		for j := range row.Sequences {
			u.wanted = append(u.wanted, wanted{
				place: place, day: row.Days[j], lane: row.Lanes[j], generation: row.Generations[j], sequence: row.Sequences[j], line: lineAt(row.Lines, j), id: row.MutationIds[j],
			})
			place++
		}
	}
	u.queueWanted(reads)
	if reads.Len() > 0 {
		if err := u.pool.SendBatch(ctx, reads).Close(); err != nil {
			return nil, fmt.Errorf("reading the mutations: %w", err)
		}
	}
	slices.SortStableFunc(u.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(deref(a.record), deref(b.record)),
			cmp.Compare(a.generation, b.generation), cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.line, b.line))
	})
	return u.outcomes(ctx)
}

// most is how many mutations the transactions and their batches have.
func (u *unfolding) most() (n int) {
	for i := range u.rows {
		n += len(u.rows[i].Sequences)
	}
	for _, batch := range u.batches {
		n += int(batch.Mutations)
	}
	return n
}

// readBatches reads what is known of the batches and their records, in one flight.
func (u *unfolding) readBatches(ctx context.Context) error {
	var ids []uuid.UUID
	var lanes []int32
	for i := range u.rows {
		ids, lanes = append(ids, u.rows[i].Batches...), append(lanes, u.rows[i].Lanes...)
	}
	u.batches, u.exceptions = make(map[uuid.UUID]*ended, len(ids)), map[recordOf]query.CourierRecordOutcome{}
	if len(ids) > 0 {
		if err := u.readEnded(ctx, ids); err != nil {
			return fmt.Errorf("reading the batches: %w", err)
		}
		for _, batch := range u.batches {
			lanes = append(lanes, batch.Lane)
		}
		var exceptions []query.CourierRecordOutcome
		if !u.allSucceeded() {
			first, last := span(ids)
			var err error
			if exceptions, err = u.query.ExceptionsOf(ctx, query.ExceptionsOfParams{Ids: ids, FirstID: first, LastID: last}); err != nil {
				return fmt.Errorf("reading the records: %w", err)
			}
		}
		for _, x := range exceptions {
			u.exceptions[recordOf{x.BatchID, x.Record}] = x
			if batch := u.batches[x.BatchID]; batch != nil && ledger.RecordResult(x.Result) != ledger.Succeeded { //nolint:gosec // written from one
				batch.unaccounted--
			}
		}
	}
	u.lanes = make(map[int32]catalog.Lane, len(lanes))
	slices.Sort(lanes)
	names, err := u.query.LanesNumbered(ctx, slices.Compact(lanes))
	if err != nil {
		return fmt.Errorf("reading the lanes: %w", err)
	}
	for _, lane := range names {
		u.lanes[lane.ID] = catalog.Lane{Account: lane.Account, Catalog: lane.Catalog, Type: catalog.Type(lane.CatalogType)}
	}
	return nil
}

// allSucceeded reports that the batches tell it all: what else is recorded of their records are
// warnings, which a brief page leaves out.
func (u *unfolding) allSucceeded() bool {
	if !u.brief {
		return false
	}
	for _, batch := range u.batches {
		if batch.unaccounted != 0 {
			return false
		}
	}
	return true
}

func (u *unfolding) readEnded(ctx context.Context, ids []uuid.UUID) error {
	first, last := span(ids)
	if !u.brief {
		batches, err := u.query.EndedBatches(ctx, query.EndedBatchesParams{Ids: ids, FirstID: first, LastID: last})
		for i := range batches {
			u.batches[batches[i].ID] = &ended{EndedBatchesRow: batches[i]}
		}
		return err
	}
	batches, err := u.query.EndedPayloads(ctx, query.EndedPayloadsParams{Ids: ids, FirstID: first, LastID: last, WithPayload: !u.rowsOnly})
	for i := range batches {
		b := &batches[i]
		u.batches[b.ID] = &ended{EndedBatchesRow: query.EndedBatchesRow{
			ID: b.ID, Lane: b.Lane, CreatedAt: b.CreatedAt, OldestReceivedAt: b.OldestReceivedAt, FinishedAt: b.FinishedAt, Mutations: b.Mutations, Payload: b.Payload,
		}, unaccounted: int(b.Records - b.Succeeded)}
	}
	return err
}

// want lists the mutations of a batch, and returns the next place. Where its payload
// cannot be read they are looked for by the batch's id.
func (u *unfolding) want(reads *pgx.Batch, batch *ended, place int) int {
	next, err := u.wantPayload(batch, place)
	batch.Payload = nil // the next one needs the room
	if err != nil {
		oldest := batch.CreatedAt
		if batch.OldestReceivedAt != nil && batch.OldestReceivedAt.Before(oldest) {
			oldest = *batch.OldestReceivedAt
		}
		// A day more on either side allows for clocks that differ.
		u.queueRead(reads, `select $4::int, `+foundColumns+` from courier.mutation m
			where m.batch_id = $1 and m.day between $2 and $3 and m.state in (0, 4)`,
			batch.ID, day(oldest).AddDate(0, 0, -1), day(batch.CreatedAt).AddDate(0, 0, 1), place)
		return place + 1
	}
	return next
}

// wantPayload lists the mutations that the payload of a batch has. Where the batch is plain,
// those of its records that were not returned are found with that.
func (u *unfolding) wantPayload(batch *ended, place int) (next int, err error) {
	wantedBefore, foundBefore := len(u.wanted), len(u.found)
	next = place
	var at int32 // the record's number, shared by the rows of its mutations
	number := new(int32)
	err = u.codec.scanRecords(batch.Payload, func(record int, newest bool, m *catalog.Mutation) {
		if at = int32(record); *number != at { //nolint:gosec // at most the platform's cap
			number = new(at)
		}
		known := u.brief && batch.unaccounted == 0 && ledger.RecordResult(u.exceptions[recordOf{batch.ID, at}].Result) != ledger.Returned //nolint:gosec // written from one
		if known {
			u.found = append(u.found, foundIn(batch, number, newest, m, next))
		} else {
			u.wanted = append(u.wanted, wanted{
				place: next, day: recordedOn(m), lane: batch.Lane, generation: int32(m.Position.Generation), //nolint:gosec // counts rewinds
				sequence: int64(m.Position.Sequence), line: lineOf(m.Position), id: clean(m.ID), batch: batch.ID, //nolint:gosec // a stream's sequence fits
			})
		}
		next++
	})
	if err != nil {
		u.wanted, u.found = u.wanted[:wantedBefore], u.found[:foundBefore]
	}
	return next, err
}

// foundIn is the row of a mutation that stays in its batch, as far as its payload tells.
func foundIn(batch *ended, record *int32, newest bool, m *catalog.Mutation, place int) found {
	f := found{
		place: int32(place), sequence: int64(m.Position.Sequence), line: lineOf(m.Position), generation: int32(m.Position.Generation), lane: batch.Lane, record: record, //nolint:gosec // a page is bounded, and so is a stream
		state: stateInBatch, operation: int16(m.Operation), batch: &batch.ID, receivedAt: m.ReceivedAt.Truncate(time.Microsecond), // as the column has it
		id: clean(m.ID), item: clean(m.ItemID),
	}
	if !m.Localization.IsZero() {
		f.localization = new(localizationText(m.Localization))
	}
	if !newest {
		f.supersededBy = new("")
	}
	return f
}

// lineAt is a line of a list; rows from before there were packs have none.
func lineAt(lines []int16, i int) int16 {
	if i >= len(lines) {
		return 0
	}
	return lines[i]
}

// placeAt is a place as a row has it.
func placeAt(generation int32, sequence int64, line int16) catalog.Position {
	return catalog.Position{Generation: int64(generation), Sequence: uint64(sequence), Line: int(line)} //nolint:gosec // written from one
}

// queueWanted reads the rows, each by its id, a statement for each day: see queueChanged.
func (u *unfolding) queueWanted(reads *pgx.Batch) {
	byDay := map[time.Time][]wanted{}
	for _, w := range u.wanted {
		byDay[day(w.day)] = append(byDay[day(w.day)], w)
	}
	for on, all := range byDay {
		n := len(all)
		places, lanes, generations := make([]int32, n), make([]int32, n), make([]int32, n)
		sequences, lines, ids, batches := make([]int64, n), make([]int16, n), make([]string, n), make([]pgtype.UUID, n) // null where there is none
		for i := range all {
			w := &all[i]
			places[i], lanes[i], generations[i] = int32(w.place), w.lane, w.generation //nolint:gosec // a page is bounded
			sequences[i], lines[i], ids[i] = w.sequence, w.line, w.id
			batches[i] = pgtype.UUID{Bytes: w.batch, Valid: w.batch != uuid.Nil}
		}
		u.queueRead(reads, `select u.place, `+foundColumns+`
			from unnest($2::int[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::uuid[], $8::smallint[])
				u(place, lane, generation, sequence, mutation_id, batch_id, line),
			lateral (select r.sequence, r.line, r.generation, r.lane, r.record, r.state, r.operation, r.attempts, r.batch_id, r.published_ns, r.received_at,
					r.mutation_id, r.item_id, r.localization, r.superseded_by, r.warnings from courier.mutation r
				where r.day = $1 and r.mutation_id = u.mutation_id and r.line = u.line and r.sequence = u.sequence and r.generation = u.generation
					and r.lane + 0 = u.lane and case when u.batch_id is null then r.state in (2, 3)
						else r.state in (0, 4) and r.batch_id = u.batch_id end offset 0) m`,
			on, places, lanes, generations, sequences, ids, batches, lines)
	}
}

func (u *unfolding) queueRead(reads *pgx.Batch, statement string, arguments ...any) {
	reads.Queue(statement, arguments...).Query(func(rows pgx.Rows) error {
		var f found
		_, err := pgx.ForEachRow(rows, f.targets(), func() error {
			if f.final(u.exceptions) {
				u.found = append(u.found, f)
			}
			f = found{}
			return nil
		})
		return err
	})
}

// final reports whether the row's mutation is: one that was returned is in another batch
// or waits.
func (f *found) final(exceptions map[recordOf]query.CourierRecordOutcome) bool {
	return f.state != stateInBatch || ledger.RecordResult(f.exception(exceptions).Result) != ledger.Returned //nolint:gosec // written from one
}

// exception is what was recorded of the row's record; the zero value for plain success.
func (f *found) exception(exceptions map[recordOf]query.CourierRecordOutcome) query.CourierRecordOutcome {
	if f.batch == nil || f.record == nil {
		return query.CourierRecordOutcome{}
	}
	return exceptions[recordOf{*f.batch, *f.record}]
}

func (f *found) status(result ledger.RecordResult) ledger.OutcomeStatus {
	switch {
	case f.state == stateInvalid:
		return ledger.OutcomeInvalid
	case f.state == stateSettled:
		return ledger.OutcomeSucceeded
	case f.state == stateInBatch && result == ledger.Unconfirmed:
		return ledger.OutcomeUnconfirmed // of a merged record, each is to be looked at
	case f.state == stateOvertaken || f.supersededBy != nil:
		return ledger.OutcomeSuperseded
	case result == ledger.Failed:
		return ledger.OutcomeFailed
	default:
		return ledger.OutcomeSucceeded
	}
}

// outcomes turns the rows into outcomes, with the dead letters of those that have one.
func (u *unfolding) outcomes(ctx context.Context) ([]ledger.Outcome, error) {
	all := make([]ledger.Outcome, len(u.found))
	for i := range u.found {
		f := &u.found[i]
		x := f.exception(u.exceptions)
		o := &all[i]
		*o = ledger.Outcome{
			Lane: u.lanes[f.lane], MutationID: f.id, ItemID: f.item, Operation: catalog.Operation(f.operation), //nolint:gosec // written from one
			Status: f.status(ledger.RecordResult(x.Result)), Attempts: int(f.attempts), ReceivedAt: f.receivedAt.UTC(), FinishedAt: f.receivedAt.UTC(), //nolint:gosec // written from one
			Position: placeAt(f.generation, f.sequence, f.line),
		}
		if f.localization != nil {
			o.Localization = localizationOf(*f.localization)
		}
		if f.publishedNs != 0 {
			o.PublishedAt = time.Unix(0, f.publishedNs).UTC()
		}
		if f.supersededBy != nil && o.Status == ledger.OutcomeSuperseded {
			o.SupersededBy = *f.supersededBy
		}
		if f.batch != nil {
			batch := u.batches[*f.batch]
			o.BatchID, o.Handle, o.FinishedAt = batch.ID, batch.Handle, batch.FinishedAt.UTC()
			o.Attempts += int(batch.Attempts)
		}
		var err error
		if o.Warnings, err = issuesOf(f.warnings); err != nil {
			return nil, err
		}
		if err := addException(o, &x); err != nil {
			return nil, err
		}
	}
	return all, u.addLetters(ctx, all)
}
