package service

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
)

const (
	// collectAt is the growth in percent after which garbage is collected. Go's 100
	// saves memory at the cost of a fifth of all processor time here: messages live
	// shortly, and there are many.
	collectAt = 400
	// atRest is the soft limit of a worker's own process that has no open batches,
	// however much waits: that is in the database.
	atRest = 144 << 20
	// garbagePerOpen is how much the limit grows with each byte in open batches: under
	// load memory buys processor time, and then only.
	garbagePerOpen = 4
	// overLive is how much memory there is at least over the live heap: a limit near to
	// that has the collector run all the time.
	overLive = 64 << 20
	// limitInterval is how often the limit follows.
	limitInterval = 500 * time.Millisecond
)

// TuneCollector trades memory for processor time in a process that does more than to
// run a worker, within a soft limit that leaves room, in bytes, for what it does
// besides. A worker with Options.OwnProcess does it for itself, with a limit that
// follows the load. GOGC and GOMEMLIMIT go before.
func TuneCollector(settings config.Worker, besides int64) {
	collectRarely()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*settings.MemoryLimit + besides)
	}
}

func collectRarely() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// limitMemory has the process's soft limit follow what is being delivered, until ctx
// ends. GOMEMLIMIT overrides it.
func limitMemory(ctx context.Context, budget *delivery.Budget) {
	collectRarely()
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ticker := time.NewTicker(limitInterval)
	defer ticker.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var limit int64
	for {
		// Setting it stops the world for a moment: small changes are not worth it.
		metrics.Read(live)
		if wanted := memoryLimit(budget.Open(), live[0].Value.Uint64()); wanted > limit+limit/8 || wanted < limit-limit/8 {
			limit = wanted
			debug.SetMemoryLimit(limit)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// memoryLimit is the soft limit with so many bytes in open batches and live at the
// last collection.
func memoryLimit(open int64, live uint64) int64 {
	return max(atRest+garbagePerOpen*open, int64(min(live, 1<<40))+overLive)
}
