package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// DeliveryState says what became of a webhook delivery.
type DeliveryState string

// The states of deliveries.
const (
	// DeliveryAccepted says that its changes were published, or that it changed nothing.
	DeliveryAccepted DeliveryState = "accepted"
	// DeliveryRejected says that it could not be read or mapped; it can be replayed.
	DeliveryRejected DeliveryState = "rejected"
	// DeliveryIgnored says that its topic is not about items.
	DeliveryIgnored DeliveryState = "ignored"
)

// WebhookDelivery is a delivery as it is kept.
type WebhookDelivery struct {
	ID         int64
	Source     string
	DeliveryID string
	Topic      string
	State      DeliveryState
	// Published and Unchanged count mutations that were published, and items that the
	// delivery did not change.
	Published, Unchanged int
	Reason               string
	// Headers are those that matter to read the body again; no signature is kept.
	Headers map[string]string
	Body    []byte
}

// SeenDelivery reports whether a delivery with the id was accepted or ignored before: a
// sender repeats what it believes lost. A rejected one is tried again.
func (s *Sources) SeenDelivery(ctx context.Context, source int32, deliveryID string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	state, err := s.query.WebhookSeen(ctx, query.WebhookSeenParams{Source: source, DeliveryID: deliveryID})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the delivery: %w", err)
	}
	return DeliveryState(state) != DeliveryRejected, nil
}

// SaveDelivery keeps a delivery, or what became of it now when it was kept before.
func (s *Sources) SaveDelivery(ctx context.Context, source int32, delivery WebhookDelivery) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	headers, err := json.Marshal(delivery.Headers)
	if err != nil {
		return 0, fmt.Errorf("keep the delivery: %w", err)
	}
	if delivery.Headers == nil {
		headers = []byte("{}")
	}
	id, err := s.query.ReceiveWebhook(ctx, query.ReceiveWebhookParams{
		Source: source, DeliveryID: delivery.DeliveryID, Topic: delivery.Topic, State: string(delivery.State),
		Published: int32(delivery.Published), Unchanged: int32(delivery.Unchanged), //nolint:gosec // G115: of one delivery
		Reason: pointer(delivery.Reason), Headers: headers, Body: delivery.Body,
	})
	if err != nil {
		return 0, fmt.Errorf("keep the delivery: %w", err)
	}
	return id, nil
}

// NoteWebhook notes that a source's webhook is heard of.
func (s *Sources) NoteWebhook(ctx context.Context, source int32) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.query.NoteWebhook(ctx, source)
}

// Delivery reads a delivery to replay it. The error is ErrNoSuchDelivery when there is none.
func (s *Sources) Delivery(ctx context.Context, id int64) (WebhookDelivery, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.WebhookDelivery(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return WebhookDelivery{}, fmt.Errorf("%w: %d", ErrNoSuchDelivery, id)
	}
	if err != nil {
		return WebhookDelivery{}, fmt.Errorf("read the delivery: %w", err)
	}
	delivery := WebhookDelivery{
		ID: row.ID, Source: row.Name, DeliveryID: row.DeliveryID, Topic: row.Topic, State: DeliveryState(row.State), Body: row.Body,
	}
	if err := json.Unmarshal(row.Headers, &delivery.Headers); err != nil {
		return WebhookDelivery{}, fmt.Errorf("read the delivery: %w", err)
	}
	return delivery, nil
}
