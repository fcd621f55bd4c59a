package service

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// retryWithNotice repeats call with growing pauses until it works, ctx ends or the
// error is permanent; notice hears of each failure.
func retryWithNotice(ctx context.Context, call func(context.Context) error, notice backoff.Notify) error {
	policy := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(200*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0), // a worker waits for what it needs as long as it takes
	)
	return backoff.RetryNotify(func() error {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return call(limited)
	}, backoff.WithContext(policy, ctx), notice)
}
