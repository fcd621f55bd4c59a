package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/clock"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

const (
	// clockInterval is how often the database is asked for the time, and clockGlance
	// how often the own clock is compared with what the database's must say by now.
	clockInterval = 10 * time.Second
	clockGlance   = time.Second
	// streamClockEvery is how many looks at the database's clock there are for one at
	// the broker's.
	streamClockEvery = 6
)

// clocks compare this worker's clock with the database's. While they differ by more
// than clock.Limit the worker stands aside. The broker's clock is looked at too, but
// nothing goes by it alone, so that it is only told of.
type clocks struct {
	watch *clock.Watch
	log   *slog.Logger
	// ask looks at the broker's clock; nil: there is none.
	broker clock.Source

	wrong       bool // as was logged; the run's own
	brokerWrong bool // as was logged; the run's own
	looks       int  // the run's own
	brokerAhead atomic.Int64
	brokerKnown atomic.Bool
}

func newClocks(database clock.Source, logger *slog.Logger) *clocks {
	return &clocks{watch: clock.NewWatch(database), log: logger}
}

// fit reports whether the worker may work.
func (c *clocks) fit() bool { return c == nil || c.watch.Check() == nil }

// check is what readiness shows.
func (c *clocks) check(context.Context) error { return c.watch.Check() }

// run looks at the clocks until ctx ends.
func (c *clocks) run(ctx context.Context) {
	glance := time.NewTicker(clockGlance)
	defer glance.Stop()
	for since := clockInterval; ; since += clockGlance {
		if since >= clockInterval || c.watch.Check() != nil {
			since = 0
			c.look(ctx)
		}
		c.tell(ctx)
		select {
		case <-glance.C:
		case <-ctx.Done():
			return
		}
	}
}

// look asks the other clocks. What cannot be asked leaves what is known: readiness
// tells of a database or a broker that is away.
func (c *clocks) look(ctx context.Context) {
	if _, err := c.watch.Look(ctx); err != nil && ctx.Err() == nil {
		c.log.DebugContext(ctx, "the database did not say what time it is", slog.Any("error", err))
	}
	if c.looks++; c.broker == nil || c.looks%streamClockEvery != 1 {
		return
	}
	reading, err := clock.Read(ctx, c.broker)
	if err != nil || reading.Theirs.IsZero() {
		return
	}
	c.brokerAhead.Store(int64(-reading.Ahead()))
	c.brokerKnown.Store(true)
	if wrong := reading.Check() != nil; wrong != c.brokerWrong {
		c.brokerWrong = wrong
		if wrong {
			c.log.ErrorContext(ctx, "the clock of NATS differs from this worker's: the stream is not trimmed by age while it does; set the wrong one",
				slog.Time("nats_clock", reading.Theirs.UTC()), slog.Time("worker_clock", reading.Mine.UTC()))
		} else {
			c.log.InfoContext(ctx, "the clocks of NATS and of this worker agree again")
		}
	}
}

// tell logs each change once.
func (c *clocks) tell(ctx context.Context) {
	reading, ok := c.watch.Now()
	if !ok {
		return
	}
	err := reading.Check()
	if wrong := err != nil; wrong == c.wrong {
		return
	} else if c.wrong = wrong; !wrong {
		c.log.InfoContext(ctx, "the clocks of this worker and of the database agree again")
		return
	}
	c.log.ErrorContext(ctx, "the clocks of this worker and of the database differ: it takes no partitions and hands over what it has, "+
		"and nothing old is dropped; set the wrong one (NTP)",
		slog.Time("worker_clock", reading.Mine.UTC()), slog.Time("database_clock", reading.Theirs.UTC()),
		slog.Duration("ahead", reading.Ahead().Round(time.Millisecond)), slog.Duration("limit", clock.Limit))
}

// errClocksDiffer says that nothing may be decided by a time now.
var errClocksDiffer = errors.New("the clocks differ")

// trimTime is the earliest of all clocks, by which the fewest messages are old.
// errClocksDiffer says that they differ by more than clock.Limit: then no message is
// known to be old.
func trimTime(clocks map[string]time.Time) (time.Time, error) {
	var earliest, latest time.Time
	for _, at := range clocks {
		if earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
		if at.After(latest) {
			latest = at
		}
	}
	if latest.Sub(earliest) <= clock.Limit {
		return earliest, nil
	}
	err := errClocksDiffer
	for name, at := range clocks {
		err = fmt.Errorf("%w; %s: %s", err, name, at.UTC().Format(time.RFC3339))
	}
	return time.Time{}, err
}

// gauges are by how far the other clocks are ahead of this worker's.
func (c *clocks) gauges() []telemetry.ClockState {
	var states []telemetry.ClockState
	if reading, ok := c.watch.Now(); ok {
		states = append(states, telemetry.ClockState{Of: label.Database, Ahead: -reading.Ahead()})
	}
	if c.brokerKnown.Load() {
		states = append(states, telemetry.ClockState{Of: label.NATS, Ahead: time.Duration(c.brokerAhead.Load())})
	}
	return states
}
