package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Issue is an error or a warning about an item: the platform's, or that of a rule.
type Issue struct {
	Code      string `json:"code,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Message   string `json:"message,omitempty"`
	// Advice says what to do about it; "" where nothing better than Message is known.
	Advice string `json:"advice,omitempty"`
}

// Mutation is one change of an item, and what became of it.
type Mutation struct {
	ID string `json:"mutation_id"`
	Destination
	// Platform is the account's platform, such as pinterest; "" where no worker has the
	// account in its configuration.
	Platform     string `json:"platform,omitempty"`
	ItemID       string `json:"item_id"`
	Localization string `json:"localization,omitempty"` // TYPE/value
	Operation    string `json:"operation"`
	Status       string `json:"status"`
	// Words is the status in plain words.
	Words string `json:"words"`
	// Reason says why it waits, or what its batch waits for; "" where it does not.
	Reason string `json:"reason,omitempty"`
	// SupersededBy is the mutation that took its place.
	SupersededBy string     `json:"superseded_by,omitempty"`
	BatchID      *uuid.UUID `json:"batch_id,omitempty"`
	// Handle is what the platform called the batch.
	Handle string `json:"handle,omitempty"`
	// Attempts are the POSTs that carried it.
	Attempts int     `json:"attempts"`
	Errors   []Issue `json:"errors,omitempty"`
	Warnings []Issue `json:"warnings,omitempty"`
	// NextStep says what to do about it in general, "" for nothing; an error's Advice is
	// more to the point.
	NextStep    string     `json:"next_step,omitempty"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
	ReceivedAt  time.Time  `json:"received_at"`
	SubmittedAt *time.Time `json:"submitted_at,omitempty"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
	// DeadLetterID is the dead letter of a change that failed; 0 for none, also where it is
	// not kept any more.
	DeadLetterID int64 `json:"dead_letter_id,omitempty"`
	// DeadLetterState is open, replayed, dismissed or resolved; "" where there is no dead letter.
	DeadLetterState string `json:"dead_letter_state,omitempty"`
	// Place is its place in the stream, and a cursor of Timeline.
	Place Place `json:"place"`
}

// OperationWords is the operation for people: what the producer wrote may be none.
func (m *Mutation) OperationWords() string { return cmp.Or(m.Operation, "unknown operation") }

// LetterDone reports that somebody did something about the change's dead letter, or that
// nothing is left to do about it.
func (m *Mutation) LetterDone() bool {
	return m.DeadLetterState == letterReplayed || m.DeadLetterState == letterDismissed || m.DeadLetterState == letterResolved
}

// Place is a place in the stream: generation.sequence, and .line for a line of a pack. "" is
// behind the newest.
type Place string

func placeOf(generation int32, sequence int64, line int16) Place {
	place := strconv.Itoa(int(generation)) + "." + strconv.FormatInt(sequence, 10)
	if line > 0 {
		place += "." + strconv.Itoa(int(line))
	}
	return Place(place)
}

// point is a Place in its parts.
type point struct {
	generation int32
	sequence   int64
	line       int16
}

// behindAll is behind the newest change.
var behindAll = point{math.MaxInt32, math.MaxInt64, math.MaxInt16}

// ErrPlace says that a text is not a Place.
var ErrPlace = errors.New("not a place in the stream, such as 0.4711")

// Check says whether it is a place: the error is ErrPlace.
func (p Place) Check() error {
	_, err := p.parse()
	return err
}

func (p Place) parse() (point, error) {
	if p == "" {
		return behindAll, nil
	}
	before, after, _ := strings.Cut(string(p), ".")
	after, line, isLine := strings.Cut(after, ".")
	g, err := strconv.ParseInt(before, 10, 32)
	if err != nil {
		return point{}, fmt.Errorf("%q: %w", string(p), ErrPlace)
	}
	sequence, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return point{}, fmt.Errorf("%q: %w", string(p), ErrPlace)
	}
	parsed := point{generation: int32(g), sequence: sequence}
	if isLine {
		l, err := strconv.ParseInt(line, 10, 16)
		if err != nil {
			return point{}, fmt.Errorf("%q: %w", string(p), ErrPlace)
		}
		parsed.line = int16(l)
	}
	return parsed, nil
}

// Timeline reads the changes of an item, the newest first, from before a place on: the Place
// of the last one of the page before, "" for the first page. limit 0 means DefaultPage; more
// says that there are older ones.
func (r *Reader) Timeline(ctx context.Context, item string, filter Filter, before Place, limit int) (changes []Mutation, more bool, err error) {
	from, err := before.parse()
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	wanted := page(limit)
	rows, err := r.changes(ctx, newestFirst, item, filter, false, from, wanted+1)
	if err != nil {
		return nil, false, read("the changes of the item", err)
	}
	if more = len(rows) > int(wanted); more {
		rows = rows[:wanted]
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return nil, false, err
	}
	changes = make([]Mutation, len(rows))
	for i := range rows {
		changes[i] = r.mutation(&rows[i], platforms)
	}
	return changes, more, r.linkLetters(ctx, len(changes), func(i int) *Mutation { return &changes[i] })
}

// maxSameID bounds the mutations of one id.
const maxSameID = 100

// Mutation reads the mutations with an id, the newest first. Ids are the producers' own, so
// that several accounts may have the same; account "" looks at all. ErrNotFound where there is
// none.
func (r *Reader) Mutation(ctx context.Context, id, account string) ([]Mutation, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.query.Mutations(ctx, query.MutationsParams{ID: id, Account: account, Lim: maxSameID})
	if err != nil {
		return nil, read("the mutation", err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%w of mutation %s", ErrNotFound, strconv.Quote(id))
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Mutation, len(rows))
	for i := range rows {
		found[i] = r.mutation(&rows[i], platforms)
	}
	return found, r.linkLetters(ctx, len(found), func(i int) *Mutation { return &found[i] })
}

func (r *Reader) mutation(row *query.MutationsRow, platforms map[string]string) Mutation {
	platform := platforms[row.Account]
	m := Mutation{
		ID: row.MutationID, Destination: Destination{row.Account, row.Catalog, row.CatalogType}, Platform: platform,
		ItemID: row.ItemID, Localization: row.Localization, Operation: row.Operation,
		Status: row.Status, Words: Words(row.Status, Title(platform)), NextStep: nextStep(row.Status),
		Reason: row.Reason, SupersededBy: row.SupersededBy, BatchID: row.BatchID, Handle: row.Handle, Attempts: int(row.Attempts),
		Errors: r.issues(platform, row.Errors), Warnings: r.issues(platform, row.Warnings),
		PublishedAt: row.PublishedAt, ReceivedAt: row.ReceivedAt, SubmittedAt: row.SubmittedAt, FinishedAt: row.FinishedAt,
		Place: placeOf(row.StreamGeneration, row.StreamSequence, row.StreamLine),
	}
	if m.Status == Submitted {
		m.Words = submittedWords(m.Reason, Title(platform))
	}
	return m
}

// issues reads a list of errors or warnings, with what to do about each. What is no such list
// is shown as it is.
func (r *Reader) issues(platform string, list json.RawMessage) []Issue {
	if len(list) == 0 || string(list) == "null" {
		return nil
	}
	var issues []Issue
	if err := json.Unmarshal(list, &issues); err != nil {
		return []Issue{{Message: string(list)}}
	}
	for i := range issues {
		issues[i].Advice = r.advice(platform, issues[i])
	}
	return issues
}
