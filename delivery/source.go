package delivery

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
)

// Source reads one partition of the stream from its position on.
type Source interface {
	// Next blocks until there is at least one arrival. Arrivals come in stream
	// order, each exactly once.
	Next(ctx context.Context) ([]catalog.Arrival, error)
	// Idle reports the anchor of the stream's last message when nothing of the
	// partition up to it is left to read: everything was returned by Next. It is
	// called between two calls of Next.
	Idle(ctx context.Context) (ledger.Anchor, bool, error)
	// Pending is how many messages of the partition are still to be read.
	Pending(ctx context.Context) (uint64, error)
}

// Observer is told what happens, batch by batch. Its methods are called from the
// goroutines of all engines and must not block.
type Observer interface {
	Received(partition, messages int, pending uint64)
	Refused(lane catalog.Lane, reason catalog.Reason, mutations int)
	BatchCut(lane catalog.Lane, records, mutations, bytes, maxItems int, reason batcher.FlushReason)
	Submitted(lane catalog.Lane, result string, took time.Duration)
	Polled(lane catalog.Lane, result string, took time.Duration)
	// Concluded gives the records by outcome, the time since the batch was cut, and
	// the time from publish to final of each mutation that became final.
	Concluded(lane catalog.Lane, outcomes map[string]int, took time.Duration, latencies []time.Duration)
	// Committed is told of one fenced transaction, and how many messages it recorded
	// for the first time.
	Committed(partition, recorded int, took time.Duration)
	Gauges(partition int, g Gauges)
	Paused(account, reason string, paused bool)
}

// Silent is an Observer that tells nobody.
type Silent struct{}

// Received does nothing.
func (Silent) Received(int, int, uint64) {}

// Refused does nothing.
func (Silent) Refused(catalog.Lane, catalog.Reason, int) {}

// BatchCut does nothing.
func (Silent) BatchCut(catalog.Lane, int, int, int, int, batcher.FlushReason) {}

// Submitted does nothing.
func (Silent) Submitted(catalog.Lane, string, time.Duration) {}

// Polled does nothing.
func (Silent) Polled(catalog.Lane, string, time.Duration) {}

// Concluded does nothing.
func (Silent) Concluded(catalog.Lane, map[string]int, time.Duration, []time.Duration) {}

// Committed does nothing.
func (Silent) Committed(int, int, time.Duration) {}

// Gauges does nothing.
func (Silent) Gauges(int, Gauges) {}

// Paused does nothing.
func (Silent) Paused(string, string, bool) {}
