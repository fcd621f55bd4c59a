package status

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// IndexedItem is an item at one destination, as the index of items has it: its newest final
// change, or a newer one that is under way.
type IndexedItem struct {
	ID string `json:"item_id"`
	Destination
	Platform     string `json:"platform,omitempty"`
	Localization string `json:"localization,omitempty"` // TYPE/value
	// Status is that of the newest change: waiting, submitted, succeeded, failed, unconfirmed
	// or invalid. Words is the item's state in plain words.
	Status     string `json:"status"`
	Words      string `json:"words"`
	Operation  string `json:"operation"`
	MutationID string `json:"mutation_id"`
	// Error is the first of ErrorCount errors of the newest change; nil for none.
	Error      *Issue `json:"error,omitempty"`
	ErrorCount int    `json:"error_count"`
	// Dismissed says that the change failed and that somebody dismissed its dead letter.
	Dismissed bool `json:"dismissed,omitempty"`
	// ChangedAt is when the newest change became final, or was received while it is not.
	ChangedAt time.Time `json:"changed_at"`
	// LastSucceeded is what the platform confirmed last; empty where nothing was.
	LastSucceededOperation string     `json:"last_succeeded_operation,omitempty"`
	LastSucceededAt        *time.Time `json:"last_succeeded_at,omitempty"`
	// Place is the newest change's place in the stream.
	Place Place `json:"place"`
}

// Cursor is a place in a list; "" is its beginning. It is opaque.
type Cursor string

// ErrCursor says that a text is no Cursor of the list.
var ErrCursor = errors.New("not a place of this list: begin with its first page")

func cursorOf(place any) Cursor {
	encoded, err := json.Marshal(place)
	if err != nil {
		return "" // never: places are texts, numbers and times
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(encoded))
}

// Check says whether it may be a place of a list: the error is ErrCursor.
func (c Cursor) Check() error {
	var place any
	return c.read(&place)
}

func (c Cursor) read(place any) error {
	if c == "" {
		return nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(decoded, place)
	}
	if err != nil {
		return fmt.Errorf("%w: %q", ErrCursor, string(c))
	}
	return nil
}

// itemPlace is a place in a list by item id.
type itemPlace struct {
	Item         string `json:"i"`
	Lane         int32  `json:"l"`
	Localization string `json:"z"`
}

// Search finds items of all accounts by their id: the item of exactly this id first, then
// those whose ids begin with it, by id. A change that waits or was submitted is shown in the
// place of an older one that is final. An item whose first change is not final yet is not
// found before it is, except by Item. next is "" when there are no others. limit 0 means
// DefaultPage.
//
// It reads the index of items: see IndexLag.
func (r *Reader) Search(ctx context.Context, text string, limit int, after Cursor) (items []IndexedItem, next Cursor, err error) {
	from := itemPlace{Item: text, Lane: -1}
	if err := after.read(&from); err != nil {
		return nil, "", err
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, "", nil // no id has these
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	wanted := page(limit)
	rows, err := r.query.IndexedItems(ctx, query.IndexedItemsParams{
		Beyond: text + string(rune(0x10ffff)), AfterItem: from.Item, AfterLane: from.Lane, AfterLocalization: from.Localization, Lim: wanted + 1,
	})
	if err != nil {
		return nil, "", read("the index of items", err)
	}
	if len(rows) > int(wanted) {
		rows = rows[:wanted]
		last := &rows[len(rows)-1]
		next = cursorOf(itemPlace{last.ItemID, last.Lane, last.Localization})
	}
	items, err = r.indexed(ctx, rows)
	return items, next, err
}

// indexed makes items of rows of the index, with what is newer than the index.
func (r *Reader) indexed(ctx context.Context, rows []query.IndexedItemsRow) ([]IndexedItem, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	platforms, err := r.platforms(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]IndexedItem, len(rows))
	asked := query.NewerChangesParams{}
	for i := range rows {
		row := &rows[i]
		items[i] = r.indexedItem(row, platforms[row.Account])
		asked.Lanes, asked.Items = append(asked.Lanes, row.Lane), append(asked.Items, row.ItemID)
		asked.Localizations = append(asked.Localizations, row.Localization)
		asked.Generations, asked.Sequences = append(asked.Generations, row.StreamGeneration), append(asked.Sequences, row.StreamSequence)
		asked.Lines = append(asked.Lines, row.StreamLine)
	}
	newer, err := r.query.NewerChanges(ctx, asked)
	if err != nil {
		return nil, read("the newer changes of items", err)
	}
	for _, change := range newer {
		if n := int(change.Nth) - 1; n >= 0 && n < len(items) && change.Status != Superseded {
			r.overlay(&items[n], &change)
		}
	}
	return items, nil
}

func (r *Reader) indexedItem(row *query.IndexedItemsRow, platform string) IndexedItem {
	item := IndexedItem{
		ID: row.ItemID, Destination: Destination{row.Account, row.Catalog, row.CatalogType}, Platform: platform, Localization: row.Localization,
		Status: row.Status, Words: ItemWords(row.Status, row.Operation, Title(platform)), Operation: row.Operation, MutationID: row.MutationID,
		ErrorCount: int(row.ErrorCount), ChangedAt: row.FinishedAt, LastSucceededOperation: row.LastSucceededOperation,
		LastSucceededAt: row.LastSucceededAt, Place: placeOf(row.StreamGeneration, row.StreamSequence, row.StreamLine), Dismissed: row.Dismissed,
	}
	if row.Dismissed {
		item.Words += dismissedWords
	}
	if row.FailedAt != nil || row.Dismissed {
		item.Error = &Issue{Code: row.Code, Attribute: row.Attribute, Message: row.Message}
		item.Error.Advice = r.advice(platform, *item.Error)
	}
	return item
}

func (r *Reader) advice(platform string, issue Issue) string {
	if r.config.Advice == nil {
		return ""
	}
	return r.config.Advice(platform, issue)
}

// overlay shows a newer change in the place of what the index has.
func (r *Reader) overlay(item *IndexedItem, change *query.NewerChangesRow) {
	item.Status, item.Operation, item.MutationID = change.Status, change.Operation, change.MutationID
	item.Words = ItemWords(change.Status, change.Operation, Title(item.Platform))
	item.Dismissed = false
	item.ChangedAt, item.Place = change.ReceivedAt, placeOf(change.StreamGeneration, change.StreamSequence, change.StreamLine)
	issues := r.issues(item.Platform, change.Errors)
	if item.Error, item.ErrorCount = nil, len(issues); len(issues) > 0 {
		item.Error = &issues[0]
	}
}

// dismissedWords follow the state of an item whose dead letter was dismissed.
const dismissedWords = ", dismissed"

// ItemCounts says how many items there are, by the status of their newest final change.
type ItemCounts struct {
	Succeeded   int64 `json:"succeeded"` // that a platform has
	Deleted     int64 `json:"deleted"`   // with success
	Failed      int64 `json:"failed"`
	Unconfirmed int64 `json:"unconfirmed"`
	Invalid     int64 `json:"invalid"`
	// Dismissed are those that failed, are unconfirmed or invalid, whose dead letter somebody
	// dismissed; they do not count there.
	Dismissed int64 `json:"dismissed"`
}

// Counts counts the items of an account; of all accounts with "".
func (r *Reader) Counts(ctx context.Context, account string) (counts ItemCounts, err error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.query.ItemCounts(ctx, account)
	if err != nil {
		return counts, read("the counts of items", err)
	}
	by := map[string]*int64{
		Succeeded: &counts.Succeeded, "deleted": &counts.Deleted, Failed: &counts.Failed, Unconfirmed: &counts.Unconfirmed, Invalid: &counts.Invalid,
		letterDismissed: &counts.Dismissed,
	}
	for _, row := range rows {
		if count := by[row.State]; count != nil {
			*count = row.Items
		}
	}
	return counts, nil
}

// How much of a list one call of Items reads to find items of a status.
const (
	listRounds = 3
	listPage   = 200
)

// Items lists items of a catalog, the newest change first; status "" means those of every
// status. A call reads a bounded part of the list, so that it may return fewer than limit, or
// none, although there are others: next is "" only at the end. limit 0 means DefaultPage.
//
// Those that failed, are unconfirmed or invalid are read from the index of items. Waiting are
// those that are held back; what waits in an unfinished batch is found by the batch.
func (r *Reader) Items(ctx context.Context, account, catalog, status string, limit int, before Cursor) (items []IndexedItem, next Cursor, err error) {
	if status == Failed || status == Unconfirmed || status == Invalid {
		return r.failing(ctx, IssueFilter{Filter: Filter{Account: account, Catalog: catalog}, Status: status}, limit, before)
	}
	var place string
	if err := before.read(&place); err != nil {
		return nil, "", err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	platforms, err := r.platforms(ctx)
	if err != nil {
		return nil, "", err
	}
	wanted := int(page(limit))
	if status == Waiting {
		rows, err := r.query.WaitingItems(ctx, query.WaitingItemsParams{Account: account, Catalog: catalog, Before: place, Page: int32(wanted)}) //nolint:gosec // bounded
		if err != nil {
			return nil, "", read("the waiting items of a catalog", err)
		}
		for i := range rows {
			items = append(items, r.listed((*query.ListedItemsRow)(&rows[i]), account, catalog, platforms[account]))
		}
		if len(rows) == wanted {
			next = cursorOf(rows[len(rows)-1].Place)
		}
		return items, next, nil
	}
	size := listPage
	if status == "" {
		size = min(wanted, listPage)
	}
	for range listRounds {
		rows, err := r.query.ListedItems(ctx, query.ListedItemsParams{Account: account, Catalog: catalog, Before: place, Page: int32(size)})
		if err != nil {
			return nil, "", read("the items of a catalog", err)
		}
		for i := range rows {
			row := &rows[i]
			place = row.Place
			if row.ItemID == "" || status != "" && row.Status != status {
				continue // a place alone: the list goes on there
			}
			items = append(items, r.listed(row, account, catalog, platforms[account]))
			if len(items) == wanted {
				return items, cursorOf(place), nil
			}
		}
		if len(rows) < size && (len(rows) == 0 || rows[len(rows)-1].ItemID != "") {
			return items, "", nil
		}
	}
	return items, cursorOf(place), nil
}

func (r *Reader) listed(row *query.ListedItemsRow, account, catalog, platform string) IndexedItem {
	item := IndexedItem{
		ID: row.ItemID, Destination: Destination{account, catalog, row.CatalogType}, Platform: platform, Localization: row.Localization,
		Status: row.Status, Words: ItemWords(row.Status, row.Operation, Title(platform)), Operation: row.Operation, MutationID: row.MutationID,
		ChangedAt: row.ReceivedAt, Place: Place(row.Place),
	}
	issues := r.issues(platform, row.Errors)
	if item.ErrorCount = len(issues); len(issues) > 0 {
		item.Error = &issues[0]
	}
	return item
}

// IndexLag says how far the index of items is behind what is recorded.
type IndexLag struct {
	// Transactions are those that the index has not taken in, counted up to 10,000 for each
	// partition; Seconds is the age of the oldest.
	Transactions int64   `json:"transactions_behind"`
	Seconds      float64 `json:"seconds_behind"`
	// Filling says that what is older than the index is still being filled in, and
	// FilledMutations how much was.
	Filling         bool  `json:"filling"`
	FilledMutations int64 `json:"filled_mutations"`
}

// IndexLag reads how far the index is behind. Search, Issues and Counts are as old as that.
func (r *Reader) IndexLag(ctx context.Context) (IndexLag, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	row, err := r.query.IndexLag(ctx)
	if err != nil {
		return IndexLag{}, read("the state of the index of items", err)
	}
	return IndexLag{Transactions: row.TransactionsBehind, Seconds: row.SecondsBehind, Filling: row.Filling, FilledMutations: row.FilledMutations}, nil
}

// endOfTime is behind every time of a list that goes back.
var endOfTime = time.Unix(math.MaxInt32, 0).UTC()
