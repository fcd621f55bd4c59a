package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrTooSlow says that heartbeats take too long for the lease, or do not get through
// at all: what this worker holds is lost over and over, and makes no progress.
var ErrTooSlow = errors.New("heartbeats are too slow for the lease")

// A heartbeat moves the deadline on from the moment at which it began. So the next
// one must have ended before: two of them, and a little, must fit between.
func (c Config) slowest() time.Duration { return (c.TTL - c.Margin) / 2 }

// needed is the shortest TTL with which heartbeats that take as long could do, with
// some room.
func (c Config) needed(took time.Duration) time.Duration {
	return (3 * took).Round(100 * time.Millisecond)
}

// ErrCannotShare says that heartbeats get through, but partitions cannot be taken or
// handed over: nobody works them.
var ErrCannotShare = errors.New("partitions cannot be taken or handed over")

// sharingLimit is how long sharing the partitions may fail until the worker is unwell.
const sharingLimit = time.Minute

// sharing is since when sharing the partitions has failed each time, and why.
type sharing struct {
	since, warned time.Time
	why           error
}

// noteSharing notes how a round of taking and handing over ended. One that fails is
// repeated at each heartbeat, so that only the first and one a minute is logged.
func (k *Manager) noteSharing(ctx context.Context, began time.Time, failure error) {
	const pause = time.Minute
	k.mu.Lock()
	if failure == nil {
		k.sharing = sharing{}
		k.mu.Unlock()
		return
	}
	if k.sharing.why == nil {
		k.sharing.since = began
	}
	k.sharing.why = failure
	warn := k.sharing.warned.IsZero() || time.Since(k.sharing.warned) >= pause
	if warn {
		k.sharing.warned = time.Now()
	}
	since := k.sharing.since
	k.mu.Unlock()
	if warn {
		k.config.Logger.WarnContext(ctx, "taking partitions or handing them over failed, it is tried again",
			slog.Any("worker", k.me), slog.Duration("failing_for", time.Since(since).Round(time.Second)), slog.Any("error", failure))
	}
}

// health is how the heartbeats do.
type health struct {
	began  time.Time     // when the last confirmed heartbeat began; Run's start before the first
	took   time.Duration // how long it took
	warned time.Time
}

// Healthy is ErrTooSlow, with what to do, while heartbeats take longer than the lease
// allows or none got through within TTL; ErrCannotShare when partitions could be neither
// taken nor handed over for a minute; nil before Run.
func (k *Manager) Healthy() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	silent := time.Since(k.health.began)
	switch {
	case k.health.began.IsZero():
		return nil
	case k.health.took > k.config.slowest():
		return fmt.Errorf("%w: one takes %s, and worker.lease_ttl of %s allows %s; make commits of the database faster, or raise worker.lease_ttl to %s on all workers",
			ErrTooSlow, k.health.took.Round(time.Millisecond), k.config.TTL, k.config.slowest(), k.config.needed(k.health.took))
	case silent > k.config.TTL:
		return fmt.Errorf("%w: none got through for %s, and worker.lease_ttl is %s", ErrTooSlow, silent.Round(time.Millisecond), k.config.TTL)
	case k.sharing.why != nil && time.Since(k.sharing.since) > sharingLimit:
		return fmt.Errorf("%w for %s: %w", ErrCannotShare, time.Since(k.sharing.since).Round(time.Second), k.sharing.why)
	default:
		return nil
	}
}

// noteHeartbeat notes one that got through, or failed after as long.
func (k *Manager) noteHeartbeat(ctx context.Context, start time.Time, confirmed bool) {
	const pause = time.Minute
	k.mu.Lock()
	took := time.Since(start)
	if confirmed {
		k.health.took = took
	} else {
		k.health.took = max(k.health.took, took)
	}
	late := took > k.config.slowest()
	warn := late && time.Since(k.health.warned) > pause
	if warn {
		k.health.warned = time.Now()
	}
	k.mu.Unlock()
	if warn {
		k.config.Logger.ErrorContext(ctx, "heartbeats take longer than the lease allows: partitions are lost and make no progress; make commits of the database faster, or raise worker.lease_ttl on all workers",
			slog.Duration("took", took), slog.Duration("allowed", k.config.slowest()), slog.Duration("lease_ttl", k.config.TTL),
			slog.Duration("needed", k.config.needed(took)))
	}
}
