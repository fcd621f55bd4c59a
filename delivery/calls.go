package delivery

import (
	"context"
	"sync"
)

// calls are the goroutines beside the loop, and the way back from them. All methods are
// safe for concurrent use.
type calls struct {
	events  chan func() // for the loop to run, in their order
	wake    chan struct{}
	running sync.WaitGroup
	ctx     context.Context //nolint:containedctx // the life of the engine's own goroutines, set once by Run
}

func newCalls() *calls {
	return &calls{events: make(chan func(), 64), wake: make(chan struct{}, 1)}
}

// report hands the loop a function to run.
func (c *calls) report(ctx context.Context, event func()) {
	select {
	case c.events <- event:
	case <-ctx.Done():
	}
}

// wakeUp makes the loop look for work again.
func (c *calls) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
