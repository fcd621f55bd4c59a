package persistence

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// DeadLetter is a mutation that will not be sent again by itself.
type DeadLetter struct {
	ID           int64
	MutationID   string
	Lane         catalog.Lane
	ItemID       string
	Localization catalog.Localization
	Operation    catalog.Operation
	// Message is whole, byte for byte, ready to be published again, unless Lost says
	// that it was not kept.
	Message    catalog.Message
	Reason     catalog.Reason
	Field      string
	Text       string
	FailedAt   time.Time
	ReplayedAt time.Time // zero if it was not
	Position   catalog.Position
}

// DeadLetterFilter chooses dead letters; zero fields choose all.
type DeadLetterFilter struct {
	IDs          []int64
	Account      string
	Catalog      string
	Type         catalog.Type
	Reason       catalog.Reason
	MutationID   string
	FailedBefore time.Time
	// WithReplayed also lists those that were replayed.
	WithReplayed bool
	// After continues a list behind this id.
	After int64
	// UpTo ends a list with this id; 0 does not end it.
	UpTo int64
	// Limit bounds the list. Defaults to 100, at most 100,000.
	Limit int
	// MaxBytes bounds the messages of the list, but for one. Defaults to 8 MiB.
	MaxBytes int64
	// WithoutMessage leaves headers and bodies out; then bytes do not bound the list.
	WithoutMessage bool
}

// DeadLetters lists dead letters, oldest first: a page, behind which there is nothing
// more only when it is empty.
func (s *Store) DeadLetters(ctx context.Context, filter DeadLetterFilter) ([]DeadLetter, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	limit := filter.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := s.query.DeadLetters(ctx, query.DeadLettersParams{
		AfterID: filter.After, UpTo: idOrNull(filter.UpTo), Ids: filter.IDs, Account: cleanOrNull(filter.Account), Catalog: cleanOrNull(filter.Catalog),
		CatalogType: cleanOrNull(string(filter.Type)), Reason: cleanOrNull(string(filter.Reason)),
		MutationID: cleanOrNull(filter.MutationID), FailedBefore: timeOrNull(filter.FailedBefore),
		WithReplayed: filter.WithReplayed, Lim: int32(min(limit, maxPage)),
		Whole: !filter.WithoutMessage, MaxBytes: cmp.Or(filter.MaxBytes, maxPageBytes),
	})
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	letters := make([]DeadLetter, len(rows))
	for i := range rows {
		letters[i] = deadLetter(&rows[i])
	}
	return letters, nil
}

func deadLetter(row *query.DeadLettersRow) DeadLetter {
	letter := DeadLetter{
		ID: row.ID, MutationID: row.MutationID, ItemID: row.ItemID,
		Lane:      catalog.Lane{Account: row.Account, Catalog: row.Catalog, Type: catalog.Type(row.CatalogType)},
		Operation: catalog.Operation(row.Operation), //nolint:gosec // written from one
		Message:   catalog.Message{Subject: row.Subject, Data: row.Body},
		Reason:    catalog.Reason(row.Reason), Text: row.Text, FailedAt: row.FailedAt, ReplayedAt: timeOf(row.ReplayedAt),
		Position: catalog.Position{Generation: int64(row.Generation), Sequence: uint64(row.Sequence)}, //nolint:gosec // written from one
	}
	if row.Localization != nil {
		letter.Localization = localizationOf(*row.Localization)
	}
	if row.Field != nil {
		letter.Field = *row.Field
	}
	if row.Lost != nil {
		letter.Message.Lost = max(*row.Lost, 1)
	}
	for i := 0; i+1 < len(row.Headers); i += 2 {
		letter.Message.Headers = append(letter.Message.Headers, catalog.Header{Name: string(row.Headers[i]), Value: string(row.Headers[i+1])})
	}
	return letter
}

// NewerChanges tells which of the dead letters have a newer change of the same
// item that was not itself given up: replaying such a letter would bring an old
// state back.
func (s *Store) NewerChanges(ctx context.Context, ids []int64) (map[int64]bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	found, err := s.query.NewerChanges(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for newer changes: %w", err)
	}
	newer := make(map[int64]bool, len(found))
	for _, id := range found {
		newer[id] = true
	}
	return newer, nil
}

// MarkReplayed notes that dead letters were published again, and returns how many
// were not marked before.
func (s *Store) MarkReplayed(ctx context.Context, ids []int64, at time.Time) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	marked, err := s.query.MarkReplayed(ctx, query.MarkReplayedParams{At: &at, Ids: ids})
	if err != nil {
		return 0, fmt.Errorf("marking dead letters: %w", err)
	}
	return marked, nil
}

// NewestDeadLetter is the highest id there is, 0 without any.
func (s *Store) NewestDeadLetter(ctx context.Context) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	newest, err := s.query.NewestDeadLetter(ctx)
	if err != nil {
		return 0, fmt.Errorf("looking for the newest dead letter: %w", err)
	}
	return newest, nil
}

func idOrNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}
