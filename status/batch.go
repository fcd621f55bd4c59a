package status

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Batch is one request with many records, followed to its end.
type Batch struct {
	ID uuid.UUID `json:"batch_id"`
	Destination
	Platform string `json:"platform,omitempty"`
	// State is one of BatchStates, Words the same in plain words.
	State string `json:"state"`
	Words string `json:"words"`
	// Items are its records, Mutations the changes that were merged into them.
	Items     int `json:"item_count"`
	Mutations int `json:"mutation_count"`
	// Succeeded, Failed and Warned count records; nil until the batch is finished.
	Succeeded *int32 `json:"succeeded,omitempty"`
	Failed    *int32 `json:"failed,omitempty"`
	Warned    *int32 `json:"warned,omitempty"`
	// Handles are what the platform called it.
	Handles       []string   `json:"handles"`
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
	LastError     string     `json:"last_error,omitempty"`
	// RecoveredError is what went wrong in an earlier send of a batch that ended well.
	RecoveredError string     `json:"recovered_error,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	SubmittedAt    *time.Time `json:"submitted_at,omitempty"`
	FinishedAt     *time.Time `json:"finished_at,omitempty"`
	group          string
}

// Attempt is one POST of a batch, and how it ended.
type Attempt struct {
	Number int `json:"attempt"` // from 1
	// Result is accepted, ambiguous (no usable answer), not_taken, unsent (the batch waits) or
	// sending.
	Result string `json:"result"`
	// Words is the result in plain words.
	Words   string     `json:"words"`
	At      time.Time  `json:"at"`
	NextAt  *time.Time `json:"next_attempt_at,omitempty"`
	Handles []string   `json:"handles"`
	// Reason says why it was made, Error what the platform or the connection said.
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Said is what the answer to the POST said of single records, in the platform's words.
	Said []Said `json:"said,omitempty"`
}

// Said is what an answer said of one record of a batch.
type Said struct {
	Record   int     `json:"record"` // from 0
	Errors   []Issue `json:"errors,omitempty"`
	Warnings []Issue `json:"warnings,omitempty"`
}

// BatchFilter chooses batches; zero fields choose all.
type BatchFilter struct {
	Filter
	State string // one of BatchStates
	// Unfinished leaves out batches that are finished.
	Unfinished bool
}

// maxAttempts bounds the attempts that are shown of one batch: the last ones.
const maxAttempts = 100

// newest is behind every batch.
var newest = uuid.Max

// Batches lists batches, the newest first, from before an id on: that of the last one of the
// page before, uuid.Nil for the first page. limit 0 means DefaultPage; more says that there are
// older ones.
func (r *Reader) Batches(ctx context.Context, filter BatchFilter, before uuid.UUID, limit int) (batches []Batch, more bool, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	if before == uuid.Nil {
		before = newest
	}
	wanted := page(limit)
	rows, err := r.query.Batches(ctx, query.BatchesParams{
		Account: filter.Account, Catalog: filter.Catalog, CatalogType: filter.Type, State: filter.State,
		Unfinished: filter.Unfinished, Before: before, Lim: wanted + 1,
	})
	if err != nil {
		return nil, false, read("the batches", err)
	}
	if more = len(rows) > int(wanted); more {
		rows = rows[:wanted]
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return nil, false, err
	}
	batches = make([]Batch, len(rows))
	for i := range rows {
		batches[i] = batchOf((*query.BatchRow)(&rows[i]), platforms)
	}
	return batches, more, nil
}

// Batch reads a batch and its attempts, the first one first; of more than 100 the last ones.
// ErrNotFound where there is none.
func (r *Reader) Batch(ctx context.Context, id uuid.UUID) (Batch, []Attempt, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	row, err := r.query.Batch(ctx, id)
	if err != nil {
		return Batch{}, nil, read("batch "+id.String(), err)
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return Batch{}, nil, err
	}
	batch := batchOf(&row, platforms)
	rows, err := r.query.Attempts(ctx, query.AttemptsParams{Batch: id, Lim: maxAttempts})
	if err != nil {
		return Batch{}, nil, read("the attempts of batch "+id.String(), err)
	}
	attempts := make([]Attempt, len(rows))
	for i := range rows {
		attempts[i] = r.attempt(&rows[i], batch.Platform)
	}
	slices.Reverse(attempts)
	return batch, attempts, nil
}

func batchOf(row *query.BatchRow, platforms map[string]string) Batch {
	return Batch{
		ID: row.BatchID, Destination: Destination{row.Account, row.Catalog, row.CatalogType}, Platform: platforms[row.Account],
		State: row.State, Words: endedWords(row.State, row.Failed), Items: int(row.ItemCount), Mutations: int(row.MutationCount),
		Succeeded: row.Succeeded, Failed: row.Failed, Warned: row.Warned, Handles: row.Handles, Attempts: int(row.Attempts),
		NextAttemptAt: row.NextAttemptAt, LastError: row.LastError, RecoveredError: row.RecoveredError, CreatedAt: row.CreatedAt, SubmittedAt: row.SubmittedAt,
		FinishedAt: row.FinishedAt, group: row.RequestGroup,
	}
}

func (r *Reader) attempt(row *query.AttemptsRow, platform string) Attempt {
	a := Attempt{
		Number: int(row.Number), Result: row.Result, Words: attemptWords(row.Result, len(row.Handles)), At: row.At, NextAt: row.NextAt,
		Handles: row.Handles, Reason: row.Reason, Error: row.Error,
	}
	var notes []struct {
		Index    int             `json:"i"`
		Errors   json.RawMessage `json:"e"`
		Warnings json.RawMessage `json:"w"`
	}
	if len(row.Notes) > 0 {
		if err := json.Unmarshal(row.Notes, &notes); err != nil {
			a.Error += fmt.Sprintf(" (what the answer said of single records cannot be read: %v)", err)
		}
	}
	for _, n := range notes {
		if said := (Said{Record: n.Index, Errors: r.issues(platform, n.Errors), Warnings: r.issues(platform, n.Warnings)}); len(said.Errors)+len(said.Warnings) > 0 {
			a.Said = append(a.Said, said)
		}
	}
	return a
}

func attemptWords(result string, handles int) string {
	switch {
	case result == "accepted" && handles == 0:
		return "accepted, answered at once"
	case result == "accepted":
		return "accepted"
	case result == "ambiguous":
		return "no usable answer; the platform may have taken it"
	case result == "not_taken":
		return "not taken by the platform"
	case result == "unsent":
		return "not sent; the batch waits"
	default:
		return "being sent"
	}
}
