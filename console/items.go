package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/status"
)

// found is what a search found.
type found struct {
	Asked    string
	Items    []itemMatch
	NextPage string
}

// itemMatch is an item at one destination, as a search lists it.
type itemMatch struct {
	status.Destination
	ItemID       string
	Localization string
	Status       string
	Words        string
	ReceivedAt   time.Time
}

// search finds items by the beginning of their ids. One that is meant exactly is shown.
func (c *Console) search(w http.ResponseWriter, r *http.Request) error {
	p := c.page(r, "Items", "items")
	result := found{Asked: strings.TrimSpace(filled(r, "q"))}
	if result.Asked == "" {
		return c.showPage(w, "items", p, result)
	}
	matches, next, err := c.find(r.Context(), result.Asked, filled(r, "after"))
	if err != nil {
		return err
	}
	exact := len(matches) > 0 && next == "" && filled(r, "after") == ""
	for _, match := range matches {
		exact = exact && match.ItemID == result.Asked
	}
	if exact {
		http.Redirect(w, r, c.link("/item", "id", result.Asked), http.StatusSeeOther)
		return nil
	}
	result.Items = matches
	if next != "" {
		result.NextPage = p.With("after", next)
	}
	return c.showPage(w, "items", p, result)
}

func (c *Console) find(ctx context.Context, asked, _ string) (matches []itemMatch, next string, err error) {
	item, err := c.Reader.Item(ctx, asked, status.Filter{})
	if errors.Is(err, status.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	for i := range item.Destinations {
		one := &item.Destinations[i]
		matches = append(matches, itemMatch{one.Destination, one.ItemID, one.Localization, one.Status, one.Words, one.ReceivedAt})
	}
	return matches, "", nil
}

// filterOf reads which destinations are meant.
func filterOf(r *http.Request) status.Filter {
	return status.Filter{Account: filled(r, "account"), Catalog: filled(r, "catalog"), Type: filled(r, "type")}
}

// shownItem is an item with what its page shows.
type shownItem struct {
	status.Item
	Filter   status.Filter
	Places   []shownPlace
	Timeline []status.Mutation
	More     bool
	Next     status.Place
	Letters  map[string]int64
}

// shownPlace is the state at a destination, with the last request and its answer.
type shownPlace struct {
	status.ItemState
	Request  *status.Request
	Record   *status.Record
	Attempts []status.Attempt
	// NoRequest says why there is no request.
	NoRequest string
}

// maxRequests bounds the requests that are put together for one page.
const maxRequests = 6

// timelinePage is how many changes a page shows.
const timelinePage = 30

func (c *Console) item(w http.ResponseWriter, r *http.Request) error {
	id, filter := filled(r, "id"), filterOf(r)
	if id == "" {
		http.Redirect(w, r, c.link("/items"), http.StatusSeeOther)
		return nil
	}
	item, err := c.Reader.Item(r.Context(), id, filter)
	if err != nil {
		return err
	}
	shown := shownItem{Item: item, Filter: filter}
	for i := range item.Destinations {
		place := shownPlace{ItemState: item.Destinations[i]}
		if i < maxRequests {
			if err := c.lastRequest(r.Context(), &place); err != nil {
				return err
			}
		}
		shown.Places = append(shown.Places, place)
	}
	before := status.Place(filled(r, "before"))
	shown.Timeline, shown.More, err = c.Reader.Timeline(r.Context(), id, filter, before, timelinePage)
	if err != nil {
		return err
	}
	if shown.More {
		shown.Next = shown.Timeline[len(shown.Timeline)-1].Place
	}
	p := c.page(r, id, "items")
	if before == "" {
		p.live()
	}
	return c.showPage(w, "item", p, shown)
}

// lastRequest adds what was sent of the newest change, and what was answered. What cannot be
// shown, such as a request of an account that is configured no longer, is said.
func (c *Console) lastRequest(ctx context.Context, place *shownPlace) error {
	if place.BatchID == nil {
		return nil
	}
	_, attempts, err := c.Reader.Batch(ctx, *place.BatchID)
	if err != nil {
		if errors.Is(err, status.ErrNotFound) {
			place.NoRequest = "Its batch is no longer kept."
			return nil
		}
		return err
	}
	place.Attempts = attempts
	request, err := c.Reader.Request(ctx, *place.BatchID, 0, place.ItemID)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		place.NoRequest = sentence(err.Error())
		return nil //nolint:nilerr // the page says it
	}
	place.Request = &request
	if len(request.Records) > 0 {
		records, _, err := c.Reader.Records(ctx, *place.BatchID, request.Records[0], 1)
		if err == nil && len(records) == 1 {
			place.Record = &records[0]
		}
	}
	return nil
}

func (c *Console) mutation(w http.ResponseWriter, r *http.Request) error {
	mutations, err := c.Reader.Mutation(r.Context(), filled(r, "id"), filled(r, "account"))
	if err != nil {
		return err
	}
	return c.showPage(w, "mutation", c.page(r, "Change "+filled(r, "id"), "items").live(), mutations)
}
