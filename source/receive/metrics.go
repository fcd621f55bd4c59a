package receive

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// The results that are counted besides the states of deliveries.
const (
	resultRepeated = "repeated" // came before
	resultPing     = "ping"
	resultUnsigned = "unsigned" // without a signature, or with a wrong one
	resultUnread   = "unread"   // the body is too large or did not come whole
	resultFailed   = "failed"   // the stream or the database is away: the sender repeats
)

type instruments struct {
	deliveries metric.Int64Counter
	age        metric.Float64Histogram
	source     attribute.KeyValue
}

func newInstruments(meter metric.Meter, source string) (i instruments, err error) {
	if meter == nil {
		meter = noop.NewMeterProvider().Meter("")
	}
	i.source = attribute.String("courier.source", source)
	i.deliveries, err = meter.Int64Counter("courier.webhook.deliveries", metric.WithUnit("{delivery}"),
		metric.WithDescription("Webhook deliveries, by what became of them."))
	if err != nil {
		return i, err
	}
	i.age, err = meter.Float64Histogram("courier.webhook.age", metric.WithUnit("s"),
		metric.WithDescription("Time from when a sender made a delivery until it was worked through."),
		metric.WithExplicitBucketBoundaries(0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400))
	return i, err
}

func (i instruments) count(ctx context.Context, result string) {
	i.deliveries.Add(ctx, 1, metric.WithAttributes(i.source, attribute.String("courier.result", result)))
}

func (i instruments) aged(ctx context.Context, age time.Duration) {
	i.age.Record(ctx, max(age, 0).Seconds(), metric.WithAttributes(i.source))
}
