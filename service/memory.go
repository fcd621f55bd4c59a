package service

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

const (
	// collectAt is the growth in percent after which garbage is collected. Go's 100
	// saves memory at the cost of a fifth of all processor time here: messages live
	// shortly, and there are many.
	collectAt = 400
	// atRest is the soft limit of a worker's own process that has little in memory, however
	// much waits: that is in the database.
	atRest = 144 << 20
	// garbageShare is how much garbage there is beside what is live, as a part of it: more would
	// save a few percent of processor time, and less costs more for each MiB.
	garbageShare = 0.5
	// overLive is how much room there is at least for garbage: a limit near to what is
	// used has the collector run all the time.
	overLive = 64 << 20
	// limitInterval is how often the limit follows.
	limitInterval = 250 * time.Millisecond
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

// limitMemory has the process's soft limit follow what is live, until ctx ends. GOMEMLIMIT
// overrides it.
func limitMemory(ctx context.Context) {
	collectRarely()
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ticker := time.NewTicker(limitInterval)
	defer ticker.Stop()
	usage := newUsage()
	var limit int64
	for {
		// Setting it stops the world for a moment: small changes are not worth it.
		usage.read()
		if wanted := memoryLimit(usage.live(), usage.besides()); wanted > limit+limit/8 || wanted < limit-limit/8 {
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

// usage is what the process's memory is used for, as the runtime counts it.
type usage []metrics.Sample

func newUsage() usage {
	return usage{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
}

func (u usage) read() { metrics.Read(u) }

// bytes is a value of the runtime's, which is never near to the largest int64.
func (u usage) bytes(i int) int64 { return int64(min(u[i].Value.Uint64(), 1<<40)) }

// live is what the last collection left, in bytes.
func (u usage) live() int64 { return u.bytes(0) }

// besides is what the limit counts beside objects and free memory, in bytes: stacks, gaps
// between objects, and what the runtime itself needs.
func (u usage) besides() int64 {
	return max(u.bytes(1)-u.bytes(2)-u.bytes(3)-u.bytes(4), 0)
}

// memoryLimit is the soft limit with so many bytes live at the last collection, and besides the
// heap.
func memoryLimit(live, besides int64) int64 {
	garbage := max(int64(garbageShare*float64(live)), overLive)
	return max(atRest, live+besides+garbage)
}
