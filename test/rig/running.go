package rig

import (
	"context"
	"fmt"

	"github.com/catalog-courier/catalog-courier/service"
)

// Running is a worker that runs in this process.
type Running struct {
	Name string

	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done
}

// run runs a worker until Stop, or until ctx ends. Its telemetry stays the caller's.
func run(ctx context.Context, options service.Options) *Running {
	ctx, cancel := context.WithCancel(ctx)
	r := &Running{Name: options.Name, cancel: cancel, done: make(chan struct{})}
	go func() { // ends with Run; Stop waits for it
		defer close(r.done)
		r.err = service.Run(ctx, options)
	}()
	return r
}

// Done is closed when the worker has returned.
func (r *Running) Done() <-chan struct{} { return r.done }

// Ended reports whether the worker has returned.
func (r *Running) Ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Stop has the worker drain and waits until it has returned; the error says how.
func (r *Running) Stop() error {
	r.cancel()
	<-r.done
	if r.err != nil {
		return fmt.Errorf("worker %s: %w", r.Name, r.err)
	}
	return nil
}
