package persistence

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// known is what a mutation's row says of it, where its payload cannot be read.
type known struct {
	day          time.Time
	id, item     string
	localization *string
	operation    int16
	attempts     int16
	publishedNs  int64
	receivedAt   time.Time
	generation   int32
	sequence     int64
	line         int16
	payload      int // bytes, packed
	lane         catalog.Lane
	stored       bool
}

func (k *known) mutation() *catalog.Mutation {
	m := &catalog.Mutation{
		ID: k.id, Lane: k.lane, ItemID: k.item, Operation: catalog.Operation(k.operation), Attempts: int(k.attempts), //nolint:gosec // written from one
		PublishedAt: time.Unix(0, k.publishedNs).UTC(), ReceivedAt: k.receivedAt,
		Position: placeAt(k.generation, k.sequence, k.line),
		Message: catalog.Message{
			Subject: "catalog.mutations." + k.lane.Account + "." + k.lane.Catalog + "." + string(k.lane.Type), Lost: int64(max(k.payload, 1)),
		},
		HasWaitingRow: k.stored, Checked: true, RecordedOn: day(k.day),
	}
	if k.localization != nil {
		m.Localization = localizationOf(*k.localization)
	}
	return m
}

// damagedRow is a waiting row whose payload cannot be read.
func (s *Store) damagedRow(ctx context.Context, lane catalog.Lane, row query.WaitingPageRow, cause error) (ledger.InvalidMutation, error) {
	k := known{
		day: row.ReceivedAt, id: strconv.FormatInt(int64(row.Generation), 10) + "-" + strconv.FormatInt(row.Sequence, 10),
		receivedAt: row.ReceivedAt, generation: row.Generation, sequence: row.Sequence, line: row.Line,
		payload: len(row.Payload), lane: lane, stored: true,
	}
	if k.line > 0 {
		k.id += "/" + strconv.Itoa(int(k.line))
	}
	id, err := s.knownLaneID(ctx, lane)
	if err != nil {
		return ledger.InvalidMutation{}, err
	}
	found, err := s.query.MutationsAt(ctx, query.MutationsAtParams{Lane: id, Generation: row.Generation, Sequence: row.Sequence, Line: row.Line})
	if err != nil {
		return ledger.InvalidMutation{}, fmt.Errorf("reading the row of a damaged mutation: %w", err)
	}
	for _, m := range found {
		k.day, k.id, k.item, k.localization, k.operation, k.attempts = m.Day, m.MutationID, m.ItemID, m.Localization, m.Operation, m.Attempts
		k.publishedNs, k.receivedAt = m.PublishedNs, m.ReceivedAt
	}
	return ledger.InvalidMutation{Mutation: k.mutation(), Problem: catalog.Problem{
		Reason: catalog.Unrecordable,
		Text: fmt.Sprintf("what the database kept of this change cannot be read: %v; message %d of the stream has it until it is trimmed",
			cause, row.Sequence),
	}}, nil
}

// damagedRecords are the records of a batch whose payload cannot be read, as far as the
// rows of its mutations tell.
func damagedRecords(ctx context.Context, q *query.Queries, row *query.OpenBatchesRow) ([]catalog.Record, error) {
	found, err := q.MutationsOfBatch(ctx, row.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the mutations of a damaged batch: %w", err)
	}
	var records []catalog.Record
	for _, m := range found {
		k := known{
			day: m.Day, id: m.MutationID, item: m.ItemID, localization: m.Localization, operation: m.Operation, attempts: m.Attempts,
			publishedNs: m.PublishedNs, receivedAt: m.ReceivedAt, generation: m.Generation, sequence: m.Sequence, line: m.Line,
			lane: catalog.Lane{Account: row.Account, Catalog: row.Catalog, Type: catalog.Type(row.CatalogType)},
		}
		for m.Record != nil && len(records) <= int(*m.Record) {
			records = append(records, catalog.Record{})
		}
		record := &records[len(records)-1]
		record.Constituents = append(record.Constituents, k.mutation())
		newest := record.Newest()
		record.Key, record.Change = newest.Key(), newest.Change()
	}
	for i := range records {
		if len(records[i].Constituents) == 0 {
			return nil, nil // the places of the records are not known
		}
	}
	return records, nil
}
