package run

import (
	"context"
	"errors"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// Decide says what becomes of an item at a destination that has the known state of it.
type Decide func(destination difference.Route, item difference.Item, known difference.State) (difference.Change, error)

// Changes is what became of items that were decided about together.
type Changes struct {
	// Counts has the kinds of the comparison, and as Invalid those that could not be compared.
	Counts difference.Counts
	// Published counts mutations that are stored in the stream.
	Published int
	// Refused are those that can never be stored; nil where all are.
	Refused *RefusedError
	// Left are attributes that the source no longer has and the platform keeps, by item.
	Left map[string][]string
}

// tries is how often a change is decided again because others changed its items meanwhile.
const tries = 5

// errMeanwhile says that what would be published is not what was intended.
var errMeanwhile = errors.New("other processes change the same items all the time")

// Change decides about items of a route, publishes the changes and keeps the new states, while
// nobody else changes the items. Before that it keeps what it intends: where the process ends
// in between, the next one knows what may have been published, whatever the source says by
// then. The same items give the same mutations again. row is the id of the route's row; no two
// items have the same id.
func (s Source) Change(ctx context.Context, store Store, send Publish, route Route, row int32, now time.Time, items []difference.Item, decide Decide) (made Changes, err error) {
	invalid := 0
	for range tries {
		counts, valid, err := s.intend(ctx, store, route, row, now, items, decide)
		if err != nil {
			return Changes{}, err
		}
		made, err = s.change(ctx, store, send, route, row, now, valid, decide)
		invalid += len(items) - len(valid)
		if !errors.Is(err, errMeanwhile) {
			made.Counts, made.Counts.Invalid = counts, invalid
			return made, err
		}
		items = valid
	}
	return Changes{}, errMeanwhile
}

// intend keeps what would be published as intended. Items that cannot be compared are not
// among the valid ones.
func (s Source) intend(ctx context.Context, store Store, route Route, row int32, now time.Time, items []difference.Item, decide Decide) (counts difference.Counts, valid []difference.Item, err error) {
	destination := s.difference(route, now)
	err = store.ChangeItems(ctx, row, idsOf(items), func(_ context.Context, known map[string]persistence.SourceItem) (kept []persistence.SourceItem, _ error) {
		for _, item := range items {
			state := stateOf(known[item.ID])
			change, err := decide(destination, item, state)
			if err != nil {
				continue
			}
			valid = append(valid, item)
			counts.Count(change.Kind)
			if change.Publishes() {
				kept = append(kept, rowOf(item.ID, change.Intended(state)))
			}
		}
		return kept, nil
	})
	return counts, valid, err
}

func idsOf(items []difference.Item) []string {
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids
}

func (s Source) change(ctx context.Context, store Store, send Publish, route Route, row int32, now time.Time, items []difference.Item, decide Decide) (Changes, error) {
	destination := s.difference(route, now)
	var made Changes
	err := store.ChangeItems(ctx, row, idsOf(items),
		func(ctx context.Context, known map[string]persistence.SourceItem) (kept []persistence.SourceItem, err error) {
			made = Changes{}
			var mutations []publish.Mutation
			for _, item := range items {
				state := stateOf(known[item.ID])
				change, err := decide(destination, item, state)
				if err != nil {
					continue
				}
				if change.Publishes() && (!state.Doubtful || change.State.Revision != state.Revision) {
					return nil, errMeanwhile
				}
				if len(change.Left) > 0 {
					if made.Left == nil {
						made.Left = make(map[string][]string)
					}
					made.Left[item.ID] = change.Left
				}
				if change.Publishes() {
					mutations = append(mutations, mutation(route.Lane, change))
				}
				if change.Keeps(state) {
					kept = append(kept, rowOf(item.ID, change.State))
				}
			}
			if len(mutations) == 0 {
				return kept, nil
			}
			made.Published = len(mutations)
			err = send(ctx, mutations)
			if errors.As(err, &made.Refused) {
				made.Published -= len(made.Refused.Mutations)
				return made.Refused.without(mutations, kept), nil
			}
			return kept, err
		})
	return made, err
}
