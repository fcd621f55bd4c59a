package persistence

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// queue adds everything but the new mutation rows to the last flight, in the
// order of the transaction's fields.
func (p *plan) queue(b *pgx.Batch) {
	p.queueLanes(b)
	p.queueBatches(b)
	p.queueRemoved(b)
	p.queueChanged(b)
	p.queueWaiting(b)
	p.queueLetters(b)
	p.queueSizes(b)
	p.queueVersions(b, p.tx.Versions)
	p.queueIntents(b)
	p.queueOutcomes(b)
	p.queueOutbox(b)
	if above := p.recordedAbove(); len(above) > 0 {
		var generation *int64
		if p.tx.Anchor != nil {
			generation = &p.tx.Anchor.Position.Generation
		}
		queueRecorded(b, p.tx.Partition, generation, above)
	}
}

// queueLanes has the ids of the lanes checked: they may be remembered from a database
// that lost its last commits since.
func (p *plan) queueLanes(b *pgx.Batch) {
	if len(p.lanes) == 0 {
		return
	}
	ids := make([]int32, 0, len(p.lanes))
	accounts, catalogs, types := make([]string, 0, len(p.lanes)), make([]string, 0, len(p.lanes)), make([]string, 0, len(p.lanes))
	for lane, id := range p.lanes {
		ids = append(ids, id)
		accounts, catalogs, types = append(accounts, clean(lane.Account)), append(catalogs, clean(lane.Catalog)), append(types, clean(string(lane.Type)))
	}
	b.Queue("select courier.check_lanes($1, $2, $3, $4)", ids, accounts, catalogs, types)
}

func (p *plan) queueBatches(b *pgx.Batch) {
	for i := range p.tx.Batches {
		batch := &p.tx.Batches[i]
		mutations, oldest := 0, batch.CreatedAt
		for m := range batch.Mutations() {
			mutations++
			if m.ReceivedAt.Before(oldest) {
				oldest = m.ReceivedAt
			}
		}
		b.Queue(`insert into courier.batch (id, created_at, partition, lane, records, mutations, request_group, payload, oldest_received_at)
			values ($1, coalesce($2, now()), $3, $4, $5, $6, $7, $8, $9)`,
			batch.ID, batch.CreatedAt, p.tx.Partition, p.lanes[batch.Lane], len(batch.Records), mutations, batch.Group, p.payload[i], oldest)
	}
}

// queueRemoved deletes the waiting rows that are used up. One statement for each
// lane, so that it is always an index scan.
func (p *plan) queueRemoved(b *pgx.Batch) {
	for place, rows := range p.removed {
		if !rows.packed {
			b.Queue("delete from courier.waiting where lane = $1 and generation = $2 and sequence = any ($3)",
				place.lane, place.generation, rows.sequences)
			continue
		}
		// The lines of a pack may come and go one by one.
		b.Queue("delete from courier.waiting where lane = $1 and generation = $2 and sequence = any ($3) and sequence * $5::bigint + line = any ($4)",
			place.lane, place.generation, rows.sequences, rows.places, maxLines)
	}
}

// queueChanged updates rows that exist. One statement for each day, so that it
// touches one partition. The lane is part of a row's name: after a stream was put
// back, one sequence of a generation may be a message here and one that is gone
// there.
//
// Its time must be proportional to the rows, also while the server has no statistics
// of a day that is just being written: it takes day and generation to leave a handful
// of rows then, and joins them by going through the day, or through all of u for each
// row. So each row is looked up by itself, which "offset 0" keeps the server from
// turning into a join, and is then reached by its place. No other transaction moves it
// meanwhile: only the partition's owner changes it, and of two the fence lets one
// commit. "lane + 0" keeps the server from mutation_block: without statistics it may take
// a lane to have a handful of rows, and read all of it for each.
func (p *plan) queueChanged(b *pgx.Batch) {
	for place, rows := range p.changed {
		c := newColumns(len(rows))
		for i := range rows {
			c.add(&rows[i])
		}
		b.Queue(`update courier.mutation m set state = u.state, attempts = u.attempts, batch_id = u.batch_id, record = u.record,
				superseded_by = u.superseded_by, warnings = coalesce(u.warnings::jsonb, m.warnings)
			from unnest($3::text[], $4::bigint[], $5::smallint[], $6::smallint[], $7::uuid[], $8::int[], $9::text[], $10::text[], $11::int[], $12::smallint[])
				u(mutation_id, sequence, state, attempts, batch_id, record, superseded_by, warnings, lane, line),
			lateral (select r.ctid as place from courier.mutation r
				where r.day = $1 and r.generation = $2 and r.mutation_id = u.mutation_id and r.line = u.line and r.sequence = u.sequence
					and r.lane + 0 = u.lane offset 0) found
			where m.day = $1 and m.ctid = found.place`,
			place.day, place.generation, c.ids, c.sequences, c.states, c.attempts, c.batches, c.records, c.supersededBy, c.warnings, c.lanes, c.lines).Exec(p.expect(len(rows)))
	}
}

// columns are rows turned into arrays.
type columns struct {
	ids          []string
	sequences    []int64
	lines        []int16
	states       []int16
	attempts     []int16
	batches      []*uuid.UUID
	records      []*int32
	supersededBy []*string
	warnings     []*string
	lanes        []int32
}

func newColumns(n int) *columns {
	return &columns{
		ids: make([]string, 0, n), sequences: make([]int64, 0, n), lines: make([]int16, 0, n), states: make([]int16, 0, n), attempts: make([]int16, 0, n),
		batches: make([]*uuid.UUID, 0, n), records: make([]*int32, 0, n), supersededBy: make([]*string, 0, n),
		warnings: make([]*string, 0, n), lanes: make([]int32, 0, n),
	}
}

func (c *columns) add(r *row) {
	c.ids = append(c.ids, clean(r.mutation.ID))
	c.sequences = append(c.sequences, int64(r.mutation.Position.Sequence)) //nolint:gosec // a stream's sequence fits
	c.lines = append(c.lines, lineOf(r.mutation.Position))
	c.lanes = append(c.lanes, r.lane)
	c.states = append(c.states, r.state)
	c.attempts = append(c.attempts, r.attempts())
	c.supersededBy = append(c.supersededBy, cleanOrNull(r.supersededBy))
	c.warnings = append(c.warnings, issuesJSON(ledger.IssuesOf(r.mutation.Warnings)))
	if r.batch == uuid.Nil {
		c.batches, c.records = append(c.batches, nil), append(c.records, nil)
	} else {
		c.batches, c.records = append(c.batches, &r.batch), append(c.records, &r.record)
	}
}

func (p *plan) queueWaiting(b *pgx.Batch) {
	n := len(p.waiting)
	if n == 0 {
		return
	}
	lanes, generations, sequences, lines := make([]int32, n), make([]int64, n), make([]int64, n), make([]int16, n)
	received, payloads := make([]time.Time, n), make([][]byte, n)
	for i, w := range p.waiting {
		lanes[i], payloads[i] = w.lane, w.payload
		generations[i] = w.mutation.Position.Generation
		sequences[i] = int64(w.mutation.Position.Sequence) //nolint:gosec // a stream's sequence fits
		lines[i], received[i] = lineOf(w.mutation.Position), w.mutation.ReceivedAt
	}
	b.Queue(`insert into courier.waiting (lane, generation, sequence, received_at, payload, line)
		select u.lane, u.generation, u.sequence, u.received_at, u.payload, u.line
		from unnest($1::int[], $2::int[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::smallint[]) u(lane, generation, sequence, received_at, payload, line)`,
		lanes, generations, sequences, received, payloads, lines)
}

func (p *plan) queueLetters(b *pgx.Batch) {
	for i := range p.letters {
		l := &p.letters[i]
		m := l.mutation
		var batch *uuid.UUID
		if l.batch != uuid.Nil {
			batch = &l.batch
		}
		headers := make([][]byte, 0, 2*len(m.Message.Headers))
		for _, header := range m.Message.Headers {
			headers = append(headers, []byte(header.Name), []byte(header.Value))
		}
		var lost *int64
		if m.Message.Lost > 0 {
			lost = &m.Message.Lost
		}
		body := m.Message.Data
		if body == nil {
			body = []byte{}
		}
		b.Queue(`insert into courier.dead_letter (sequence, failed_at, batch_id, lane, generation, operation, mutation_id, item_id,
				localization, subject, reason, field, text, headers, body, errors, lost, line)
			values ($1, coalesce($2, now()), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::jsonb, $17, $18)`,
			int64(m.Position.Sequence), timeOrNull(l.failedAt), batch, l.lane, m.Position.Generation, int16(m.Operation), clean(m.ID), //nolint:gosec // fits
			clean(m.ItemID), cleanOrNull(localizationText(m.Localization)), clean(m.Message.Subject), string(l.reason),
			cleanOrNull(l.field), clean(l.text), headers, body, issuesJSON(l.errors), lost, lineOf(m.Position))
	}
}

// queueVersions keeps the newest version of each item, and of equal ones the later.
func (p *plan) queueVersions(b *pgx.Batch, versions []ledger.ItemVersion) {
	if len(versions) == 0 {
		return
	}
	newest := make(map[catalog.ItemKey]ledger.ItemVersion, len(versions))
	for _, version := range versions {
		if known, ok := newest[version.Key]; !ok || version.Newer(known) {
			newest[version.Key] = version
		}
	}
	c := p.versionColumns(newest)
	b.Queue(`insert into courier.item_version as v (lane, item_id, localization, version, mutation_id, generation, sequence, line)
		select u.lane, u.item_id, u.localization, u.version, u.mutation_id, u.generation, u.sequence, u.line
		from unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::smallint[])
			u(lane, item_id, localization, version, mutation_id, generation, sequence, line)
		on conflict (lane, item_id, localization) do update set version = excluded.version, mutation_id = excluded.mutation_id,
			generation = excluded.generation, sequence = excluded.sequence, line = excluded.line, updated_at = now()
		where (excluded.version, excluded.generation, excluded.sequence, excluded.line) > (v.version, v.generation, v.sequence, v.line)`,
		c.lanes, c.items, c.localizations, c.versions, c.mutations, c.generations, c.sequences, c.lines)
}

type versionColumns struct {
	lanes         []int32
	items         []string
	localizations []string
	versions      []int64
	mutations     []string
	generations   []int64
	sequences     []int64
	lines         []int16
}

func (p *plan) versionColumns(versions map[catalog.ItemKey]ledger.ItemVersion) versionColumns {
	var c versionColumns
	for key, version := range versions {
		c.lanes = append(c.lanes, p.lanes[key.Lane])
		c.items = append(c.items, clean(key.ItemID))
		c.localizations = append(c.localizations, localizationText(key.Localization))
		c.versions = append(c.versions, version.Version)
		c.mutations = append(c.mutations, clean(version.MutationID))
		c.generations = append(c.generations, version.Position.Generation)
		c.sequences = append(c.sequences, int64(version.Position.Sequence)) //nolint:gosec // a stream's sequence fits
		c.lines = append(c.lines, lineOf(version.Position))
	}
	return c
}

func (p *plan) queueIntents(b *pgx.Batch) {
	for _, intent := range p.tx.Intents {
		b.Queue(`insert into courier.attempt (batch_id, number, at, reason) values ($1, $2, $3, $4)
			on conflict (batch_id, number) do nothing`, intent.BatchID, intent.Attempt, intent.At, cleanOrNull(intent.Reason))
	}
}

// queueAttempts records how POSTs ended. Repeating it is harmless, and a handle once known is
// never forgotten.
func queueAttempts(b *pgx.Batch, attempts []*ledger.Attempt) {
	for _, a := range attempts {
		handles := make([]string, len(a.Handles))
		for i, handle := range a.Handles {
			handles[i] = clean(handle)
		}
		var result *int16
		if a.Result != 0 {
			result = new(int16(a.Result))
		}
		b.Queue(`insert into courier.attempt as a (batch_id, number, result, at, next_at, handles, error, notes, answer)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			on conflict (batch_id, number) do update set
				result = excluded.result, at = excluded.at, next_at = excluded.next_at,
				handles = case when cardinality(excluded.handles) > 0 then excluded.handles else a.handles end,
				error = excluded.error, notes = coalesce(excluded.notes, a.notes), answer = coalesce(excluded.answer, a.answer)
			where a.result is distinct from 1 or excluded.result = 1`,
			a.BatchID, a.Number, result, a.At, timeOrNull(a.NextAt), handles, cleanOrNull(a.Error), a.Notes, cleanOrNull(a.Answer))
	}
}

func (p *plan) queueOutcomes(b *pgx.Batch) {
	for i := range p.tx.Outcomes {
		outcome := &p.tx.Outcomes[i]
		b.Queue(`update courier.batch set state = $2, finished_at = $3, succeeded = $4, failed = $5, warned = $6, error = $7, answer = $8
			where id = $1`, outcome.BatchID, string(outcome.State), outcome.FinishedAt, outcome.Succeeded, outcome.Failed,
			outcome.Warned, cleanOrNull(outcome.Error), cleanOrNull(outcome.Answer)).Exec(p.expect(1))
		queueExceptions(b, outcome)
		p.queueResets(b, outcome.ResetVersions)
	}
}

func queueExceptions(b *pgx.Batch, outcome *ledger.BatchOutcome) {
	n := len(outcome.Exceptions)
	if n == 0 {
		return
	}
	records, results := make([]int32, n), make([]int16, n)
	issues, warnings := make([]*string, n), make([]*string, n)
	for i := range outcome.Exceptions {
		exception := &outcome.Exceptions[i]
		records[i], results[i] = int32(exception.Index), int16(exception.Result) //nolint:gosec // at most the platform's cap
		issues[i], warnings[i] = issuesJSON(exception.Errors), issuesJSON(exception.Warnings)
	}
	b.Queue(`insert into courier.record_outcome (batch_id, record, result, errors, warnings)
		select $1, u.record, u.result, u.errors::jsonb, u.warnings::jsonb
		from unnest($2::int[], $3::smallint[], $4::text[], $5::text[]) u(record, result, errors, warnings)`,
		outcome.BatchID, records, results, issues, warnings)
}

// queueResets ends the version counters of items that a DELETE removed; what was set
// behind the DELETE stays.
func (p *plan) queueResets(b *pgx.Batch, versions []ledger.ItemVersion) {
	if len(versions) == 0 {
		return
	}
	ended := make(map[catalog.ItemKey]ledger.ItemVersion, len(versions))
	for _, version := range versions {
		ended[version.Key] = version
	}
	c := p.versionColumns(ended)
	b.Queue(`delete from courier.item_version v
		using unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[])
			u(lane, item_id, localization, version, generation, sequence, line)
		where v.lane = u.lane and v.item_id = u.item_id and v.localization = u.localization and v.version <= u.version
			and (v.generation, v.sequence, v.line) <= (u.generation, u.sequence, u.line)`,
		c.lanes, c.items, c.localizations, c.versions, c.generations, c.sequences, c.lines)
}

// recordedAbove are the ranges that the transaction's own anchor leaves open.
func (p *plan) recordedAbove() []ledger.Range {
	if p.tx.Anchor == nil {
		return p.tx.Recorded
	}
	return ledger.RangesAbove(p.tx.Recorded, p.tx.Anchor.Position.Sequence)
}

// queueRecorded writes ranges as one row; without a generation it is the
// partition's current one.
func queueRecorded(b *pgx.Batch, partition int, generation *int64, ranges []ledger.Range) {
	first, last := make([]int64, len(ranges)), make([]int64, len(ranges))
	var lines []int16 // none where all are whole messages
	var highest int64
	for i, r := range ranges {
		first[i], last[i] = int64(r.First), int64(r.Last) //nolint:gosec // a stream's sequence fits
		highest = max(highest, last[i])
		if r.FirstLine > 0 || r.LastLine > 0 {
			lines = make([]int16, 2*len(ranges))
		}
	}
	for i := range len(lines) / 2 {
		lines[2*i], lines[2*i+1] = int16(ranges[i].FirstLine), int16(ranges[i].LastLine) //nolint:gosec // at most message.MaxPackLines
	}
	b.Queue(`insert into courier.recorded (partition, generation, last, first_each, last_each, lines_each)
		select l.partition, coalesce($2, l.generation), $3, $4, $5, $6 from courier.lease l where l.partition = $1`,
		partition, generation, highest, first, last, lines)
}

// issuesJSON is the errors or warnings column; nil for none.
func issuesJSON(issues []ledger.Issue) *string {
	if len(issues) == 0 {
		return nil
	}
	cleaned := make([]ledger.Issue, len(issues))
	for i, issue := range issues {
		cleaned[i] = ledger.Issue{Code: clean(issue.Code), Attribute: clean(issue.Attribute), Message: clean(issue.Message)}
	}
	encoded, err := json.Marshal(cleaned)
	if err != nil {
		return nil // strings always encode
	}
	return new(strings.TrimSpace(string(encoded)))
}

// expect counts rows that a statement should have changed and did not. It can
// only tell afterwards: COMMIT travels with the statement.
func (p *plan) expect(rows int) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		p.missing += max(0, rows-int(tag.RowsAffected()))
		return nil
	}
}
