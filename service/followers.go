package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/outcome"
)

// followers are the consumers of the outbox. Each works behind every partition that this
// worker owns, in a goroutine of its own that ends with the partition's work. Whatever
// becomes of them, delivery goes on.
type followers struct {
	consumers []*outcome.Consumer
	// ensure, when not nil, makes the stream of outcome events.
	ensure func(ctx context.Context) error
	// maintain, when not nil, does what one worker does for the index of items of all.
	maintain  func(ctx context.Context, lease ledger.Lease)
	senders   []func(ctx context.Context) // each posts to a webhook until its ctx ends
	outboxLag func(ctx context.Context, consumer string, partitions []int) ([]ledger.OutboxLag, error)

	mu    sync.Mutex
	wakes map[int][]chan struct{} // by partition
}

// start follows a partition until ctx ends. The function returned waits for the end.
func (f *followers) start(ctx context.Context, lease ledger.Lease) (wait func()) {
	wakes := make([]chan struct{}, len(f.consumers))
	var running sync.WaitGroup
	for i, consumer := range f.consumers {
		wakes[i] = make(chan struct{}, 1)
		running.Go(func() { consumer.Follow(ctx, lease, wakes[i]) })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wakes == nil {
		f.wakes = map[int][]chan struct{}{}
	}
	f.wakes[lease.Partition] = wakes
	return func() {
		running.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.wakes, lease.Partition)
	}
}

// committed wakes the consumers of a partition: something may have become final.
func (f *followers) committed(partition int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, wake := range f.wakes[partition] {
		select {
		case wake <- struct{}{}:
		default: // it looks anyway
		}
	}
}

func (f *followers) partitions() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]int, 0, len(f.wakes))
	for partition := range f.wakes {
		list = append(list, partition)
	}
	slices.Sort(list)
	return list
}

// lagInterval is how often it is counted how far the consumers are behind.
const lagInterval = 15 * time.Second

// watchOutbox counts how far the consumers are behind, until ctx ends.
func (w *worker) watchOutbox(ctx context.Context) {
	again := time.NewTicker(lagInterval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		var states []telemetry.OutboxState
		for _, consumer := range w.followers.consumers {
			call, cancel := context.WithTimeout(ctx, lagInterval)
			lags, err := w.followers.outboxLag(call, consumer.Name, w.followers.partitions())
			cancel()
			if err != nil {
				if ctx.Err() == nil {
					w.log.DebugContext(ctx, "how far a consumer of the outbox is behind could not be counted", slog.String("consumer", consumer.Name), slog.Any("error", err))
				}
				continue
			}
			states = append(states, outboxState(consumer.Name, lags, time.Now()))
		}
		w.observer.behind(states)
	}
}

func outboxState(consumer string, lags []ledger.OutboxLag, now time.Time) telemetry.OutboxState {
	state := telemetry.OutboxState{Consumer: consumer}
	for _, l := range lags {
		state.Rows += l.Rows
		if !l.Oldest.IsZero() {
			state.Lag = max(state.Lag, now.Sub(l.Oldest))
		}
	}
	return state
}
