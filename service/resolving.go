package service

import (
	"context"
	"log/slog"
	"time"
)

const (
	// resolveInterval is how often it is looked which dead letters are resolved, and
	// resolvePage how many are looked at together. A look goes on where the last one ended
	// and takes about resolveBudget at most: with very many open letters some are noted
	// minutes later, and the database has a twentieth of one core's work from it.
	resolveInterval = 10 * time.Second
	resolvePage     = 100
	resolveBudget   = 500 * time.Millisecond
)

// resolve notes which open dead letters below an id, 0 for the newest, have a newer change
// of their item that succeeded, and returns where the next look goes on.
func (w *worker) resolve(ctx context.Context, before int64) (next int64) {
	if w.deps.Resolve == nil {
		return 0
	}
	budget := time.NewTimer(resolveBudget)
	defer budget.Stop()
	for {
		page, cancel := context.WithTimeout(ctx, maintenanceTimeout)
		next, err := w.deps.Resolve(page, before)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				w.log.WarnContext(ctx, "it could not be looked which dead letters are resolved; it is tried again", slog.Any("error", err))
			}
			return before
		}
		if before = next; next == 0 {
			return 0
		}
		select {
		case <-budget.C:
			return before
		case <-ctx.Done():
			return before
		default:
		}
	}
}
