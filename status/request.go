package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// ErrNoEncoder says that requests cannot be shown: they depend on the configuration of the
// accounts, which this program was not given.
var ErrNoEncoder = errors.New("requests cannot be shown without the configuration of the accounts")

// maxUnpacked bounds what the messages of a batch may take in memory.
const maxUnpacked = 256 << 20

// Record is one record of a batch: an item, with the changes that were merged into it.
type Record struct {
	Index        int      `json:"record"` // from 0
	ItemID       string   `json:"item_id"`
	Localization string   `json:"localization,omitempty"` // TYPE/value
	Operation    string   `json:"operation"`
	MutationIDs  []string `json:"mutation_ids"` // the oldest first
	// Result is pending, succeeded, failed, unconfirmed or sent_again (in another batch).
	Result   string  `json:"result"`
	Words    string  `json:"words"`
	Errors   []Issue `json:"errors,omitempty"`
	Warnings []Issue `json:"warnings,omitempty"`
}

// Records reads the records of a batch from number first (from 0) on. limit 0 means DefaultPage.
func (r *Reader) Records(ctx context.Context, id uuid.UUID, first, limit int) (records []Record, more bool, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	batch, contents, err := r.contents(ctx, id)
	if err != nil {
		return nil, false, err
	}
	first = min(max(first, 0), len(contents))
	beyond := min(first+int(page(limit)), len(contents))
	records, err = r.outcomes(ctx, &batch, contents[first:beyond], first)
	return records, beyond < len(contents), err
}

// contents are a batch and what it carries.
func (r *Reader) contents(ctx context.Context, id uuid.UUID) (Batch, []catalog.Record, error) {
	row, err := r.query.Batch(ctx, id)
	if err != nil {
		return Batch{}, nil, read("batch "+id.String(), err)
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return Batch{}, nil, err
	}
	payload, err := r.query.Payload(ctx, id)
	if err != nil {
		return Batch{}, nil, read("the messages of batch "+id.String(), err)
	}
	records, err := persistence.UnpackRecords(payload, maxUnpacked)
	if err != nil {
		return Batch{}, nil, fmt.Errorf("what the database kept of batch %s cannot be read: %w", id, err)
	}
	return batchOf(&row, platforms), records, nil
}

// outcomes are the records, of which the first has a number, with what became of each.
func (r *Reader) outcomes(ctx context.Context, batch *Batch, contents []catalog.Record, first int) ([]Record, error) {
	from, beyond := int32(first), int32(first+len(contents)) //nolint:gosec // a batch has thousands of records
	found, err := r.query.RecordOutcomes(ctx, query.RecordOutcomesParams{Batch: batch.ID, First: from, Beyond: beyond, Lim: beyond - from})
	if err != nil {
		return nil, read("the outcomes of batch "+batch.ID.String(), err)
	}
	members, err := r.query.RecordMembers(ctx, query.RecordMembersParams{Batch: batch.ID, First: from, Beyond: beyond})
	if err != nil {
		return nil, read("the records of batch "+batch.ID.String(), err)
	}
	list := make([]Record, len(contents))
	for i := range contents {
		newest := contents[i].Newest()
		list[i] = Record{
			Index: first + i, ItemID: newest.ItemID, Localization: localization(newest.Localization), Operation: newest.Operation.String(),
			Result: "sent_again",
		}
		for _, m := range contents[i].Constituents {
			list[i].MutationIDs = append(list[i].MutationIDs, m.ID)
		}
	}
	for _, number := range members { // its changes went into no later batch
		list[number-from].Result = Succeeded
		if batch.FinishedAt == nil {
			list[number-from].Result = "pending"
		}
	}
	for i := range found {
		one := &list[found[i].Record-from]
		if one.Result = found[i].Result; one.Result == "returned" {
			one.Result = "sent_again"
		}
		one.Errors, one.Warnings = r.issues(batch.Platform, found[i].Errors), r.issues(batch.Platform, found[i].Warnings)
	}
	for i := range list {
		list[i].Words = recordWords(list[i].Result, batch.State, Title(batch.Platform))
	}
	return list, nil
}

// recordWords says what became of a record of a batch in a state. What the platform certainly
// did not take is not called sent.
func recordWords(result, state, platform string) string {
	switch result {
	case "pending":
		if state == "waiting" || state == "retrying" {
			return Words(Waiting, platform)
		}
		return Words(Submitted, platform)
	case "sent_again":
		return "sent again in another batch"
	default:
		return Words(result, platform)
	}
}

func localization(l catalog.Localization) string {
	if l.IsZero() {
		return ""
	}
	return l.Type + "/" + l.Value
}

// Request is the body of a POST. It is put together of the recorded messages by the program
// that sent it, with the configuration of now: another version or configuration may write it
// in other words.
type Request struct {
	BatchID uuid.UUID `json:"batch_id"`
	Attempt int       `json:"attempt"`
	// Records are the numbers of the records in Body; nil for all.
	Records []int `json:"records,omitempty"`
	// Body is JSON, as the platform got it.
	Body []byte `json:"-"`
}

// Request puts the body of a batch's POST together: of its last attempt for attempt 0. item, when
// not "", leaves only the records of that item. The error is ErrNotFound where the batch or the
// item in it is unknown, and ErrNoEncoder without Config.Encode.
func (r *Reader) Request(ctx context.Context, id uuid.UUID, attempt int, item string) (Request, error) {
	if r.config.Encode == nil {
		return Request{}, ErrNoEncoder
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	batch, records, err := r.contents(ctx, id)
	if err != nil {
		return Request{}, err
	}
	if attempt <= 0 {
		attempt = max(batch.Attempts, 1)
	}
	request := Request{BatchID: id, Attempt: attempt}
	if item != "" {
		if request.Records = ofItem(records, item); request.Records == nil {
			return Request{}, fmt.Errorf("%w of item %s in batch %s", ErrNotFound, strconv.Quote(item), id)
		}
	}
	left, numbers := withoutErased(records)
	if len(left) == 0 {
		return Request{}, fmt.Errorf("%w in batch %s: all its items were erased", ErrNotFound, id)
	}
	only := request.Records
	if len(left) < len(records) {
		if only == nil {
			request.Records = numbers
		}
		only = placesIn(numbers, only)
	}
	request.Body, err = r.config.Encode(batch.Lane(), batch.group, left, only, attempt)
	if err != nil {
		return Request{}, fmt.Errorf("the request of batch %s cannot be shown: %w", id, err)
	}
	return request, nil
}

// withoutErased are the records that have their item, and their numbers.
func withoutErased(records []catalog.Record) (left []catalog.Record, numbers []int) {
	for i := range records {
		if records[i].Newest().ItemID != "" {
			left, numbers = append(left, records[i]), append(numbers, i)
		}
	}
	return left, numbers
}

// placesIn are the places of some of the numbers; nil for nil.
func placesIn(numbers, some []int) (places []int) {
	for place, number := range numbers {
		if slices.Contains(some, number) {
			places = append(places, place)
		}
	}
	return places
}

// ofItem are the numbers of the records of an item, nil for none.
func ofItem(records []catalog.Record, item string) (numbers []int) {
	for i := range records {
		if records[i].Newest().ItemID == item {
			numbers = append(numbers, i)
		}
	}
	return numbers
}
