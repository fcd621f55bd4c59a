package httpapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are the metrics of the API, as docs/http.md lists them.
type instruments struct {
	requests  metric.Int64Counter
	mutations metric.Int64Counter
	duration  metric.Float64Histogram
}

func newInstruments(meter metric.Meter) (i instruments, err error) {
	var errs [3]error
	i.requests, errs[0] = meter.Int64Counter("courier.http.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests to the HTTP API, by the class of the answer's status. Probes are not counted."))
	i.mutations, errs[1] = meter.Int64Counter("courier.http.mutations", metric.WithUnit("{mutation}"),
		metric.WithDescription("Mutations that the HTTP API accepted or refused."))
	i.duration, errs[2] = meter.Float64Histogram("courier.http.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the headers of a request to its answer."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	return i, errors.Join(errs[:]...)
}

// request counts one request that was answered.
func (i instruments) request(ctx context.Context, status int, took time.Duration) {
	class := metric.WithAttributes(attribute.String("courier.status", strconv.Itoa(status/100)+"xx"))
	i.requests.Add(ctx, 1, class)
	i.duration.Record(ctx, took.Seconds(), class)
}

// outcome counts what became of the mutations of a request.
func (i instruments) outcome(ctx context.Context, accepted, refused int) {
	if accepted > 0 {
		i.mutations.Add(ctx, int64(accepted), metric.WithAttributes(attribute.String("courier.result", "accepted")))
	}
	if refused > 0 {
		i.mutations.Add(ctx, int64(refused), metric.WithAttributes(attribute.String("courier.result", "refused")))
	}
}
