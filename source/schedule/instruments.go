package schedule

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// Instruments measure runs of sources. docs/telemetry.md lists them.
type Instruments struct {
	runs     metric.Int64Counter
	duration metric.Float64Histogram
	silent   metric.Int64ObservableGauge
}

// NewInstruments declares the measurements. silent names the sources that are silent; it is
// asked whenever metrics are read.
func NewInstruments(meter metric.Meter, sources []string, silent func(context.Context) ([]string, error)) (*Instruments, error) {
	i := &Instruments{}
	var errs [4]error
	i.runs, errs[0] = meter.Int64Counter("courier.source.runs", metric.WithUnit("{run}"), metric.WithDescription("Runs of sources that ended, by state."))
	i.duration, errs[1] = meter.Float64Histogram("courier.source.run.duration", metric.WithUnit("s"), metric.WithDescription("Time that runs of sources took."),
		metric.WithExplicitBucketBoundaries(1, 5, 15, 60, 300, 900, 3600, 4*3600))
	i.silent, errs[2] = meter.Int64ObservableGauge("courier.source.silent",
		metric.WithDescription("1 for a source without a good run or a webhook for longer than its silent_after."))
	_, errs[3] = meter.RegisterCallback(func(ctx context.Context, observer metric.Observer) error {
		const longest = 5 * time.Second
		ctx, cancel := context.WithTimeout(ctx, longest)
		defer cancel()
		found, err := silent(ctx)
		if err != nil {
			return err
		}
		is := make(map[string]int64, len(found))
		for _, name := range found {
			is[name] = 1
		}
		for _, name := range sources {
			observer.ObserveInt64(i.silent, is[name], metric.WithAttributes(attribute.String("courier.source", name)))
		}
		return nil
	}, i.silent)
	return i, errors.Join(errs[:]...)
}

// Ended is for Schedule.Ended.
func (i *Instruments) Ended(source string, state persistence.RunState, took time.Duration) {
	attributes := metric.WithAttributes(attribute.String("courier.source", source), attribute.String("courier.state", string(state)))
	i.runs.Add(context.Background(), 1, attributes)
	i.duration.Record(context.Background(), took.Seconds(), attributes)
}
