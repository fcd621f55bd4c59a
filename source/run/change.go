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

// Change decides about items of a route, publishes the changes and keeps the new states, in
// this order, while nobody else changes the items. Where it fails, nothing is kept, and the
// same items give the same mutations again. row is the id of the route's row; no two items
// have the same id.
func (s Source) Change(ctx context.Context, store Store, send Publish, route Route, row int32, now time.Time, items []difference.Item, decide Decide) (Changes, error) {
	destination := s.difference(route, now)
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	var made Changes
	err := store.ChangeItems(ctx, row, ids,
		func(ctx context.Context, known map[string]persistence.SourceItem) (kept []persistence.SourceItem, err error) {
			made = Changes{}
			var mutations []publish.Mutation
			for _, item := range items {
				state := stateOf(known[item.ID])
				change, err := decide(destination, item, state)
				if err != nil {
					made.Counts.Invalid++
					continue
				}
				made.Counts.Count(change.Kind)
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
