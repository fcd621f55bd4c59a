package persistence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// LetterState is what has become of a dead letter.
type LetterState string

// The states of dead letters.
const (
	LetterOpen      LetterState = "open"      // somebody has to look at it
	LetterReplayed  LetterState = "replayed"  // its message, or an edited one, was published again
	LetterDismissed LetterState = "dismissed" // a person said that nothing is to be done
	LetterResolved  LetterState = "resolved"  // a newer change of its item succeeded
)

// LetterStates are all states.
func LetterStates() []LetterState {
	return []LetterState{LetterOpen, LetterReplayed, LetterDismissed, LetterResolved}
}

// DeadLetter is a mutation that will not be sent again by itself.
type DeadLetter struct {
	ID           int64
	MutationID   string
	Lane         catalog.Lane
	Platform     string // of the account; "" where no worker has told
	ItemID       string
	Localization catalog.Localization
	Operation    catalog.Operation
	BatchID      uuid.UUID // the batch that it was last sent in; uuid.Nil if it was not sent
	// Message is whole, byte for byte, ready to be published again, unless Lost says
	// that it was not kept.
	Message catalog.Message
	Reason  catalog.Reason
	Field   string
	Text    string
	// Errors are all that is wrong with it: Text tells of the first. Empty where nothing
	// but Text is known.
	Errors   []ledger.Issue
	FailedAt time.Time
	Position catalog.Position

	State         LetterState
	ReplayedAt    time.Time // zero if it was not
	ReplayedBy    string
	ReplacedBy    string    // the id of the mutation that an edited message was published as
	DismissedAt   time.Time // zero if it was not
	DismissedBy   string
	DismissReason string
	ResolvedAt    time.Time // zero if it was not, or if nobody has noted it yet
}

// DeadLetterFilter chooses dead letters; zero fields choose all.
type DeadLetterFilter struct {
	IDs     []int64
	Account string
	Catalog string
	Type    catalog.Type
	Reason  catalog.Reason
	// Attribute chooses those with an error about this attribute.
	Attribute    string
	ItemID       string
	MutationID   string
	FailedSince  time.Time
	FailedBefore time.Time
	// States chooses by what has become of them. Nil chooses those that are open.
	States []LetterState
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
// more only when it is empty. A letter whose item had a newer success within the last
// minutes may still be open: see NewestDeadLetters.
func (s *Store) DeadLetters(ctx context.Context, filter DeadLetterFilter) ([]DeadLetter, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := filter.conditions()
	rows, err := s.query.DeadLetters(ctx, query.DeadLettersParams{
		AfterID: filter.After, UpTo: idOrNull(filter.UpTo), Ids: c.Ids, Account: c.Account, Catalog: c.Catalog,
		CatalogType: c.CatalogType, Reason: c.Reason, Attribute: c.Attribute, ItemID: c.ItemID, MutationID: c.MutationID,
		FailedSince: c.FailedSince, FailedBefore: c.FailedBefore, OpenOnly: c.OpenOnly, States: c.States, Lim: filter.limit(),
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

func (f *DeadLetterFilter) limit() int32 {
	if f.Limit <= 0 {
		return 100
	}
	return int32(min(f.Limit, maxPage))
}

// conditions are the filter's, as the statements take them.
func (f *DeadLetterFilter) conditions() query.CountMatchingDeadLettersParams {
	c := query.CountMatchingDeadLettersParams{
		Ids: f.IDs, Account: cleanOrNull(f.Account), Catalog: cleanOrNull(f.Catalog), CatalogType: cleanOrNull(string(f.Type)),
		Reason: cleanOrNull(string(f.Reason)), Attribute: cleanOrNull(f.Attribute), ItemID: cleanOrNull(f.ItemID),
		MutationID: cleanOrNull(f.MutationID), FailedSince: timeOrNull(f.FailedSince), FailedBefore: timeOrNull(f.FailedBefore),
		OpenOnly: f.openOnly(),
	}
	if !c.OpenOnly {
		for _, state := range f.States {
			c.States = append(c.States, string(state))
		}
	}
	return c
}

func (f *DeadLetterFilter) openOnly() bool {
	return len(f.States) == 0 || len(f.States) == 1 && f.States[0] == LetterOpen
}

func deadLetter(row *query.DeadLettersRow) DeadLetter {
	letter := DeadLetter{
		ID: row.ID, MutationID: row.MutationID, ItemID: row.ItemID, Platform: orEmpty(row.Platform),
		Lane:      catalog.Lane{Account: row.Account, Catalog: row.Catalog, Type: catalog.Type(row.CatalogType)},
		Operation: catalog.Operation(row.Operation), //nolint:gosec // written from one
		Message:   catalog.Message{Subject: row.Subject, Data: row.Body},
		Reason:    catalog.Reason(row.Reason), Field: orEmpty(row.Field), Text: row.Text, FailedAt: row.FailedAt,
		Position:   placeAt(row.Generation, row.Sequence, row.Line),
		ReplayedAt: timeOf(row.ReplayedAt), ReplayedBy: orEmpty(row.ReplayedBy), ReplacedBy: orEmpty(row.ReplacedBy),
		DismissedAt: timeOf(row.DismissedAt), DismissedBy: orEmpty(row.DismissedBy), DismissReason: orEmpty(row.DismissReason),
		ResolvedAt: timeOf(row.ResolvedAt),
	}
	switch {
	case row.ReplayedAt != nil:
		letter.State = LetterReplayed
	case row.DismissedAt != nil:
		letter.State = LetterDismissed
	case row.ResolvedAt != nil:
		letter.State = LetterResolved
	default:
		letter.State = LetterOpen
	}
	if row.BatchID != nil {
		letter.BatchID = *row.BatchID
	}
	if row.Localization != nil {
		letter.Localization = localizationOf(*row.Localization)
	}
	if row.Lost != nil {
		letter.Message.Lost = max(*row.Lost, 1)
	}
	// What an older version or a hand has written there and is not a list says nothing.
	_ = json.Unmarshal(row.Errors, &letter.Errors)
	letter.Message.Headers = headersOf(row.Headers)
	return letter
}

// headersOf are headers as they are kept: names and values in turn.
func headersOf(kept [][]byte) (headers []catalog.Header) {
	for i := 0; i+1 < len(kept); i += 2 {
		headers = append(headers, catalog.Header{Name: string(kept[i]), Value: string(kept[i+1])})
	}
	return headers
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
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
