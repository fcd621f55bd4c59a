package delivery

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// spread is a share of d by which things that would happen at the same time are
// spread, from 0 to all of it.
func (c *Config) spread(d time.Duration) time.Duration {
	return time.Duration(c.Random() * float64(d))
}

// spreadBackOff lets each pause last between a half and one and a half of what its
// schedule says.
type spreadBackOff struct {
	backoff.BackOff
	cfg *Config
}

// NextBackOff implements backoff.BackOff.
func (s spreadBackOff) NextBackOff() time.Duration {
	pause := s.BackOff.NextBackOff()
	if pause == backoff.Stop {
		return pause
	}
	return pause/2 + s.cfg.spread(pause)
}

// backOff is an exponential schedule without an end.
func (c *Config) backOff(first, longest time.Duration) backoff.BackOff {
	return spreadBackOff{cfg: c, BackOff: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first), backoff.WithMaxInterval(longest),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0),
	)}
}
