package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/catalog-courier/catalog-courier/internal/label"
)

// Snapshot is the state of a worker at one moment, read when metrics are
// collected.
type Snapshot struct {
	Partitions []PartitionState // those the worker owns
	Accounts   []AccountState
	Quotas     []QuotaState
	OpenGroups int
	// WaitingItems and WaitingBytes are held in memory.
	WaitingItems int
	WaitingBytes int64
	Clocks       []ClockState
	Config       ConfigState
	Stream       StreamState
	Outbox       []OutboxState // one for each consumer
}

// ConfigState is how the configuration that the worker runs with differs from its file.
type ConfigState struct {
	Refused bool // the file was refused when it was read last
	Fixed   int  // settings that differ and are read at the start only
}

// StreamState is how full the stream is.
type StreamState struct {
	Bytes    uint64
	MaxBytes int64 // at which it refuses messages; 0: not known yet, nothing is shown
}

// ClockState is how another clock differs from this process's.
type ClockState struct {
	Of    label.Clock
	Ahead time.Duration // negative when it is behind
}

// PartitionState is where a partition stands.
type PartitionState struct {
	Partition int
	Lag       uint64 // messages of the stream not read yet
	Position  uint64 // the sequence up to which all is recorded
	Restarts  uint64 // how often its reader was recreated
}

// AccountState is how an account's delivery stands.
type AccountState struct {
	Account   string
	Platform  string
	Paused    bool
	InFlight  int // batches that are not final
	Waiting   int // mutations
	Ambiguous int // batches with a POST whose end is not known
	// OldestHandle is the age of the oldest handle not final; 0 when there is none.
	OldestHandle time.Duration
	// OldestWaiting is the age of the oldest mutation not sent.
	OldestWaiting time.Duration
	Breaker       string  // closed, half-open or open
	Calls         int     // under way
	Concurrency   float64 // calls at a time that are made now
	Held          int     // catalog types whose batches are all refused
}

// OutboxState is how far a consumer of the outbox is behind.
type OutboxState struct {
	Consumer string
	Rows     int64
	Lag      time.Duration
}

// QuotaState is what is known of a quota scope.
type QuotaState struct {
	Scope       string
	UsedPercent float64 // -1 when not told
	Remaining   int     // calls; -1 when not told
	Blocked     time.Duration
}

type gauges struct {
	meter         metric.Meter
	lag           metric.Float64ObservableGauge
	position      metric.Float64ObservableGauge
	restarts      metric.Float64ObservableGauge
	leases        metric.Float64ObservableGauge
	groups        metric.Float64ObservableGauge
	items         metric.Float64ObservableGauge
	bytes         metric.Float64ObservableGauge
	paused        metric.Float64ObservableGauge
	held          metric.Float64ObservableGauge
	breaker       metric.Float64ObservableGauge
	calls         metric.Float64ObservableGauge
	concurrency   metric.Float64ObservableGauge
	inFlight      metric.Float64ObservableGauge
	waiting       metric.Float64ObservableGauge
	ambiguous     metric.Float64ObservableGauge
	oldestHandle  metric.Float64ObservableGauge
	oldestWaiting metric.Float64ObservableGauge
	quotaUsed     metric.Float64ObservableGauge
	quotaLeft     metric.Float64ObservableGauge
	quotaBlocked  metric.Float64ObservableGauge
	clockAhead    metric.Float64ObservableGauge
	configRefused metric.Float64ObservableGauge
	configFixed   metric.Float64ObservableGauge
	streamBytes   metric.Float64ObservableGauge
	streamMax     metric.Float64ObservableGauge
	outboxLag     metric.Float64ObservableGauge
	outboxRows    metric.Float64ObservableGauge
}

func (g *gauges) declare(d *declaration) {
	g.meter = d.meter
	g.lag = d.gauge("courier.partition.lag", "{message}", "Messages of a partition not read yet.", ofPartition...)
	g.position = d.gauge("courier.partition.position", "{message}", "Stream sequence up to which all of a partition is recorded.", ofPartition...)
	g.restarts = d.gauge("courier.partition.reader_restarts", "{restart}", "How often the partition's stream reader was recreated since it was acquired.", ofPartition...)
	g.leases = d.gauge("courier.leases.held", "{lease}", "Partitions that this worker owns.")
	g.groups = d.gauge("courier.groups.open", "{group}", "Groups with something waiting.")
	g.items = d.gauge("courier.items.waiting", "{item}", "Items that wait in memory.")
	g.bytes = d.gauge("courier.waiting.size", "By", "Memory taken by what waits.")
	g.paused = d.gauge("courier.account.paused", "", "1 while the account is paused.", ofAccount...)
	g.held = d.gauge("courier.account.held", "{catalog_type}", "Catalog types of a catalog of which the platform refuses changes and takes none: they wait, and are tried from time to time.", ofAccount...)
	g.breaker = d.gauge("courier.account.breaker", "", "The breaker of the account's calls: 0 closed, 0.5 half open, 1 open.", ofAccount...)
	g.calls = d.gauge("courier.account.calls", "{request}", "Calls under way.", ofAccount...)
	g.concurrency = d.gauge("courier.account.concurrency", "{request}", "Calls at a time that are made now; it adapts.", ofAccount...)
	g.inFlight = d.gauge("courier.account.batches_in_flight", "{batch}", "Batches that are not final.", ofAccount...)
	g.waiting = d.gauge("courier.account.waiting", "{mutation}", "Mutations not sent yet.", ofAccount...)
	g.ambiguous = d.gauge("courier.account.batches_ambiguous", "{batch}", "Batches with a POST whose end is not known.", ofAccount...)
	g.oldestHandle = d.gauge("courier.account.oldest_handle", "s", "Age of the oldest handle that is not final.", ofAccount...)
	g.oldestWaiting = d.gauge("courier.account.oldest_waiting", "s", "Age of the oldest mutation not sent.", ofAccount...)
	g.quotaUsed = d.gauge("courier.quota.used", "%", "How much of the quota is used, as the platform reported last.", ofScope...)
	g.quotaLeft = d.gauge("courier.quota.remaining", "{request}", "Calls left, as the platform reported last.", ofScope...)
	g.quotaBlocked = d.gauge("courier.quota.blocked", "s", "How much longer no call is made.", ofScope...)
	g.clockAhead = d.gauge("courier.clock.ahead", "s", "By how much another clock is ahead of this worker's; negative when it is behind.", ofClocks)
	g.configRefused = d.gauge("courier.config.reload.refused", "", "1 while the worker runs with an older configuration, as it refused what the file holds now.")
	g.configFixed = d.gauge("courier.config.reload.restart_needed", "{setting}", "Settings of the file that differ from those in use until the worker is restarted.")
	g.streamBytes = d.gauge("courier.stream.size", "By", "What the stream holds, as NATS told last.")
	g.streamMax = d.gauge("courier.stream.max_size", "By", "The size at which the stream refuses new messages.")
	g.outboxLag = d.gauge("courier.outbox.lag", "s", "Age of the oldest outcome of this worker's partitions that a consumer of the outbox has not passed on; 0 when there is none.", ofConsumers...)
	g.outboxRows = d.gauge("courier.outbox.rows", "{transaction}", "Rows of the outbox of this worker's partitions that a consumer has not passed on; counted up to 10,000 a partition.", ofConsumers...)
}

func (g *gauges) all() []metric.Observable {
	return []metric.Observable{
		g.lag, g.position, g.restarts, g.leases, g.groups, g.items, g.bytes, g.paused, g.held, g.breaker, g.calls, g.concurrency, g.inFlight, g.waiting,
		g.ambiguous, g.oldestHandle, g.oldestWaiting, g.quotaUsed, g.quotaLeft, g.quotaBlocked, g.clockAhead, g.outboxLag, g.outboxRows,
		g.configRefused, g.configFixed, g.streamBytes, g.streamMax,
	}
}

// Observe has read called at each collection, from another goroutine: it must be
// safe for that and quick. The caller stops it before what read looks at ends.
func (i *Instruments) Observe(read func() Snapshot) (stop func() error, err error) {
	if i == nil {
		return func() error { return nil }, nil
	}
	registration, err := i.gauges.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		i.gauges.observe(observer, read())
		return nil
	}, i.gauges.all()...)
	if err != nil {
		return nil, err
	}
	return registration.Unregister, nil
}

func (g *gauges) observe(observer metric.Observer, s Snapshot) {
	observer.ObserveFloat64(g.leases, float64(len(s.Partitions)))
	observer.ObserveFloat64(g.groups, float64(s.OpenGroups))
	observer.ObserveFloat64(g.items, float64(s.WaitingItems))
	observer.ObserveFloat64(g.bytes, float64(s.WaitingBytes))
	observer.ObserveFloat64(g.configRefused, oneIf(s.Config.Refused))
	observer.ObserveFloat64(g.configFixed, float64(s.Config.Fixed))
	if s.Stream.MaxBytes > 0 {
		observer.ObserveFloat64(g.streamBytes, float64(s.Stream.Bytes))
		observer.ObserveFloat64(g.streamMax, float64(s.Stream.MaxBytes))
	}
	for _, c := range s.Clocks {
		observer.ObserveFloat64(g.clockAhead, c.Ahead.Seconds(), metric.WithAttributes(ClockKey.String(string(c.Of))))
	}
	for _, o := range s.Outbox {
		of := metric.WithAttributes(ConsumerKey.String(o.Consumer))
		observer.ObserveFloat64(g.outboxLag, o.Lag.Seconds(), of)
		observer.ObserveFloat64(g.outboxRows, float64(o.Rows), of)
	}
	for _, p := range s.Partitions {
		at := metric.WithAttributes(PartitionKey.Int(p.Partition))
		observer.ObserveFloat64(g.lag, float64(p.Lag), at)
		observer.ObserveFloat64(g.position, float64(p.Position), at)
		observer.ObserveFloat64(g.restarts, float64(p.Restarts), at)
	}
	for _, a := range s.Accounts {
		at := metric.WithAttributes(AccountKey.String(a.Account), PlatformKey.String(a.Platform))
		observer.ObserveFloat64(g.paused, oneIf(a.Paused), at)
		observer.ObserveFloat64(g.inFlight, float64(a.InFlight), at)
		observer.ObserveFloat64(g.waiting, float64(a.Waiting), at)
		observer.ObserveFloat64(g.ambiguous, float64(a.Ambiguous), at)
		observer.ObserveFloat64(g.oldestHandle, a.OldestHandle.Seconds(), at)
		observer.ObserveFloat64(g.oldestWaiting, a.OldestWaiting.Seconds(), at)
		observer.ObserveFloat64(g.held, float64(a.Held), at)
		observer.ObserveFloat64(g.breaker, breakerLevel(a.Breaker), at)
		observer.ObserveFloat64(g.calls, float64(a.Calls), at)
		observer.ObserveFloat64(g.concurrency, a.Concurrency, at)
	}
	for _, q := range s.Quotas {
		at := metric.WithAttributes(ScopeKey.String(q.Scope))
		observer.ObserveFloat64(g.quotaBlocked, q.Blocked.Seconds(), at)
		if q.UsedPercent >= 0 {
			observer.ObserveFloat64(g.quotaUsed, q.UsedPercent, at)
		}
		if q.Remaining >= 0 {
			observer.ObserveFloat64(g.quotaLeft, float64(q.Remaining), at)
		}
	}
}

func oneIf(condition bool) float64 {
	if condition {
		return 1
	}
	return 0
}

func breakerLevel(state string) float64 {
	switch state {
	case "open":
		return 1
	case "half-open":
		return 0.5
	default:
		return 0
	}
}
