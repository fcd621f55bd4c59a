package receive

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

const (
	// chunk is how many items are changed in one transaction.
	chunk = 500
	// maxGroup is how many items a product may have. A group of more cannot be
	// a product, and its items are not deleted with one.
	maxGroup = 5_000
)

// application is a delivery on its way to the routes.
type application struct {
	*Receiver
	row      persistence.Source
	delivery webhook.Delivery
	// snapshot is the time of the newest snapshot: what was true before it is in it, and a
	// change that was seen since has at least its time.
	snapshot time.Time
	outcome  *Outcome
}

// apply publishes what a delivery changes, route by route. It may fail in between: applied
// again it goes on from there.
func (r *Receiver) apply(ctx context.Context, row persistence.Source, found persistence.WebhookSource, delivery webhook.Delivery) (*Outcome, error) {
	a := application{Receiver: r, row: row, delivery: delivery, snapshot: found.SnapshotAt, outcome: &Outcome{}}
	source := r.options.Source
	if found.ItemID != source.ItemID {
		a.outcome.State = persistence.DeliveryRejected
		a.outcome.Reason = fmt.Sprintf("%v: it is %q, and the configuration has %q", persistence.ErrItemIDChanged, found.ItemID, source.ItemID)
		return a.outcome, nil
	}
	lacks := delivery.Lacks
	if lacks != "" {
		lacks += ": configure the shop, so that they are read from it, or a feed"
	}
	if delivery.TrueAt.Before(a.snapshot) {
		a.outcome.State, a.outcome.Older = persistence.DeliveryAccepted, max(1, len(delivery.Items))*len(source.Routes)
		a.outcome.Reason = fmt.Sprintf("it says what was true at %s, and the feed of %s is newer",
			delivery.TrueAt.Format(time.RFC3339), a.snapshot.UTC().Format(time.RFC3339))
		return a.outcome, nil
	}
	for i, route := range source.Routes {
		var err error
		switch {
		case delivery.DeletedGroup != "" || delivery.DeletedItem != "":
			err = a.deleteProduct(ctx, route, row.Routes[i].ID)
		default:
			err = a.change(ctx, route, row.Routes[i].ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", route, err)
		}
	}
	if delivery.Unclear != "" {
		a.outcome.Findings = append(a.outcome.Findings, run.Finding{Kind: "TIMESTAMP", Severity: "warning", Field: "timestamp", Rule: delivery.Unclear})
	}
	a.outcome.conclude(lacks)
	return a.outcome, nil
}

// at is the time of a change that the delivery saw.
func (a *application) at(changed time.Time) time.Time {
	if changed.IsZero() {
		changed = a.delivery.At
	}
	if changed.Before(a.snapshot) {
		return a.snapshot.UTC()
	}
	return changed
}

// deleteProduct ends the items of a product.
func (a *application) deleteProduct(ctx context.Context, route run.Route, row int32) error {
	store, d := a.options.Store, a.delivery
	known, err := store.Product(ctx, row, d.Product)
	if err != nil {
		return err
	}
	if err := store.DeleteProduct(ctx, row, d.Product, d.At); err != nil {
		return err
	}
	ids := make(map[string]bool)
	for _, group := range []string{known.Group, d.DeletedGroup} {
		if group == "" {
			continue
		}
		for after := ""; ; {
			page, err := store.ItemsOfGroup(ctx, row, group, after, chunk)
			if err != nil {
				return err
			}
			for _, id := range page {
				ids[id] = true
			}
			if len(ids) > maxGroup {
				a.outcome.refuse("\x00group " + group)
				a.outcome.find(route, "", run.Finding{
					Kind: "GROUP", Severity: "error", Field: "group", Value: group,
					Rule: fmt.Sprintf("the group of the deleted product has more than %d items: it is not a product. Nothing is deleted; set group to what the variants of one product share", maxGroup),
				})
				return nil
			}
			if len(page) < chunk {
				break
			}
			after = page[len(page)-1]
		}
	}
	if known.ItemID != "" {
		ids[known.ItemID] = true
	}
	// An item whose id is made of the product's needs nothing that is remembered.
	record := map[string]any{"product_id": d.Product}
	if d.DeletedItem != "" {
		record["id"] = d.DeletedItem
	}
	if mapped := route.Map(record); mapped.Item.ID != "" {
		ids[mapped.Item.ID] = true
	}
	if len(ids) == 0 {
		a.outcome.Reason = "no items of the product are known: a feed, if there is one, ends what it still has"
		return nil
	}
	items := make([]difference.Item, 0, len(ids))
	for id := range ids {
		items = append(items, difference.Item{ID: id, ChangedAt: a.at(d.At)})
	}
	a.outcome.good += len(items)
	return a.send(ctx, route, row, items, func(string) bool { return true })
}

// change maps the items of a delivery and publishes what they change.
func (a *application) change(ctx context.Context, route run.Route, row int32) error {
	store, d := a.options.Store, a.delivery
	var known persistence.WebhookProduct
	if d.Product != "" {
		var err error
		if known, err = store.Product(ctx, row, d.Product); err != nil {
			return err
		}
		if known.DeletedAt.After(d.At) {
			a.outcome.Older += len(d.Items)
			a.outcome.good += len(d.Items)
			a.outcome.Reason = "the shop has deleted the product since"
			return nil
		}
	}
	items, ended := a.items(route)
	if d.Product != "" && len(items) > 0 {
		now := persistence.WebhookProduct{DeletedAt: known.DeletedAt}
		for _, item := range items {
			if item.Group != "" {
				now.Group = item.Group
			}
		}
		if now.Group == "" && len(items) == 1 {
			now.ItemID = items[0].ID
		}
		if now != known {
			if err := store.SaveProduct(ctx, row, d.Product, now); err != nil {
				return err
			}
		}
	}
	return a.send(ctx, route, row, items, func(id string) bool { return ended[id] })
}

// items maps the records of the delivery for a route: those that can be sent, and those that the
// route's filter leaves out, which end. A record of another language ends nothing: nobody knows
// from it whether the item still has one of the route's.
func (a *application) items(route run.Route) (items []difference.Item, ended map[string]bool) {
	deletes := a.delivery.Deletes(a.options.Kind)
	places, ended := make(map[string]int), make(map[string]bool)
	for i, record := range a.delivery.Items {
		mapped := route.Map(record)
		if mapped.Foreign {
			a.outcome.foreign++
			continue
		}
		id := mapped.Item.ID
		end := mapped.Skipped || deletes && id != ""
		if !end {
			a.outcome.find(route, id, mapped.Findings...)
		}
		if id == "" || mapped.Invalid && !end {
			if a.outcome.refuse(cmp.Or(id, "\x00record "+strconv.Itoa(i))); a.outcome.first == "" {
				a.outcome.find(route, id, run.Finding{Kind: "ITEM_ID", Severity: "error", Field: "item_id", Rule: "the item has no id"})
			}
			continue
		}
		if !mapped.Skipped {
			a.outcome.good++
		}
		item := mapped.Item
		item.ChangedAt = a.at(item.ChangedAt)
		place, repeated := places[id]
		if !repeated {
			place, items = len(items), append(items, item)
			places[id] = place
		} else {
			a.outcome.find(route, id, run.Finding{
				Kind: "DUPLICATE_ID", Severity: "warning", Field: "item_id", Rule: "the delivery has the id twice; the last one counts",
			})
		}
		items[place], ended[id] = item, end
	}
	return items, ended
}

// send changes items chunk by chunk.
func (a *application) send(ctx context.Context, route run.Route, row int32, items []difference.Item, ends func(id string) bool) error {
	decide := func(destination difference.Route, item difference.Item, known difference.State) (difference.Change, error) {
		if ends(item.ID) {
			return destination.Deleted(item.ID, known, item.ChangedAt), nil
		}
		change, err := destination.Compare(item, known, item.ChangedAt)
		if err != nil {
			a.outcome.refuse(item.ID)
			a.outcome.good--
			a.outcome.find(route, item.ID, run.Finding{Kind: "ATTRIBUTES", Severity: "error", Rule: err.Error()})
		}
		return change, err
	}
	options := a.options
	for len(items) > 0 {
		now := min(len(items), chunk)
		made, err := options.Source.Change(ctx, options.Store, options.Publish, route, row, options.Now(), items[:now], decide)
		if err != nil {
			return err
		}
		a.outcome.Published += made.Published
		a.outcome.Unchanged += made.Counts.Unchanged
		a.outcome.Older += made.Counts.Older
		if made.Refused != nil {
			for at, reason := range made.Refused.Mutations {
				a.outcome.refuse(made.Refused.ItemIDs[at])
				a.outcome.good--
				a.outcome.find(route, made.Refused.ItemIDs[at], run.Finding{Kind: "NOT_PUBLISHED", Severity: "error", Rule: reason.Error()})
			}
		}
		for id, names := range made.Left {
			for _, name := range names {
				a.outcome.find(route, id, run.Finding{
					Kind: "NOT_CLEARED", Severity: "warning", Field: name,
					Rule: "the source no longer has it, and the platform keeps it: nothing clears it there. Give it a value, or delete the item and add it again",
				})
			}
		}
		items = items[now:]
	}
	return nil
}
