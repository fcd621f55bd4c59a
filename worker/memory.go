package worker

import (
	"os"
	"runtime/debug"

	"github.com/catalog-courier/catalog-courier/config"
)

const (
	// collectAt is the growth in percent after which garbage is collected. Go's 100
	// saves memory at the cost of a quarter of all processor time here: messages live
	// shortly, and there are many.
	collectAt = 400
	// besides is what a worker needs for everything but waiting mutations.
	besides = 512 << 20
)

// TuneCollector trades memory for processor time in a process that runs a worker,
// within a soft limit that grows with the worker's own: garbage may fill what the
// waiting mutations leave free. GOGC and GOMEMLIMIT go before.
func TuneCollector(settings config.Worker) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*settings.MemoryLimit + besides)
	}
}
