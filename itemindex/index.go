package itemindex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/outcome"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Store is what the index is read from and written to: persistence.Store.
type Store interface {
	ledger.Outbox
	// ItemOutcomes is Outcomes with what the index needs, and no more.
	ItemOutcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (ledger.OutboxPage, error)
	// IndexItems writes what a page of the outbox changes: see persistence.Store.IndexItems.
	IndexItems(ctx context.Context, oldest time.Time, update persistence.ItemUpdate, done func(context.Context, pgx.Tx) error) error
	// NextFilling and WriteFilling fill in what is older than the outbox.
	NextFilling(ctx context.Context) (piece persistence.ItemFilling, more bool, err error)
	WriteFilling(ctx context.Context, lease ledger.Lease, piece persistence.ItemFilling, update persistence.ItemUpdate) error
	// SampleQuotas notes what is left of the quotas.
	SampleQuotas(ctx context.Context) error
}

// Name is that of the index as a consumer of the outbox.
const Name = persistence.ItemsConsumer

const (
	// retryAfter is how long a failed piece of the filling waits.
	retryAfter = 5 * time.Second
	// sampleEvery is how often the quotas are noted.
	sampleEvery = time.Minute
	// fillPause is how long the filling rests after each piece, so that it never takes the
	// database away from the deliveries; fillWait is how long it waits before it looks
	// whether it can begin.
	fillPause = 50 * time.Millisecond
	fillWait  = 10 * time.Second
)

// outbox is a Store whose outcomes say what the index needs, and no more.
type outbox struct{ Store }

func (o outbox) Outcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (ledger.OutboxPage, error) {
	return o.ItemOutcomes(ctx, partition, after, limit)
}

// Limit bounds a page of the outbox: about 20 MB in memory.
func Limit() ledger.OutboxLimit {
	return ledger.OutboxLimit{Transactions: 200, Mutations: 10_000, Bytes: 8 << 20}
}

const (
	// Every is the least time between two pages of a partition: an item that changes twice
	// in it is written once.
	Every = time.Second
	// rest is how many times as long as a page took the index waits before the next one, up to
	// a bound: see outcome.Consumer. Pages that take half a second or less are then worked a
	// fifth of the time, all partitions together, while the index is less than two minutes
	// behind: a backlog is sent first. It shows how far it is behind.
	rest = 4
)

// Index keeps the index of items. It is safe for concurrent use.
type Index struct {
	store  Store
	limit  ledger.OutboxLimit
	logger *slog.Logger
}

// New makes an Index on a store. The zero limit means Limit.
func New(store Store, limit ledger.OutboxLimit, logger *slog.Logger) *Index {
	if limit == (ledger.OutboxLimit{}) {
		limit = Limit()
	}
	return &Index{store: store, limit: limit, logger: logger}
}

// Consumer is the index as a consumer of the outbox, which follows each partition of the
// worker, one page at a time.
func (x *Index) Consumer() *outcome.Consumer {
	return &outcome.Consumer{
		Name: Name, Outbox: outbox{x.store}, Limit: x.limit, Work: x.work, Every: Every, Rest: rest, Pages: make(chan struct{}, 1), Logger: x.logger,
	}
}

// work takes a page into the index, in one transaction with the cursor.
func (x *Index) work(ctx context.Context, r *outcome.Reader, page outcome.Page) error {
	update := fold(page.Outcomes, func(*outcome.Outcome) bool { return true })
	if err := x.store.IndexItems(ctx, page.Oldest, update, r.DoneIn); err != nil {
		return err
	}
	r.Committed()
	return nil
}

// Step takes one page of the outbox into the index; more says that there are others. It is
// for programs that catch up and end; a worker follows its partitions with Consumer.
func (x *Index) Step(ctx context.Context, lease ledger.Lease) (more bool, err error) {
	r, err := outcome.Open(ctx, outbox{x.store}, lease, Name, x.limit)
	if err != nil {
		return false, err
	}
	page, err := r.Read(ctx)
	if err != nil || !r.Unfinished() {
		return false, err
	}
	return page.More, x.work(ctx, r, page)
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
			x.logger.WarnContext(ctx, "the quotas could not be noted for the charts", slog.Any("error", err))
		}
		if sleep.For(ctx, sampleEvery) != nil {
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
			x.logger.WarnContext(ctx, "the index of items could not be filled; it is tried again", slog.Any("error", err))
			wait = retryAfter
		case done:
			wait = fillWait // also while it may not begin yet
		}
		if sleep.For(ctx, wait) != nil {
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
