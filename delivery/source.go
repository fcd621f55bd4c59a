package delivery

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
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
	// Refused is told of dead letters that were never sent.
	Refused(lane catalog.Lane, reason catalog.Reason, mutations int)
	BatchCut(lane catalog.Lane, records, mutations, bytes int, reason batcher.FlushReason)
	// Submitted and Polled are told of calls; cause is label.None where one worked.
	Submitted(lane catalog.Lane, result label.Post, cause label.Cause, took time.Duration)
	Polled(lane catalog.Lane, result label.Poll, cause label.Cause, took time.Duration)
	Concluded(lane catalog.Lane, c Conclusion)
	// Committed is told of one fenced transaction, how many messages it recorded for the
	// first time, and whether it made some final.
	Committed(partition, recorded int, ends bool, took time.Duration)
	Gauges(partition int, g Gauges)
}

// Conclusion is how a batch ended.
type Conclusion struct {
	// Outcomes and Retries count records. Records that go on in a smaller batch are
	// among the retries only: their outcome is told with that batch.
	Outcomes map[label.Outcome]int
	Retries  map[label.Retry]int
	// DeadLetters counts mutations.
	DeadLetters map[catalog.Reason]int
	Took        time.Duration // since the batch was cut
	// Latencies are the times from publish to final of the mutations that became final.
	Latencies []time.Duration
}

// NopObserver is an Observer that tells nobody.
type NopObserver struct{}

// Received does nothing.
func (NopObserver) Received(int, int, uint64) {}

// Refused does nothing.
func (NopObserver) Refused(catalog.Lane, catalog.Reason, int) {}

// BatchCut does nothing.
func (NopObserver) BatchCut(catalog.Lane, int, int, int, batcher.FlushReason) {}

// Submitted does nothing.
func (NopObserver) Submitted(catalog.Lane, label.Post, label.Cause, time.Duration) {}

// Polled does nothing.
func (NopObserver) Polled(catalog.Lane, label.Poll, label.Cause, time.Duration) {}

// Concluded does nothing.
func (NopObserver) Concluded(catalog.Lane, Conclusion) {}

// Committed does nothing.
func (NopObserver) Committed(int, int, bool, time.Duration) {}

// Gauges does nothing.
func (NopObserver) Gauges(int, Gauges) {}
