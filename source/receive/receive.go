package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/shop"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// Store is what is kept of sources and their webhooks: *persistence.Sources.
type Store interface {
	run.Store

	NoteWebhook(ctx context.Context, source int32) error
	LookUpDelivery(ctx context.Context, source int32, deliveryID string) (persistence.WebhookSource, error)
	SaveDelivery(ctx context.Context, source int32, delivery persistence.WebhookDelivery) (int64, error)
	FinishDelivery(ctx context.Context, delivery persistence.WebhookDelivery, replay bool) error
	Delivery(ctx context.Context, id int64) (persistence.WebhookDelivery, error)
	TakeDeliveries(ctx context.Context, source int32, during time.Duration, limit int) ([]persistence.WebhookDelivery, error)
	DelayDelivery(ctx context.Context, id int64, reason string, after time.Duration) error
	ForgetDeliveries(ctx context.Context, source int32, after time.Duration) (more bool, err error)
	ItemsOfGroup(ctx context.Context, route int32, group, after string, limit int) ([]string, error)
	Product(ctx context.Context, route int32, productID string) (persistence.WebhookProduct, error)
	SaveProduct(ctx context.Context, route int32, productID string, product persistence.WebhookProduct) error
	DeleteProduct(ctx context.Context, route int32, productID string, at time.Time) error
}

var _ Store = (*persistence.Sources)(nil)

// Options say what is received and where it goes. Source, Kind, Secrets, Store and Publish
// are required.
type Options struct {
	Source run.Source
	Kind   webhook.Kind
	// Zone is that of times in deliveries that name none. nil means UTC.
	Zone *time.Location
	// Secrets may have signed: the present one and former ones.
	Secrets []string
	// Tolerance is how far a signed time may be from now. 0 means [webhook.Tolerance].
	Tolerance time.Duration
	// MaxBody bounds a body in bytes. 0 means [DefaultMaxBody].
	MaxBody int64
	// MaxConcurrent is how many deliveries are worked on at a time, each with a body in
	// memory; others wait within Timeout. 0 means 8.
	MaxConcurrent int
	// Timeout bounds the time until a delivery is answered. 0 means 4 s: Shopify waits 5 s.
	Timeout time.Duration
	// RetryFor is how long a pending delivery is tried again before it is rejected. 0 means
	// 24 h.
	RetryFor time.Duration
	// Keep is how long deliveries are kept. 0 means 7 days.
	Keep    time.Duration
	Store   Store
	Publish run.Publish
	// Shop reads products that a body does not have whole; nil where none is configured.
	Shop   shop.Client
	Logger *slog.Logger // nil logs nothing
	Meter  metric.Meter // nil measures nothing
	Now    func() time.Time
}

const (
	// DefaultMaxBody has room for a product of Shopify with 2,048 variants twice.
	DefaultMaxBody = 8 << 20

	defaultConcurrent = 8
	defaultTimeout    = 4 * time.Second
	defaultRetryFor   = 24 * time.Hour
	defaultKeep       = 7 * 24 * time.Hour
)

// Receiver receives the webhooks of one source. It is safe for concurrent use.
type Receiver struct {
	options Options
	secrets webhook.Secrets
	slots   chan struct{}
	wake    chan struct{}
	metrics instruments

	mu     sync.Mutex
	source persistence.Source // once it was read
	opened bool
}

// New checks the options. The error is [webhook.ErrSecret] where a secret does not have the
// form of its kind.
func New(options Options) (*Receiver, error) {
	secrets, err := webhook.NewSecrets(options.Kind, options.Secrets...)
	if err != nil {
		return nil, fmt.Errorf("sources.%s.webhook.secret: %w", options.Source.Name, err)
	}
	secrets.Tolerance = options.Tolerance
	options.MaxBody = cmp.Or(options.MaxBody, DefaultMaxBody)
	options.MaxConcurrent = cmp.Or(options.MaxConcurrent, defaultConcurrent)
	options.Timeout = cmp.Or(options.Timeout, defaultTimeout)
	options.RetryFor = cmp.Or(options.RetryFor, defaultRetryFor)
	options.Keep = cmp.Or(options.Keep, defaultKeep)
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	options.Logger = options.Logger.With(slog.String("source", options.Source.Name))
	if options.Now == nil {
		options.Now = time.Now
	}
	metrics, err := newInstruments(options.Meter, options.Source.Name)
	if err != nil {
		return nil, err
	}
	return &Receiver{
		options: options, secrets: secrets, metrics: metrics,
		slots: make(chan struct{}, options.MaxConcurrent), wake: make(chan struct{}, 1),
	}, nil
}

// open reads the source's row once.
func (r *Receiver) open(ctx context.Context) (persistence.Source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened {
		return r.source, nil
	}
	source := r.options.Source
	lanes := source.Lanes()
	row, err := r.options.Store.Open(ctx, source.Name, source.ItemID, lanes)
	// Other item ids are seen with each delivery, which is then rejected and kept.
	if err != nil && !errors.Is(err, persistence.ErrItemIDChanged) {
		return persistence.Source{}, err
	}
	if err := r.options.Store.SetSilence(ctx, row.ID, source.SilentAfter); err != nil {
		return persistence.Source{}, err
	}
	r.source, r.opened = row, true
	return row, nil
}

// Forget deletes deliveries that were received longer ago than they are kept. A call
// deletes a bounded number; [Receiver.Work] calls it from time to time.
func (r *Receiver) Forget(ctx context.Context) error {
	row, err := r.open(ctx)
	if err != nil {
		return err
	}
	const rounds = 100
	for range rounds {
		if more, err := r.options.Store.ForgetDeliveries(ctx, row.ID, r.options.Keep); err != nil || !more {
			return err
		}
	}
	return nil
}
