package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/shop"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

const (
	// every is how often pending deliveries are looked for; a new one of this process is
	// worked on at once.
	every = time.Minute
	// fetchTimeout bounds how long the items of one delivery may take to come from the
	// shop, and applyTimeout how long they may take to be published.
	fetchTimeout = time.Minute
	applyTimeout = time.Minute
	// held is how long nobody else takes a pending delivery: longer than both.
	held = fetchTimeout + applyTimeout + time.Minute
	// atATime bounds the deliveries of one round.
	atATime = 1_000
	// longest is the longest time between two tries.
	longest = 30 * time.Minute
	// forgetEvery is how often old deliveries are deleted.
	forgetEvery = time.Hour
)

// Work reads the items of pending deliveries from the shop and deletes old deliveries, until
// ctx ends. Several processes may work for one source.
func (r *Receiver) Work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var forgot time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		}
		if _, err := r.Pending(ctx); err != nil && ctx.Err() == nil {
			r.options.Logger.WarnContext(ctx, "pending webhook deliveries could not be worked on", slog.Any("error", err))
		}
		if now := r.options.Now(); now.Sub(forgot) >= forgetEvery {
			forgot = now
			if err := r.Forget(ctx); err != nil && ctx.Err() == nil {
				r.options.Logger.WarnContext(ctx, "old webhook deliveries could not be deleted", slog.Any("error", err))
			}
		}
		timer.Reset(every)
	}
}

// Pending works once on all pending deliveries whose time has come, and returns how many.
func (r *Receiver) Pending(ctx context.Context) (worked int, err error) {
	row, err := r.open(ctx)
	if err != nil {
		return 0, err
	}
	fetched := make(map[string]time.Time) // when a product was asked for in this round
	for worked < atATime {
		taken, err := r.options.Store.TakeDeliveries(ctx, row.ID, held, 1)
		if err != nil || len(taken) == 0 {
			return worked, err
		}
		worked++
		came := time.Now()
		if err := r.pending(ctx, row, taken[0], came, fetched); err != nil {
			return worked, err
		}
	}
	return worked, nil
}

// pending works on one delivery, which was taken when came says. An error says that the
// database is away.
func (r *Receiver) pending(ctx context.Context, row persistence.Source, kept persistence.WebhookDelivery, came time.Time, fetched map[string]time.Time) error {
	delivery, broken := webhook.Read(r.options.Kind, headerOf(kept), kept.Body, kept.ReceivedAt, r.options.Zone)
	outcome := &Outcome{}
	asked := delivery.Incomplete + "\x00" + delivery.InventoryItem
	if at, ok := fetched[asked]; ok && kept.Age > came.Sub(at) {
		// It was received before the product was read: what it told of is done.
		outcome.State, outcome.Reason = persistence.DeliveryAccepted, "done with another delivery about the same product"
	} else {
		var err error
		if broken == nil {
			delivery, err = r.fetch(ctx, delivery)
		}
		if err == nil {
			outcome, err = r.within(ctx, row, delivery, broken)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, shop.ErrGone):
			outcome = &Outcome{State: persistence.DeliveryIgnored, Reason: err.Error() + ": a delivery about its deletion, or a feed, ends its items"}
		case err != nil && kept.Age < r.options.RetryFor:
			return r.delay(ctx, kept, err)
		case err != nil:
			outcome = &Outcome{State: persistence.DeliveryRejected, Reason: fmt.Sprintf("given up after %d tries: %v", kept.Attempts, err)}
		default:
			fetched[asked] = came
		}
	}
	outcome.ID = kept.ID
	if err := r.options.Store.FinishDelivery(ctx, outcome.row(), false); err != nil {
		return err
	}
	r.done(ctx, outcome, delivery, r.options.Now())
	return nil
}

// delay notes why a delivery is still pending. The time between two tries grows.
func (r *Receiver) delay(ctx context.Context, kept persistence.WebhookDelivery, cause error) error {
	after := min(every<<min(max(kept.Attempts-1, 0), 10), longest)
	if throttled, ok := errors.AsType[*shop.ThrottledError](cause); ok {
		after = max(after, throttled.After)
	}
	r.options.Logger.WarnContext(ctx, "the items of a webhook delivery could not be read from the shop",
		slog.Int64("delivery", kept.ID), slog.Int("attempts", kept.Attempts), slog.Duration("retry_in", after), slog.Any("error", cause))
	return r.options.Store.DelayDelivery(ctx, kept.ID, cause.Error(), after)
}

// fetch completes a delivery from the shop where it needs that and a shop is configured.
func (r *Receiver) fetch(ctx context.Context, delivery webhook.Delivery) (webhook.Delivery, error) {
	if r.options.Shop == nil || delivery.Incomplete == "" && delivery.InventoryItem == "" {
		return delivery, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	now := r.options.Now().UTC()
	whole, err := r.options.Shop.Fetch(ctx, delivery)
	if err != nil {
		return delivery, err
	}
	whole.TrueAt = now
	// What is read is at least as new as what told of it.
	if whole.At.Before(delivery.At) {
		whole.At = delivery.At
	}
	if whole.At.After(now) {
		whole.At = now
	}
	return whole, nil
}

// within decides about a delivery within a time.
func (r *Receiver) within(ctx context.Context, row persistence.Source, delivery webhook.Delivery, broken error) (*Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	found, err := r.options.Store.LookUpDelivery(ctx, row.ID, delivery.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case broken != nil:
		return &Outcome{State: persistence.DeliveryRejected, Reason: broken.Error()}, nil
	case delivery.Ignored != "":
		return &Outcome{State: persistence.DeliveryIgnored, Reason: delivery.Ignored}, nil
	}
	return r.apply(ctx, row, found, delivery)
}

func headerOf(kept persistence.WebhookDelivery) http.Header {
	header := make(http.Header, len(kept.Headers))
	for name, value := range kept.Headers {
		header.Set(name, value)
	}
	return header
}

// ErrOtherSource says that a delivery to be replayed is another source's.
var ErrOtherSource = errors.New("the delivery is of another source")

// Replay works a kept delivery through again, with the mapping and the item ids of now. What
// was sent since from something newer stays. The errors are
// [persistence.ErrNoSuchDelivery] and [ErrOtherSource], or say what is away; the delivery
// stays as it is then.
func (r *Receiver) Replay(ctx context.Context, id int64) (*Outcome, error) {
	row, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := r.options.Store.Delivery(ctx, id)
	if err != nil {
		return nil, err
	}
	if kept.Source != r.options.Source.Name {
		return nil, fmt.Errorf("%w: %s", ErrOtherSource, kept.Source)
	}
	delivery, broken := webhook.Read(r.options.Kind, headerOf(kept), kept.Body, kept.ReceivedAt, r.options.Zone)
	if broken == nil {
		if delivery, err = r.fetch(ctx, delivery); err != nil {
			return nil, err
		}
	}
	outcome, err := r.within(ctx, row, delivery, broken)
	if err != nil {
		return nil, err
	}
	outcome.ID = id
	if err := r.options.Store.FinishDelivery(ctx, outcome.row(), true); err != nil {
		return nil, err
	}
	r.done(ctx, outcome, delivery, r.options.Now())
	return outcome, nil
}
