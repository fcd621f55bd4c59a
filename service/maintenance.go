package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
)

const (
	// markInterval is how often it is looked how far the stream reaches, and trimEvery
	// after how many looks it is trimmed.
	markInterval = 10 * time.Second
	trimEvery    = 3
	// retainInterval is how often old rows are dropped and partitions made ahead.
	retainInterval = 10 * time.Minute
	// maintenancePartition is the partition whose owner does the maintenance for all: one
	// worker at a time is enough.
	maintenancePartition = 0
	maintenanceTimeout   = 5 * time.Minute
	// registerInterval is how often a worker writes again what it wrote at its start.
	registerInterval = 30 * time.Second
)

// runMaintenance trims the stream, retires old rows, looks which dead letters are resolved
// and keeps the index of items, until ctx ends. What takes long delays none of the others:
// retiring may take minutes, in which the stream could fill up.
func (w *worker) runMaintenance(ctx context.Context, lease ledger.Lease) {
	var duties sync.WaitGroup
	defer duties.Wait()
	duties.Go(func() { w.keepTrimmed(ctx) })
	duties.Go(func() {
		w.retain(ctx)
		repeat(ctx, retainInterval, w.retain)
	})
	var unresolved int64 // below it, the next look at dead letters goes on
	duties.Go(func() {
		repeat(ctx, resolveInterval, func(ctx context.Context) { unresolved = w.resolve(ctx, unresolved) })
	})
	duties.Go(func() { w.maintainIndex(ctx, lease) })
}

// repeat calls do after each interval, until ctx ends.
func repeat(ctx context.Context, interval time.Duration, do func(context.Context)) {
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			do(ctx)
		}
	}
}

// keepTrimmed notes how far the stream reaches and trims it, until ctx ends.
func (w *worker) keepTrimmed(ctx context.Context) {
	defer w.observer.streamIs(queue.LogState{}) // the next owner says it
	w.mark(ctx)
	looks := 1
	repeat(ctx, markInterval, func(ctx context.Context) {
		if looks++; looks%trimEvery == 1 {
			w.trim(ctx)
		} else {
			w.mark(ctx)
		}
	})
}

// keepRegistered writes again what the worker wrote at its start, until ctx ends: a
// database that fails over may have lost it, and nothing else would tell.
func (w *worker) keepRegistered(ctx context.Context) {
	if w.deps.Register == nil {
		return
	}
	again := time.NewTicker(registerInterval)
	defer again.Stop()
	for present := w.serving.Load(); ; {
		select {
		case <-ctx.Done():
			return
		case <-present.replaced:
			present = present.newest()
		case <-again.C:
		}
		call, cancel := context.WithTimeout(ctx, registerInterval)
		if err := w.deps.Register(call); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the partitions and accounts could not be registered again; it is tried again", slog.Any("error", err))
		}
		cancel()
	}
}

// mark notes how far the stream reaches, for later trims.
func (w *worker) mark(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, markInterval)
	defer cancel()
	state, err := w.deps.Queue.State(call)
	if err == nil {
		w.observer.streamIs(state)
		_, err = w.olderThanWindow(call, state)
	}
	if err != nil && ctx.Err() == nil {
		w.log.DebugContext(ctx, "how far the stream reaches could not be noted", slog.Any("error", err))
	}
}

// olderThanWindow is the sequence up to which the stream had all messages when the
// replay window began.
func (w *worker) olderThanWindow(ctx context.Context, state queue.LogState) (uint64, error) {
	if w.deps.MarkStream == nil {
		return state.Last, nil
	}
	return w.deps.MarkStream(ctx, state.Last, w.config.NATS.Stream.ReplayWindow)
}

func (w *worker) trim(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	// What is removed from another stream would be lost there.
	err := queue.CheckIdentity(call, w.deps.Queue, w.identity)
	var positions []ledger.Anchor
	if err == nil {
		positions, err = w.deps.Store.Positions(call)
	}
	var age queue.Age
	if err == nil {
		age, err = w.ageOfMessages(call)
	}
	if err == nil {
		_, err = queue.TrimByAge(call, w.deps.Queue, positions, age)
	}
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "the stream could not be trimmed; it is tried again", slog.Any("error", err))
	}
}

// ageOfMessages says which messages are older than the replay window. That needs all
// clocks to agree: the worker's, the database's, and the broker's, whose time is in the
// messages. While they do not, no message is old, and the stream is trimmed by its
// size alone.
func (w *worker) ageOfMessages(ctx context.Context) (queue.Age, error) {
	age := queue.Age{Window: w.config.NATS.Stream.ReplayWindow}
	state, err := w.deps.Queue.State(ctx)
	if err != nil {
		return age, err
	}
	clocks := map[string]time.Time{"worker": time.Now()} //nolint:forbidigo // one of three, and the earliest counts
	if !state.Now.IsZero() {
		clocks["NATS"] = state.Now
	}
	if w.deps.Clock != nil {
		if clocks["database"], err = w.deps.Clock(ctx); err != nil {
			return age, err
		}
	}
	var differ error
	if age.Now, differ = trimTime(clocks); differ != nil {
		w.log.WarnContext(ctx, "the stream is trimmed by its size alone, as nobody knows the age of its messages", slog.Any("error", differ))
		return age, nil
	}
	age.Known, err = w.olderThanWindow(ctx, state)
	return age, err
}

func (w *worker) retain(ctx context.Context) {
	if w.deps.Retain == nil {
		return
	}
	call, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	err := w.deps.Retain(call)
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, persistence.ErrClock):
		w.log.ErrorContext(ctx, "nothing old is dropped because of a clock", slog.Any("error", err))
	default:
		w.log.WarnContext(ctx, "old rows could not be retired; it is tried again", slog.Any("error", err))
	}
}
