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

// consumers are those of the outbox. Each works behind every partition that this worker owns,
// in a goroutine of its own that ends with the partition's work. Whatever becomes of them,
// delivery goes on.
type consumers struct {
	all []*outcome.Consumer
	// ensure, when not nil, makes the stream of outcome events.
	ensure func(ctx context.Context) error
	// maintain, when not nil, does what one worker does for the index of items of all.
	maintain  func(ctx context.Context, lease ledger.Lease)
	senders   []func(ctx context.Context) // each posts to a webhook until its ctx ends
	outboxLag func(ctx context.Context, consumer string, partitions []int) ([]ledger.OutboxLag, error)

	mu    sync.Mutex
	wakes map[int][]chan struct{} // by partition
}

// start has each consumer follow a partition until ctx ends. The function returned waits for
// the end.
func (c *consumers) start(ctx context.Context, lease ledger.Lease) (wait func()) {
	wakes := make([]chan struct{}, len(c.all))
	var running sync.WaitGroup
	for i, consumer := range c.all {
		wakes[i] = make(chan struct{}, 1)
		running.Go(func() { consumer.Follow(ctx, lease, wakes[i]) })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wakes == nil {
		c.wakes = map[int][]chan struct{}{}
	}
	c.wakes[lease.Partition] = wakes
	return func() {
		running.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.wakes, lease.Partition)
	}
}

// committed wakes the consumers of a partition: something may have become final.
func (c *consumers) committed(partition int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wake := range c.wakes[partition] {
		select {
		case wake <- struct{}{}:
		default: // it looks anyway
		}
	}
}

func (c *consumers) partitions() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]int, 0, len(c.wakes))
	for partition := range c.wakes {
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
		for _, consumer := range w.consumers.all {
			call, cancel := context.WithTimeout(ctx, lagInterval)
			lags, err := w.consumers.outboxLag(call, consumer.Name, w.consumers.partitions())
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
