package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

const (
	// trimInterval is how often the stream is trimmed.
	trimInterval = 30 * time.Second
	// retainInterval is how often old rows are dropped and partitions made ahead.
	retainInterval = 10 * time.Minute
	// upkeepPartition is the partition whose owner does the upkeep of all: one
	// worker at a time is enough.
	upkeepPartition = 0
	upkeepTimeout   = 5 * time.Minute
)

// keepUp trims the stream and retires old rows until ctx ends.
func (w *worker) keepUp(ctx context.Context) {
	trim := time.NewTicker(trimInterval)
	defer trim.Stop()
	retain := time.NewTicker(retainInterval)
	defer retain.Stop()
	w.retain(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			w.trim(ctx)
		case <-retain.C:
			w.retain(ctx)
		}
	}
}

func (w *worker) trim(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	// What is removed from another stream would be lost there.
	err := queue.CheckIdentity(ctx, w.parts.Queue, w.identity)
	var positions []ledger.Anchor
	if err == nil {
		positions, err = w.parts.Store.Positions(ctx)
	}
	if err == nil {
		_, err = queue.Trim(ctx, w.parts.Queue, positions, w.config.NATS.Stream.ReplayWindow, time.Now())
	}
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "the stream could not be trimmed; it is tried again", slog.Any("error", err))
	}
}

func (w *worker) retain(ctx context.Context) {
	if w.parts.Retain == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	if err := w.parts.Retain(ctx); err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "old rows could not be retired; it is tried again", slog.Any("error", err))
	}
}
