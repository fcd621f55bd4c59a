// Package sleep waits no longer than a context lasts.
package sleep

import (
	"context"
	"time"
)

// For waits so long. The error is the context's, when that ends first.
func For(ctx context.Context, d time.Duration) error { return UntilWoken(ctx, nil, d) }

// UntilWoken waits for wake, at most so long. The error is the context's, when that ends first.
func UntilWoken(ctx context.Context, wake <-chan struct{}, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
	return ctx.Err()
}
