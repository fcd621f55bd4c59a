package worker

import (
	"context"
	"log/slog"
	"time"

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
	// registerInterval is how often a worker writes again what it wrote at its start.
	registerInterval = 30 * time.Second
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

// keepRegistered writes again what the worker wrote at its start, until ctx ends: a
// database that fails over may have lost it, and nothing else would tell.
func (w *worker) keepRegistered(ctx context.Context) {
	if w.parts.Register == nil {
		return
	}
	again := time.NewTicker(registerInterval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		call, cancel := context.WithTimeout(ctx, registerInterval)
		if err := w.parts.Register(call); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the partitions and accounts could not be registered again; it is tried again", slog.Any("error", err))
		}
		cancel()
	}
}

func (w *worker) trim(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	positions, err := w.parts.Store.Positions(ctx)
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
