package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
)

// The attributes of measurements. Each takes few values: an account, a platform
// or a scope comes from the configuration, the others from closed sets. An item,
// a mutation or a handle never becomes one.
const (
	AccountKey   = attribute.Key("courier.account")
	PlatformKey  = attribute.Key("courier.platform")
	TypeKey      = attribute.Key("courier.catalog_type")
	PartitionKey = attribute.Key("courier.partition")
	ScopeKey     = attribute.Key("courier.quota.scope")
	ReasonKey    = attribute.Key("courier.reason")
	ResultKey    = attribute.Key("courier.result")
	CauseKey     = attribute.Key("courier.cause")
	StateKey     = attribute.Key("courier.state")
	ClockKey     = attribute.Key("courier.clock")
	StatusKey    = attribute.Key("courier.status")
	ConsumerKey  = attribute.Key("courier.consumer")
)

// Where says which way out a measurement is about.
type Where struct {
	Account  string
	Platform string // by its name in the configuration
	Type     catalog.Type
}

func (w Where) attributes(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more,
		AccountKey.String(w.Account), PlatformKey.String(w.Platform), TypeKey.String(string(w.Type)))...))
}

// anyAccount leaves the account out. Durations and sizes are kept for each platform
// and type only: each histogram has twenty series, and there may be ten thousand
// accounts. Counters and gauges tell accounts apart, and the views every change.
func (w Where) anyAccount(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more,
		PlatformKey.String(w.Platform), TypeKey.String(string(w.Type)))...))
}

// Instruments are all measurements of a worker. Its methods are called per batch,
// not per item. A nil *Instruments measures nothing.
type Instruments struct {
	received       metric.Int64Counter
	recorded       metric.Int64Counter
	recordDuration metric.Float64Histogram
	batchItems     metric.Int64Histogram
	batchBytes     metric.Int64Histogram
	batchMutations metric.Int64Counter
	posts          metric.Int64Counter
	postDuration   metric.Float64Histogram
	polls          metric.Int64Counter
	pollDuration   metric.Float64Histogram
	batchDuration  metric.Float64Histogram
	outcomes       metric.Int64Counter
	finalLatency   metric.Float64Histogram
	retries        metric.Int64Counter
	deadLetters    metric.Int64Counter
	lettersDropped metric.Int64Counter
	leaseChanges   metric.Int64Counter
	reloads        metric.Int64Counter
	events         metric.Int64Counter
	eventFailures  metric.Int64Counter
	gauges         gauges
}

var (
	// short suits calls and transactions.
	short = metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
	// long suits what takes as long as a platform does.
	long = metric.WithExplicitBucketBoundaries(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
)

// NewInstruments declares the measurements: names, units, descriptions.
func NewInstruments(meter metric.Meter) (*Instruments, error) {
	d := &declaration{meter: meter}
	i := declare(d)
	return i, d.err
}

func declare(d *declaration) *Instruments {
	i := &Instruments{
		received:       d.counter("courier.mutations.received", "{mutation}", "Mutations read from the stream.", ofPartition...),
		recorded:       d.counter("courier.mutations.recorded", "{mutation}", "Mutations whose row is committed."),
		recordDuration: d.seconds("courier.record.duration", "Time of one fenced transaction.", short),
		batchItems:     d.histogram("courier.batch.items", "{item}", "Records in a batch when it was cut.", with(ofPlatform, ofCuts), 1, 2, 5, 10, 25, 50, 100, 250, 500, 900, 1000, 2000, 2900, 3000, 4000, 5000),
		batchBytes:     d.histogram("courier.batch.size", "By", "Bytes of a batch's body.", with(ofPlatform, ofCuts), 1e3, 1e4, 5e4, 1e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 2.8e7),
		batchMutations: d.counter("courier.batch.mutations", "{mutation}", "Mutations carried by batches, merged ones included.", with(ofLane, ofCuts)...),
		posts:          d.counter("courier.posts", "{request}", "POSTs.", with(ofLane, ofPosts, ofCauses)...),
		postDuration:   d.seconds("courier.post.duration", "Time of one POST.", short, with(ofPlatform, ofPosts)...),
		polls:          d.counter("courier.polls", "{request}", "Polls of handles.", with(ofLane, ofPolls, ofCauses)...),
		pollDuration:   d.seconds("courier.poll.duration", "Time of one poll of a handle.", short, with(ofPlatform, ofPolls)...),
		batchDuration:  d.seconds("courier.batch.duration", "Time from a batch's being cut to its end.", long, ofPlatform...),
		outcomes:       d.counter("courier.outcomes", "{record}", "Records of finished batches, by what became of them.", with(ofLane, ofOutcomes)...),
		finalLatency:   d.seconds("courier.mutation.latency", "Time from publishing to the final status.", long, ofPlatform...),
		retries:        d.counter("courier.retries", "{record}", "Records sent again.", with(ofLane, ofRetries)...),
		deadLetters:    d.counter("courier.dead_letters", "{mutation}", "Mutations that will not be sent again automatically.", tag{key: AccountKey}, ofLetters),
		lettersDropped: d.counter("courier.dead_letters.dropped", "{mutation}", "Dead letters whose messages were dropped, as their account's took more than they may.", tag{key: AccountKey}),
		leaseChanges:   d.counter("courier.lease.changes", "{lease}", "Partitions that changed owner.", ofLeases),
		reloads:        d.counter("courier.config.reloads", "{reload}", "How often the worker read its configuration again.", ofReloads),
		events:         d.counter("courier.events.published", "{event}", "Outcome events that the stream acknowledged.", ofStatuses),
		eventFailures:  d.counter("courier.events.failures", "{attempt}", "Attempts to pass on outcomes that failed and are repeated.", ofConsumers...),
	}
	i.gauges.declare(d)
	return i
}

// Received counts mutations read from the stream.
func (i *Instruments) Received(ctx context.Context, partition, mutations int) {
	if i == nil {
		return
	}
	i.received.Add(ctx, int64(mutations), metric.WithAttributes(PartitionKey.Int(partition)))
}

// Recorded measures one fenced transaction and counts the mutations in it.
func (i *Instruments) Recorded(ctx context.Context, mutations int, took time.Duration) {
	if i == nil {
		return
	}
	i.recorded.Add(ctx, int64(mutations))
	i.recordDuration.Record(ctx, took.Seconds())
}

// Cut measures a batch when it is cut.
func (i *Instruments) Cut(ctx context.Context, where Where, reason label.Cut, records, mutations, bytes int) {
	if i == nil {
		return
	}
	cut := ReasonKey.String(string(reason))
	size := where.anyAccount(cut)
	i.batchItems.Record(ctx, int64(records), size)
	i.batchBytes.Record(ctx, int64(bytes), size)
	i.batchMutations.Add(ctx, int64(mutations), where.attributes(cut))
}

// Posted measures one POST.
func (i *Instruments) Posted(ctx context.Context, where Where, result label.Post, cause label.Cause, took time.Duration) {
	if i == nil {
		return
	}
	ended := ResultKey.String(string(result))
	i.posts.Add(ctx, 1, where.attributes(ended, CauseKey.String(string(cause))))
	i.postDuration.Record(ctx, took.Seconds(), where.anyAccount(ended))
}

// Polled measures one poll of a handle.
func (i *Instruments) Polled(ctx context.Context, where Where, result label.Poll, cause label.Cause, took time.Duration) {
	if i == nil {
		return
	}
	ended := ResultKey.String(string(result))
	i.polls.Add(ctx, 1, where.attributes(ended, CauseKey.String(string(cause))))
	i.pollDuration.Record(ctx, took.Seconds(), where.anyAccount(ended))
}

// Finished is what became of the records of one batch.
type Finished struct {
	Took     time.Duration // since the batch was cut; 0 when not known
	Outcomes map[label.Outcome]int
	// Latencies are, for the mutations that are final now, the times since they were
	// published.
	Latencies []time.Duration
}

// Ended measures a batch that is final.
func (i *Instruments) Ended(ctx context.Context, where Where, f Finished) {
	if i == nil {
		return
	}
	plain := where.anyAccount()
	if f.Took > 0 {
		i.batchDuration.Record(ctx, f.Took.Seconds(), plain)
	}
	once := []metric.RecordOption{plain} // one slice for all, of which there may be thousands
	for _, latency := range f.Latencies {
		i.finalLatency.Record(ctx, latency.Seconds(), once...)
	}
	for outcome, records := range f.Outcomes {
		i.outcomes.Add(ctx, int64(records), where.attributes(ResultKey.String(string(outcome))))
	}
}

// Retried counts records that are sent again.
func (i *Instruments) Retried(ctx context.Context, where Where, reason label.Retry, records int) {
	if i == nil {
		return
	}
	i.retries.Add(ctx, int64(records), where.attributes(ReasonKey.String(string(reason))))
}

// DeadLettered counts mutations that became dead letters.
func (i *Instruments) DeadLettered(ctx context.Context, account string, reason catalog.Reason, mutations int) {
	if i == nil {
		return
	}
	i.deadLetters.Add(ctx, int64(mutations), metric.WithAttributes(AccountKey.String(account), ReasonKey.String(string(reason))))
}

// DroppedLetters counts dead letters whose messages were dropped.
func (i *Instruments) DroppedLetters(ctx context.Context, account string, letters int) {
	if i == nil {
		return
	}
	i.lettersDropped.Add(ctx, int64(letters), metric.WithAttributes(AccountKey.String(account)))
}

// Reloaded counts what came of reading the configuration again.
func (i *Instruments) Reloaded(ctx context.Context, result label.Reload) {
	if i == nil {
		return
	}
	i.reloads.Add(ctx, 1, metric.WithAttributes(ResultKey.String(string(result))))
}

// LeaseChanged counts a lease.
func (i *Instruments) LeaseChanged(ctx context.Context, change label.Lease) {
	if i == nil {
		return
	}
	i.leaseChanges.Add(ctx, 1, metric.WithAttributes(StateKey.String(string(change))))
}

// PublishedEvents counts outcome events that were acknowledged.
func (i *Instruments) PublishedEvents(ctx context.Context, status label.Status, events int) {
	if i == nil {
		return
	}
	i.events.Add(ctx, int64(events), metric.WithAttributes(StatusKey.String(string(status))))
}

// EventsFailed counts an attempt of a consumer of the outbox that failed.
func (i *Instruments) EventsFailed(ctx context.Context, consumer string) {
	if i == nil {
		return
	}
	i.eventFailures.Add(ctx, 1, metric.WithAttributes(ConsumerKey.String(consumer)))
}
