// Package evidence reads what the oracle judges a run by: the rows of the database, the
// messages of the stream, and where a configuration has the items of its lanes.
package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// Status is a row of mutation_status.
type Status struct {
	MutationID   string
	Lane         catalog.Lane
	ItemID       string
	Operation    string
	Status       string
	SupersededBy string // "" for none
	InBatch      bool
	Handle       string
	Attempts     int
	Errors       []ledger.Issue
	Warnings     []ledger.Issue
	PublishedAt  time.Time
	FinishedAt   time.Time // zero while it is not final
	Position     catalog.Position
	// Silent says that it is failed, invalid or unconfirmed without a reason in words.
	Silent bool
}

// Row is the same for the oracle; its key is left to the caller.
func (s Status) Row(key oracle.Key) oracle.Row {
	return oracle.Row{
		Key: key, ID: s.MutationID, Item: catalog.ItemKey{Lane: s.Lane, ItemID: s.ItemID}, Status: s.Status, SupersededBy: s.SupersededBy,
		InBatch: s.InBatch, Silent: s.Silent, PublishedAt: s.PublishedAt, FinishedAt: s.FinishedAt,
	}
}

// Latency is the time from publishing to the final status.
func (s Status) Latency() time.Duration { return s.FinishedAt.Sub(s.PublishedAt) }

// Statuses reads mutation_status in the order in which workers read the stream.
func Statuses(ctx context.Context, pool *pgxpool.Pool) ([]Status, error) {
	rows, err := pool.Query(ctx, `
		SELECT mutation_id, account, catalog, catalog_type, item_id, coalesce(operation, ''), status,
			coalesce(superseded_by, ''), batch_id IS NOT NULL, coalesce(handle, ''), attempts, coalesce(errors, '[]'),
			coalesce(warnings, '[]'), published_at, finished_at, stream_generation, stream_sequence, stream_line,
			status IN ('failed', 'unconfirmed', 'invalid') AND NOT courier.has_words(errors)
		FROM courier.mutation_status ORDER BY stream_generation, stream_sequence, stream_line`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanStatus)
}

func scanStatus(row pgx.CollectableRow) (s Status, err error) {
	var issues, warnings []byte
	var finished *time.Time
	var silent *bool
	var sequence int64
	err = row.Scan(&s.MutationID, &s.Lane.Account, &s.Lane.Catalog, &s.Lane.Type, &s.ItemID, &s.Operation, &s.Status,
		&s.SupersededBy, &s.InBatch, &s.Handle, &s.Attempts, &issues, &warnings, &s.PublishedAt, &finished,
		&s.Position.Generation, &sequence, &s.Position.Line, &silent)
	if err != nil {
		return s, err
	}
	s.Position.Sequence = uint64(sequence) //nolint:gosec // written from one
	if finished != nil {
		s.FinishedAt = *finished
	}
	s.Silent = silent != nil && *silent
	return s, errors.Join(json.Unmarshal(issues, &s.Errors), json.Unmarshal(warnings, &s.Warnings))
}
