package status

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Item is an item at all its destinations.
type Item struct {
	ID           string      `json:"item_id"`
	Destinations []ItemState `json:"destinations"`
}

// ItemState is the state of an item at one destination.
type ItemState struct {
	// Mutation is the newest change of the item there; Words is the item's state, not only
	// the change's.
	Mutation
	// LastSucceeded is what the platform confirmed last: what it shows now, as far as
	// Courier knows. Empty where nothing was.
	LastSucceededID        string     `json:"last_succeeded_id,omitempty"`
	LastSucceededOperation string     `json:"last_succeeded_operation,omitempty"`
	LastSucceededAt        *time.Time `json:"last_succeeded_at,omitempty"`
	// AccountState is the state of the account, such as paused; "" where no worker has the
	// account in its configuration. AccountReason says why it is not active.
	AccountState  string `json:"account_state,omitempty"`
	AccountReason string `json:"account_reason,omitempty"`
}

// maxDestinations bounds the destinations of one item.
const maxDestinations = 1000

// key tells the states of one item apart.
type key struct {
	Destination
	localization string
}

// Item reads the state of an item at every destination that the filter leaves. ErrNotFound
// where no change of it is recorded.
func (r *Reader) Item(ctx context.Context, id string, filter Filter) (Item, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.changes(ctx, byDestination, id, filter, true, behindAll, maxDestinations)
	if err != nil {
		return Item{}, read("the item", err)
	}
	if len(rows) == 0 {
		return Item{}, fmt.Errorf("%w of item %s", ErrNotFound, strconv.Quote(id))
	}
	succeeded, err := r.successes(ctx, id, filter, rows)
	if err != nil {
		return Item{}, read("the successes of the item", err)
	}
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Account
	}
	known, err := r.accounts(ctx, slices.Compact(names)) // they come in the order of the accounts
	if err != nil {
		return Item{}, err
	}
	accounts := make(map[string]*Account, len(known))
	platforms := make(map[string]string, len(known))
	for i := range known {
		accounts[known[i].Name], platforms[known[i].Name] = &known[i], known[i].Platform
	}
	item := Item{ID: id, Destinations: make([]ItemState, len(rows))}
	for i := range rows {
		state := ItemState{Mutation: r.mutation(&rows[i], platforms)}
		if last := succeeded[key{state.Destination, state.Localization}]; last != nil {
			state.LastSucceededID, state.LastSucceededOperation, state.LastSucceededAt = last.MutationID, last.Operation, last.FinishedAt
		}
		if state.Status == Succeeded {
			state.Words = ItemWords(state.Status, state.Operation, Title(state.Platform))
		}
		state.explain(accounts[state.Account])
		item.Destinations[i] = state
	}
	return item, r.linkLetters(ctx, len(rows), func(i int) *Mutation { return &item.Destinations[i].Mutation })
}

// successes are the newest success at each destination. Where the newest change is none, the
// index of items knows; only where the index has not taken that change in yet, all changes
// are looked through.
func (r *Reader) successes(ctx context.Context, id string, filter Filter, rows []query.MutationsRow) (map[key]*query.ItemSuccessesRow, error) {
	succeeded := make(map[key]*query.ItemSuccessesRow, len(rows))
	missing := map[key]*query.MutationsRow{}
	for i := range rows {
		row := &rows[i]
		at := key{Destination{row.Account, row.Catalog, row.CatalogType}, row.Localization}
		if row.Status == Succeeded {
			succeeded[at] = &query.ItemSuccessesRow{MutationID: row.MutationID, Operation: row.Operation, FinishedAt: row.FinishedAt}
		} else {
			missing[at] = row
		}
	}
	if len(missing) == 0 {
		return succeeded, nil
	}
	indexed, err := r.query.IndexedSuccesses(ctx, query.IndexedSuccessesParams{Item: id, Lim: maxDestinations})
	if err != nil {
		return nil, err
	}
	for i := range indexed {
		row := &indexed[i]
		at := key{Destination{row.Account, row.Catalog, row.CatalogType}, row.Localization}
		state := missing[at]
		open := state != nil && (state.Status == Waiting || state.Status == Submitted)
		if state == nil || !open && (state.StreamGeneration != row.StreamGeneration || state.StreamSequence != row.StreamSequence || state.StreamLine != row.StreamLine) {
			continue
		}
		delete(missing, at)
		if row.LastSucceededAt != nil {
			succeeded[at] = &query.ItemSuccessesRow{MutationID: row.MutationID, Operation: row.Operation, FinishedAt: row.LastSucceededAt}
		}
	}
	if len(missing) == 0 {
		return succeeded, nil
	}
	good, err := r.query.ItemSuccesses(ctx, query.ItemSuccessesParams{
		Item: id, Account: filter.Account, Catalog: filter.Catalog, CatalogType: filter.Type, Lim: maxDestinations,
	})
	if err != nil {
		return nil, err
	}
	for i := range good {
		row := &good[i]
		at := key{Destination{row.Account, row.Catalog, row.CatalogType}, row.Localization}
		if missing[at] != nil {
			succeeded[at] = row
		}
	}
	return succeeded, nil
}

// explain says what the account has to do with it.
func (s *ItemState) explain(account *Account) {
	if account == nil || account.State == notConfigured {
		if s.Status == Waiting {
			s.NextStep = "no running worker has account " + s.Account + " in its configuration: add it, or correct the name in the change"
		}
		return
	}
	s.AccountState, s.AccountReason = account.State, account.Reason
	if s.Status == Waiting && account.State != active && s.NextStep == "" {
		s.NextStep = "the account is " + account.State + "; the change is sent when that ends"
	}
}

// States of an account that matter here.
const (
	active        = "active"
	notConfigured = "not configured"
)

const (
	// searched is how many of the newest batches Similar looks at, and maxSimilar how many
	// ids it names.
	searched   = 50
	maxSimilar = 5
)

// Similar names items whose ids begin as the text does, or as a part of it: what may have
// been meant by an id that is unknown. It looks at the index of items for ids that begin so,
// and at the newest batches.
func (r *Reader) Similar(ctx context.Context, id, account string) ([]string, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	if indexed, _, err := r.Search(ctx, id, MaxPage, ""); err != nil || len(indexed) > 0 {
		var found []string
		for i := range indexed {
			if len(found) < maxSimilar && (account == "" || indexed[i].Account == account) && !slices.Contains(found, indexed[i].ID) {
				found = append(found, indexed[i].ID)
			}
		}
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	batches, err := r.query.Batches(ctx, query.BatchesParams{Account: account, Before: newest, Lim: searched})
	if err != nil {
		return nil, read("the newest batches", err)
	}
	ids := make([]uuid.UUID, len(batches))
	for i := range batches {
		ids[i] = batches[i].BatchID
	}
	letters := []rune(id)
	for size := len(letters); size > len(letters)/3; size = min(size-1, size*3/4) {
		found, err := r.query.ItemsLike(ctx, query.ItemsLikeParams{Batches: ids, Prefix: string(letters[:size]), Account: account, Lim: maxSimilar})
		if err != nil {
			return nil, read("items with similar ids", err)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}
