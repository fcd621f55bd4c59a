package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

// RefusedError says that single mutations can never be stored, such as one that is larger
// than a message may be. All others are stored.
type RefusedError struct {
	// Mutations are the reasons by the mutation's place among those that were published,
	// and ItemIDs their items.
	Mutations map[int]error
	ItemIDs   map[int]string
}

func (e *RefusedError) Error() string {
	first := slices.Min(slices.Collect(maps.Keys(e.Mutations)))
	return fmt.Sprintf("%d mutations cannot be published; of item %q: %v", len(e.Mutations), e.ItemIDs[first], e.Mutations[first])
}

// without takes the states of refused mutations away: nothing was sent of their items.
func (e *RefusedError) without(mutations []publish.Mutation, states []persistence.SourceItem) []persistence.SourceItem {
	items := make(map[string]bool, len(e.Mutations))
	for at := range e.Mutations {
		items[mutations[at].ItemID] = true
	}
	return slices.DeleteFunc(states, func(state persistence.SourceItem) bool { return items[state.ItemID] })
}

// Publishing publishes through a publisher: what breaks a rule of messages is refused alone.
func Publishing(publisher interface {
	Publish(ctx context.Context, publications []publish.Publication) ([]publish.Result, error)
},
) Publish {
	return func(ctx context.Context, mutations []publish.Mutation) error {
		refused := &RefusedError{Mutations: make(map[int]error), ItemIDs: make(map[int]string)}
		publications := make([]publish.Publication, 0, len(mutations))
		places := make([]int, 0, len(mutations))
		for i, mutation := range mutations {
			publication, err := mutation.Publication()
			if err != nil {
				refused.Mutations[i], refused.ItemIDs[i] = err, mutation.ItemID
				continue
			}
			publications, places = append(publications, publication), append(places, i)
		}
		results, err := publisher.Publish(ctx, publications)
		if err != nil {
			return err
		}
		for i := range results {
			if results[i].Outcome == publish.Refused {
				at := places[i]
				refused.Mutations[at], refused.ItemIDs[at] = errors.Join(results[i].Err), mutations[at].ItemID
			}
		}
		if len(refused.Mutations) > 0 {
			return refused
		}
		return nil
	}
}

// refuse notes what could not be published: it is tried again in the next run.
func (p *Plan) refuse(route Route, refused *RefusedError) {
	for at, reason := range refused.Mutations {
		p.findings.add(Finding{
			Kind: "NOT_PUBLISHED", Severity: "error", Route: route.String(), ItemID: refused.ItemIDs[at], Rule: reason.Error(),
		})
	}
	p.Findings = p.findings.list()
}
