package itemindex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Store is what the index is read from and written to: persistence.Store.
type Store interface {
	ledger.Outbox
	// IndexItems writes a page and moves the cursor: see persistence.Store.IndexItems.
	IndexItems(ctx context.Context, lease ledger.Lease, from, to int64, oldest time.Time, update persistence.ItemUpdate) error
	// NextFilling and WriteFilling fill in what is older than the outbox.
	NextFilling(ctx context.Context) (piece persistence.ItemFilling, more bool, err error)
	WriteFilling(ctx context.Context, lease ledger.Lease, piece persistence.ItemFilling, update persistence.ItemUpdate) error
	// SampleQuotas notes what is left of the quotas.
	SampleQuotas(ctx context.Context) error
}

// Config is what an Index may be given; zero fields mean the defaults.
type Config struct {
	// Limit bounds a page of the outbox. Defaults to 100 transactions, 10,000 mutations and
	// 16 MiB of payloads.
	Limit ledger.OutboxLimit
	// Every is how often the outbox is looked at while it is empty. Defaults to 2 s.
	Every time.Duration
	// Logger defaults to silence.
	Logger *slog.Logger
}

const (
	// retryAfter is how long a failed page waits.
	retryAfter = 5 * time.Second
	// sampleEvery is how often the quotas are noted.
	sampleEvery = time.Minute
	// fillPause is how long the filling rests after each piece, so that it never takes the
	// database away from the deliveries; fillWait is how long it waits before it looks
	// whether it can begin.
	fillPause = 50 * time.Millisecond
	fillWait  = 10 * time.Second
)

// Index keeps the index of items. It is safe for concurrent use.
type Index struct {
	store  Store
	config Config
}

// New makes an Index on a store.
func New(store Store, config Config) *Index {
	if config.Limit == (ledger.OutboxLimit{}) {
		config.Limit = ledger.OutboxLimit{Transactions: 100, Mutations: 10_000, Bytes: 16 << 20}
	}
	if config.Every == 0 {
		config.Every = 2 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Index{store: store, config: config}
}

// Run keeps the items of the lease's partition until ctx ends or the partition has another
// owner. What fails is tried again.
func (x *Index) Run(ctx context.Context, lease ledger.Lease) {
	at, known := int64(0), false
	for {
		var more bool
		var err error
		if !known {
			at, err = x.store.OpenCursor(ctx, lease, persistence.ItemsConsumer)
			known = err == nil
		}
		if known {
			at, more, err = x.step(ctx, lease, at)
			known = err == nil // a commit without an answer may have moved it
		}
		wait := x.config.Every
		switch {
		case ctx.Err() != nil || errors.Is(err, ledger.ErrLeaseLost):
			return
		case err != nil:
			x.config.Logger.WarnContext(ctx, "the index of items could not be updated; it is tried again",
				slog.Int("partition", lease.Partition), slog.Any("error", err))
			wait = retryAfter
		case more:
			continue
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// Step takes one page of the outbox into the index; more says that there are others.
func (x *Index) Step(ctx context.Context, lease ledger.Lease) (more bool, err error) {
	from, err := x.store.OpenCursor(ctx, lease, persistence.ItemsConsumer)
	if err != nil {
		return false, err
	}
	_, more, err = x.step(ctx, lease, from)
	return more, err
}

func (x *Index) step(ctx context.Context, lease ledger.Lease, from int64) (to int64, more bool, err error) {
	page, err := x.store.Outcomes(ctx, lease.Partition, from, x.config.Limit)
	if err != nil || page.To == from {
		return from, false, err
	}
	update := fold(page.Outcomes, func(*ledger.Outcome) bool { return true })
	if err := x.store.IndexItems(ctx, lease, from, page.To, page.Oldest, update); err != nil {
		return from, false, err
	}
	return page.To, page.More, nil
}

// Maintain fills in what became final before there was an outbox, and notes the quotas,
// until ctx ends. One worker does it for all: the owner of the lease's partition.
func (x *Index) Maintain(ctx context.Context, lease ledger.Lease) {
	filling := make(chan struct{})
	go func() { // ends with ctx; the deferred call waits for it
		defer close(filling)
		x.fill(ctx, lease)
	}()
	defer func() { <-filling }()
	for {
		if err := x.store.SampleQuotas(ctx); err != nil && ctx.Err() == nil {
			x.config.Logger.WarnContext(ctx, "the quotas could not be noted for the charts", slog.Any("error", err))
		}
		if !sleep(ctx, sampleEvery) {
			return
		}
	}
}

// fill works until all is filled in.
func (x *Index) fill(ctx context.Context, lease ledger.Lease) {
	for {
		wait := fillPause
		done, err := x.Fill(ctx, lease)
		switch {
		case ctx.Err() != nil || errors.Is(err, ledger.ErrLeaseLost):
			return
		case err != nil:
			x.config.Logger.WarnContext(ctx, "the index of items could not be filled; it is tried again", slog.Any("error", err))
			wait = retryAfter
		case done:
			wait = fillWait // also while it may not begin yet
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// Fill takes one piece of what is older than the outbox into the index; done says that
// there is none, or none yet.
func (x *Index) Fill(ctx context.Context, lease ledger.Lease) (done bool, err error) {
	piece, more, err := x.store.NextFilling(ctx)
	if err != nil || !more {
		return true, err
	}
	update := fold(piece.Outcomes, func(o *ledger.Outcome) bool { return o.FinishedAt.Before(piece.CountedFrom) })
	if err := x.store.WriteFilling(ctx, lease, piece, update); err != nil {
		return false, fmt.Errorf("a piece of %d mutations: %w", len(piece.Outcomes), err)
	}
	return false, nil
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
