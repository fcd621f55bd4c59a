package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// DeliveryState says what became of a webhook delivery.
type DeliveryState string

// The states of deliveries.
const (
	// DeliveryAccepted says that its changes were published, or that it changed nothing.
	DeliveryAccepted DeliveryState = "accepted"
	// DeliveryPartial says that some of its items could not be mapped, or are not in it;
	// the others were published. It can be replayed.
	DeliveryPartial DeliveryState = "partial"
	// DeliveryRejected says that it could not be read or mapped; it can be replayed.
	DeliveryRejected DeliveryState = "rejected"
	// DeliveryIgnored says that its topic is not about items.
	DeliveryIgnored DeliveryState = "ignored"
	// DeliveryPending says that items have to be fetched from the shop first: nothing was
	// published yet.
	DeliveryPending DeliveryState = "pending"
)

// WebhookDelivery is a delivery as it is kept.
type WebhookDelivery struct {
	ID         int64
	Source     string
	DeliveryID string
	Topic      string
	State      DeliveryState
	// Published counts mutations that were published, Unchanged items that the delivery
	// did not change, and Older those of which something newer was sent before.
	Published, Unchanged, Older int
	Reason                      string
	// Findings are a JSON list of what is wrong with single items.
	Findings json.RawMessage
	// Headers are those that matter to read the body again; no signature is kept.
	Headers    map[string]string
	Body       []byte
	ReceivedAt time.Time
	// Attempts counts how often the shop was asked; Age is how long ago it was received, by
	// the database's clock, where the delivery was taken to be tried again.
	Attempts int
	Age      time.Duration
}

// WebhookSource is what a delivery must know of its source.
type WebhookSource struct {
	// ItemID is the template of the item ids that is valid now.
	ItemID string
	// SnapshotAt is the time of the newest snapshot that was worked through.
	SnapshotAt time.Time
	// State is that of the delivery with the same id; "" where none came before.
	State DeliveryState
}

// Seen reports whether the delivery came before and needs nothing now: a sender repeats
// what it believes lost. A rejected one is tried again.
func (s WebhookSource) Seen() bool { return s.State != "" && s.State != DeliveryRejected }

// LookUpDelivery reads what a delivery must know of its source.
func (s *Sources) LookUpDelivery(ctx context.Context, source int32, deliveryID string) (WebhookSource, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.WebhookSource(ctx, query.WebhookSourceParams{ID: source, DeliveryID: deliveryID})
	if err != nil {
		return WebhookSource{}, fmt.Errorf("look for the delivery: %w", err)
	}
	return WebhookSource{ItemID: row.ItemID, SnapshotAt: deref(row.SnapshotAt), State: DeliveryState(row.State)}, nil
}

func listOf(raw json.RawMessage) []byte {
	if raw == nil {
		return []byte("[]")
	}
	return raw
}

// SaveDelivery keeps a delivery, or what became of it now when it was rejected before. One
// that was accepted meanwhile stays as it is; its id is 0 then.
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
		Published: int32(delivery.Published), Unchanged: int32(delivery.Unchanged), Older: int32(delivery.Older), //nolint:gosec // G115: of one delivery
		Reason: pointer(delivery.Reason), Findings: listOf(delivery.Findings), Headers: headers, Body: delivery.Body,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("keep the delivery: %w", err)
	}
	return id, nil
}

// FinishDelivery writes what became of a kept delivery: of a pending one, or of any for a
// replay. A pending one that another process finished first stays as it is.
func (s *Sources) FinishDelivery(ctx context.Context, delivery WebhookDelivery, replay bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.query.FinishWebhook(ctx, query.FinishWebhookParams{
		ID: delivery.ID, State: string(delivery.State), Replay: replay,
		Published: int32(delivery.Published), Unchanged: int32(delivery.Unchanged), Older: int32(delivery.Older), //nolint:gosec // G115: of one delivery
		Reason: pointer(delivery.Reason), Findings: listOf(delivery.Findings),
	})
	if err != nil {
		return fmt.Errorf("write what became of the delivery: %w", err)
	}
	return nil
}

// TakeDeliveries takes pending deliveries of a source whose time has come, at most limit.
// Nobody else takes them for the given time.
func (s *Sources) TakeDeliveries(ctx context.Context, source int32, during time.Duration, limit int) ([]WebhookDelivery, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.TakePendingWebhooks(ctx, query.TakePendingWebhooksParams{
		Source: source, Seconds: during.Seconds(), Lim: int32(limit), //nolint:gosec // G115: a page
	})
	if err != nil {
		return nil, fmt.Errorf("take pending deliveries: %w", err)
	}
	taken := make([]WebhookDelivery, len(rows))
	for i, row := range rows {
		taken[i] = WebhookDelivery{
			ID: row.ID, DeliveryID: row.DeliveryID, Topic: row.Topic, State: DeliveryState(row.State), Body: row.Body,
			ReceivedAt: row.ReceivedAt, Attempts: int(row.Attempts), Age: row.Now.Sub(row.ReceivedAt),
		}
		if err := json.Unmarshal(row.Headers, &taken[i].Headers); err != nil {
			return nil, fmt.Errorf("take pending deliveries: %w", err)
		}
	}
	return taken, nil
}

// DelayDelivery notes why a pending delivery is still pending, and after how long it is taken again.
func (s *Sources) DelayDelivery(ctx context.Context, id int64, reason string, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.query.DelayWebhook(ctx, query.DelayWebhookParams{ID: id, Reason: reason, Seconds: after.Seconds()})
}

// WebhookProduct is which items of a route a product of a shop has.
type WebhookProduct struct {
	// Group is that of its items; ItemID is the only item of a product without a group.
	Group, ItemID string
	// DeletedAt is when the shop said that it deleted the product.
	DeletedAt time.Time
}

// Product reads a product of a route; the zero value is one that is not known.
func (s *Sources) Product(ctx context.Context, route int32, productID string) (WebhookProduct, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.WebhookProduct(ctx, query.WebhookProductParams{Route: route, ProductID: productID})
	if errors.Is(err, pgx.ErrNoRows) {
		return WebhookProduct{}, nil
	}
	if err != nil {
		return WebhookProduct{}, fmt.Errorf("read the product: %w", err)
	}
	return WebhookProduct{Group: row.GroupID, ItemID: row.ItemID, DeletedAt: deref(row.DeletedAt)}, nil
}

// SaveProduct keeps which items a product has. A time of deletion stays.
func (s *Sources) SaveProduct(ctx context.Context, route int32, productID string, product WebhookProduct) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.query.SaveWebhookProduct(ctx, query.SaveWebhookProductParams{Route: route, ProductID: productID, GroupID: product.Group, ItemID: product.ItemID})
	if err != nil {
		return fmt.Errorf("keep the product: %w", err)
	}
	return nil
}

// DeleteProduct keeps when the shop said that it deleted a product.
func (s *Sources) DeleteProduct(ctx context.Context, route int32, productID string, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.query.DeleteWebhookProduct(ctx, query.DeleteWebhookProductParams{Route: route, ProductID: productID, DeletedAt: at}); err != nil {
		return fmt.Errorf("keep that the product is deleted: %w", err)
	}
	return nil
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
		ReceivedAt: row.ReceivedAt, Attempts: int(row.Attempts),
	}
	if err := json.Unmarshal(row.Headers, &delivery.Headers); err != nil {
		return WebhookDelivery{}, fmt.Errorf("read the delivery: %w", err)
	}
	return delivery, nil
}

// DeliveryRow is a delivery as it is shown.
type DeliveryRow struct {
	ID         int64           `json:"id"`
	Source     string          `json:"source"`
	ReceivedAt time.Time       `json:"received_at"`
	DeliveryID string          `json:"delivery_id"`
	Topic      string          `json:"topic"`
	State      DeliveryState   `json:"state"`
	Published  int             `json:"published"`
	Unchanged  int             `json:"unchanged"`
	Older      int             `json:"older"`
	Reason     string          `json:"reason,omitempty"`
	Findings   json.RawMessage `json:"findings"`
	BodyBytes  int64           `json:"body_bytes"`
	ReplayedAt *time.Time      `json:"replayed_at"`
	Attempts   int             `json:"attempts"`
	RetryAt    *time.Time      `json:"retry_at"`
}

// Deliveries lists deliveries, the newest first: of one source or, for "", of all, in one
// state or, for "", in any. before is the last id of the page before; 0 begins.
func (s *Sources) Deliveries(ctx context.Context, source string, state DeliveryState, before int64, limit int) ([]DeliveryRow, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.WebhookDeliveries(ctx, query.WebhookDeliveriesParams{
		Source: source, State: string(state), Before: before, Lim: int32(limit), //nolint:gosec // G115: a page
	})
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	list := make([]DeliveryRow, len(rows))
	for i, row := range rows {
		list[i] = DeliveryRow{
			ID: row.ID, Source: row.Source, ReceivedAt: row.ReceivedAt, DeliveryID: row.DeliveryID, Topic: row.Topic, State: DeliveryState(row.State),
			Published: int(row.Published), Unchanged: int(row.Unchanged), Older: int(row.Older), Reason: deref(row.Reason), Findings: row.Findings,
			BodyBytes: row.BodyBytes, ReplayedAt: row.ReplayedAt, Attempts: int(row.Attempts), RetryAt: row.RetryAt,
		}
	}
	return list, nil
}

// ForgetDeliveries deletes deliveries of a source that were received so long ago. A call
// deletes a bounded number; more says that there are others.
func (s *Sources) ForgetDeliveries(ctx context.Context, source int32, after time.Duration) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	forgotten, err := s.query.ForgetWebhooks(ctx, query.ForgetWebhooksParams{Source: source, Seconds: after.Seconds(), Lim: forgetAtATime})
	if err != nil {
		return false, fmt.Errorf("forget webhook deliveries: %w", err)
	}
	return forgotten == forgetAtATime, nil
}
