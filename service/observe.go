package service

import (
	"context"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/quota"
)

// observer turns what the engines tell into measurements.
type observer struct {
	// nowhere is the context of measurements: they take one to find the span they
	// belong to, and none of these belongs to one. It has nothing to look through.
	nowhere     context.Context //nolint:containedctx // see above
	instruments *telemetry.Instruments

	mu         sync.Mutex
	partitions map[int]partitionGauges
	scopes     *quota.Scopes // nil until the worker has them
	clocks     *clocks       // nil: there is no other clock
	config     *config.Config
	platforms  map[string]string // of accounts, those included that were removed
	reload     telemetry.ConfigState
	stream     telemetry.StreamState
	outbox     []telemetry.OutboxState
	// committed, when not nil, is told of each partition with a new transaction.
	committed func(partition int)
}

type partitionGauges struct {
	delivery.Gauges
	pending uint64
	reader  Reader
	// failing is since when the partition stops again and again, and why says what was
	// wrong the last time.
	failing time.Time
	why     string
	resumed time.Time // when it was resumed last
}

var _ delivery.Observer = (*observer)(nil)

func newObserver(c *config.Config, instruments *telemetry.Instruments) *observer {
	o := &observer{
		nowhere: context.Background(), instruments: instruments,
		partitions: map[int]partitionGauges{}, platforms: map[string]string{},
	}
	o.serve(c)
	return o
}

// serve names things by another configuration from now on.
func (o *observer) serve(c *config.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.config = c
	for name := range c.Accounts {
		o.platforms[name] = c.Accounts[name].Platform
	}
}

// reloaded tells what came of reading the configuration again.
func (o *observer) reloaded(result label.Reload, fixed int) {
	o.instruments.Reloaded(o.nowhere, result)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reload.Refused = result == label.Refused; !o.reload.Refused {
		o.reload.Fixed = fixed
	}
}

// streamIs shows how full the stream is; the zero value shows nothing.
func (o *observer) streamIs(state queue.LogState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stream = telemetry.StreamState{Bytes: state.Bytes, MaxBytes: state.Limit}
}

func (o *observer) where(lane catalog.Lane) telemetry.Where {
	o.mu.Lock()
	defer o.mu.Unlock()
	return telemetry.Where{Account: lane.Account, Platform: o.platforms[lane.Account], Type: lane.Type}
}

// Received counts messages read.
func (o *observer) Received(partition, messages int, pending uint64) {
	if messages > 0 {
		o.instruments.Received(o.nowhere, partition, messages)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	gauges := o.partitions[partition]
	gauges.pending = pending
	o.partitions[partition] = gauges
}

// Refused counts dead letters that were never sent.
func (o *observer) Refused(lane catalog.Lane, reason catalog.Reason, mutations int) {
	o.instruments.DeadLettered(o.nowhere, o.label(lane.Account), reason, mutations)
}

// label is an account's name, "" for an account that is not configured: producers
// choose those, and they must not become labels.
func (o *observer) label(account string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.config.Accounts[account]; !known {
		return ""
	}
	return account
}

// dropped counts dead letters whose messages were dropped.
func (o *observer) dropped(account string, letters int, _ int64) {
	o.instruments.DroppedLetters(o.nowhere, o.label(account), letters)
}

// BatchCut measures a batch.
func (o *observer) BatchCut(lane catalog.Lane, records, mutations, bytes int, reason batcher.FlushReason) {
	o.instruments.Cut(o.nowhere, o.where(lane), cutLabel(reason), records, mutations, bytes)
}

// Submitted measures a POST.
func (o *observer) Submitted(lane catalog.Lane, result label.Post, cause label.Cause, took time.Duration) {
	o.instruments.Posted(o.nowhere, o.where(lane), result, cause, took)
}

// Polled measures a poll.
func (o *observer) Polled(lane catalog.Lane, result label.Poll, cause label.Cause, took time.Duration) {
	o.instruments.Polled(o.nowhere, o.where(lane), result, cause, took)
}

// Concluded measures the end of a batch.
func (o *observer) Concluded(lane catalog.Lane, c delivery.Conclusion) {
	where := o.where(lane)
	o.instruments.Ended(o.nowhere, where, telemetry.Finished{Took: c.Took, Outcomes: c.Outcomes, Latencies: c.Latencies})
	for reason, records := range c.Retries {
		o.instruments.Retried(o.nowhere, where, reason, records)
	}
	for reason, mutations := range c.DeadLetters {
		o.instruments.DeadLettered(o.nowhere, o.label(lane.Account), reason, mutations)
	}
}

func cutLabel(reason batcher.FlushReason) label.Cut {
	switch reason {
	case batcher.FlushCount:
		return label.Count
	case batcher.FlushBytes:
		return label.Bytes
	case batcher.FlushAge:
	}
	return label.Age
}

// Committed measures a fenced transaction, and tells who follows the outbox of one that wrote
// to it.
func (o *observer) Committed(partition, recorded int, ends bool, took time.Duration) {
	o.instruments.Recorded(o.nowhere, recorded, took)
	o.works(partition)
	if ends && o.committed != nil {
		o.committed(partition)
	}
}

// Gauges keeps an engine's state for the next collection.
func (o *observer) Gauges(partition int, g delivery.Gauges) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauges := o.partitions[partition]
	gauges.Gauges = g
	if g.TroubleSince.IsZero() && !gauges.resumed.IsZero() && time.Since(gauges.resumed) > worksAfter {
		gauges.failing = time.Time{}
	}
	o.partitions[partition] = gauges
}

// reading shows the partition's reader from now on.
func (o *observer) reading(partition int, reader Reader) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauges := o.partitions[partition]
	gauges.reader, gauges.resumed = reader, time.Now()
	o.partitions[partition] = gauges
}

// acquired, lost and released count the leases; released forgets the partition, too.
func (o *observer) acquired() { o.instruments.LeaseChanged(o.nowhere, label.Acquired) }
func (o *observer) lost()     { o.instruments.LeaseChanged(o.nowhere, label.Lost) }

func (o *observer) released(partition int) {
	o.instruments.LeaseChanged(o.nowhere, label.Released)
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.partitions, partition)
}

// watch shows the scopes from now on.
func (o *observer) watch(scopes *quota.Scopes) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scopes = scopes
}

// compare shows how far the clocks differ from now on.
func (o *observer) compare(clocks *clocks) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clocks = clocks
}

// behind shows how far the consumers of the outbox are behind.
func (o *observer) behind(states []telemetry.OutboxState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outbox = states
}

// snapshot is what the gauges show.
func (o *observer) snapshot() telemetry.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := telemetry.Snapshot{Config: o.reload, Stream: o.stream}
	for partition, g := range o.partitions {
		state := telemetry.PartitionState{Partition: partition, Lag: g.pending, Position: g.Position}
		if g.reader != nil {
			state.Restarts = g.reader.Restarts()
		}
		s.Partitions = append(s.Partitions, state)
		s.OpenGroups += g.Groups
		s.WaitingItems += g.Waiting
		s.WaitingBytes += int64(g.WaitingSize)
		for _, account := range g.Accounts {
			s.Accounts = append(s.Accounts, telemetry.AccountState{
				Account: account.Account, Platform: account.Platform, Paused: account.Paused,
				InFlight: account.OpenBatches, Waiting: account.Waiting, Ambiguous: account.Ambiguous,
				OldestHandle: account.OldestHandle, OldestWaiting: account.OldestWaiting,
				Breaker: account.Breaker.String(), Calls: account.Calls, Concurrency: account.Concurrency, Held: account.Held,
			})
		}
	}
	s.Outbox = o.outbox
	if o.clocks != nil {
		s.Clocks = o.clocks.gauges()
	}
	if o.scopes == nil {
		return s
	}
	for _, scope := range o.scopes.Gauges() {
		s.Quotas = append(s.Quotas, telemetry.QuotaState{
			Scope: scope.Scope, UsedPercent: scope.UsedPercent, Remaining: scope.Remaining, Blocked: scope.Blocked,
		})
	}
	return s
}
