package console

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/catalog-courier/catalog-courier/status"
)

// found is what a search found.
type found struct {
	Asked    string
	Items    []status.IndexedItem
	NextPage string
}

// searchPage is how many items a list shows at a time.
const searchPage = 50

// search finds items by the beginning of their ids. An item of exactly this
// id is shown at once; its page leads to the others.
func (c *Console) search(w http.ResponseWriter, r *http.Request) error {
	p := c.page(r, "Items", "items")
	result := found{Asked: strings.TrimSpace(filled(r, "q"))}
	if result.Asked == "" {
		return c.showPage(w, "items", p, result)
	}
	after := status.Cursor(filled(r, "after"))
	items, next, err := c.Reader.Search(r.Context(), result.Asked, searchPage, after)
	if err != nil {
		return err
	}
	if after == "" && filled(r, "all") == "" && (len(items) == 0 || items[0].ID == result.Asked) {
		// Also one of which no change is final yet: that the index does not have.
		switch _, err := c.Reader.Item(r.Context(), result.Asked, status.Filter{}); {
		case err == nil:
			http.Redirect(w, r, c.link("/item", "id", result.Asked), http.StatusSeeOther)
			return nil
		case !errors.Is(err, status.ErrNotFound):
			return err
		}
	}
	if wantsCSV(r) {
		return c.searchCSV(w, r, result.Asked)
	}
	result.Items = items
	if next != "" {
		result.NextPage = p.With("after", next)
	}
	return c.showPage(w, "items", p, result)
}

func (c *Console) searchCSV(w http.ResponseWriter, r *http.Request, asked string) error {
	table := newCSV(w, "items", "item_id", "account", "catalog", "catalog_type", "localization", "status", "operation", "code", "attribute", "message", "changed_at")
	for after := status.Cursor(""); ; {
		items, next, err := c.Reader.Search(r.Context(), asked, status.MaxPage, after)
		if err != nil {
			return table.end(err)
		}
		for i := range items {
			one, wrong := &items[i], status.Issue{}
			if one.Error != nil {
				wrong = *one.Error
			}
			if !table.row(one.ID, one.Account, one.Catalog, one.Type, one.Localization, one.Status, one.Operation, wrong.Code, wrong.Attribute, wrong.Message, stamp(one.ChangedAt)) {
				return table.end(nil)
			}
		}
		if after = next; next == "" {
			return table.end(nil)
		}
	}
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
}

// shownPlace is the state at a destination, with the last request and its answer.
type shownPlace struct {
	status.ItemState
	Request  *status.Request
	Record   *status.Record
	Attempts []status.Attempt
	// Answer is what the platform answered last: the parts that name the item, else all.
	// OfItem says which.
	Answer []byte
	OfItem bool
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
	if errors.Is(err, status.ErrNotFound) {
		return c.unknownItem(r.Context(), id, filter.Account)
	}
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

// unknownItem says that an item is unknown, and which ids are like it: they differ by upper
// and lower case, or begin alike.
func (c *Console) unknownItem(ctx context.Context, id, account string) error {
	similar, err := c.Reader.Similar(ctx, id, account)
	if err != nil {
		return err
	}
	text := "No change of item " + id + " is recorded."
	if len(similar) > 0 {
		text += " Similar ids: " + strings.Join(similar, ", ") + "."
	}
	text += " If a feed or a webhook brought it, “enqueue feed runs SOURCE” and “enqueue webhook list” say what became of it."
	return refuse(http.StatusNotFound, text)
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
	answers, err := c.Reader.Answers(ctx, *place.BatchID)
	if err != nil {
		return err
	}
	if len(answers) > 0 {
		last := &answers[len(answers)-1]
		place.Answer = []byte(last.Of(place.ItemID))
		if place.OfItem = len(place.Answer) > 0; !place.OfItem {
			place.Answer = []byte(last.Text)
		}
	}
	request, err := c.Reader.Request(ctx, *place.BatchID, 0, place.ItemID)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		place.NoRequest = sentence(err.Error())
		return nil // the page says it
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
