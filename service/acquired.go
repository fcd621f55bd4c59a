package service

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// settling is how long no partition must be acquired before a worker says how many it has:
// one line for all instead of one for each.
const settling = 300 * time.Millisecond

// acquired counts the partitions that a worker works.
type acquired struct {
	log     *slog.Logger
	of      int
	held    atomic.Int64
	settled *time.Timer // since the last one
	working func()      // nil when it was called
}

func (w *worker) newAcquired(working func()) *acquired {
	a := &acquired{log: w.log, of: w.config.NATS.Partitions, settled: time.NewTimer(settling), working: working}
	a.settled.Stop()
	return a
}

func (a *acquired) one() {
	a.held.Add(1)
	a.settled.Reset(settling)
}

func (a *acquired) tell(ctx context.Context) {
	a.log.InfoContext(ctx, "partitions acquired", slog.Int64("held", a.held.Load()), slog.Int("of", a.of))
	if a.working != nil {
		a.working()
		a.working = nil
	}
}
