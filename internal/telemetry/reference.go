package telemetry

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
)

// tag is a label of an instrument, and the values that it takes; nil where they come
// from the configuration or are numbers.
type tag struct {
	key    attribute.Key
	values []string
}

func closed[V ~string](key attribute.Key, values []V) tag {
	t := tag{key: key}
	for _, value := range values {
		t.values = append(t.values, string(value))
	}
	return t
}

// The labels that several instruments have.
var (
	ofAccount   = []tag{{key: AccountKey}, {key: PlatformKey}}
	ofPlatform  = []tag{{key: PlatformKey}, {key: TypeKey}}
	ofLane      = []tag{{key: AccountKey}, {key: PlatformKey}, {key: TypeKey}}
	ofPartition = []tag{{key: PartitionKey}}
	ofScope     = []tag{{key: ScopeKey}}
	ofPosts     = closed(ResultKey, label.Posts)
	ofPolls     = closed(ResultKey, label.Polls)
	ofCauses    = closed(CauseKey, label.Causes)
	ofCuts      = closed(ReasonKey, label.Cuts)
	ofOutcomes  = closed(ResultKey, label.Outcomes)
	ofRetries   = closed(ReasonKey, label.Retries)
	ofLetters   = closed(ReasonKey, catalog.DeadLetterReasons())
	ofLeases    = closed(StateKey, label.Leases)
	ofClocks    = closed(ClockKey, label.Clocks)
	ofReloads   = closed(ResultKey, label.Reloads)
	ofStatuses  = closed(StatusKey, label.Statuses)
	ofConsumers = []tag{{key: ConsumerKey}}
)

func with(common []tag, more ...tag) []tag { return append(append([]tag(nil), common...), more...) }

// Measurement is an instrument as users see it.
type Measurement struct {
	Name        string
	Prometheus  string // the name at /metrics; a histogram's series add _bucket, _sum and _count
	Kind        string
	Unit        string
	Description string
	Labels      []Label
}

// Label is a label of a measurement.
type Label struct {
	Name   string
	Values []string // nil: from the configuration, or a number
}

// Measurements lists all that a worker measures.
func Measurements() []Measurement {
	d := &declaration{meter: noop.Meter{}}
	declare(d)
	return d.all
}

// Reference describes every measurement and its labels as Markdown tables.
// docs/telemetry.md carries them, held to them by a test.
func Reference() string {
	var b strings.Builder
	b.WriteString("| name | at `/metrics` | kind | unit | labels | meaning |\n|---|---|---|---|---|---|\n")
	for _, m := range Measurements() {
		labels := make([]string, len(m.Labels))
		for i, l := range m.Labels {
			labels[i] = "`" + l.Name + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", m.Name, m.Prometheus, m.Kind, m.Unit, strings.Join(labels, " "), m.Description)
	}
	b.WriteString("\nThe values of labels that do not come from the configuration:\n\n| name | label | values |\n|---|---|---|\n")
	for _, m := range Measurements() {
		for _, l := range m.Labels {
			if l.Values != nil {
				fmt.Fprintf(&b, "| `%s` | `%s` | `%s` |\n", m.Name, l.Name, strings.Join(l.Values, "` `"))
			}
		}
	}
	return b.String()
}

// declaration gathers what is declared, and the errors of it.
type declaration struct {
	meter metric.Meter
	err   error
	all   []Measurement
}

func (d *declaration) add(name, kind, unit, description string, tags []tag) {
	m := Measurement{Name: name, Prometheus: prometheusName(name, kind, unit), Kind: kind, Unit: unit, Description: description}
	for _, t := range tags {
		m.Labels = append(m.Labels, Label{Name: string(t.key), Values: t.values})
	}
	d.all = append(d.all, m)
}

// prometheusName is the name under which the exporter serves an instrument. A test
// holds it to the exporter itself.
func prometheusName(name, kind, unit string) string {
	name = strings.ReplaceAll(name, ".", "_")
	switch unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	case "%":
		name += "_percent"
	}
	if kind == "counter" {
		name += "_total"
	}
	return name
}

func (d *declaration) counter(name, unit, description string, tags ...tag) metric.Int64Counter {
	d.add(name, "counter", unit, description, tags)
	counter, err := d.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	d.err = errors.Join(d.err, err)
	return counter
}

func (d *declaration) histogram(name, unit, description string, tags []tag, bounds ...float64) metric.Int64Histogram {
	d.add(name, "histogram", unit, description, tags)
	histogram, err := d.meter.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(bounds...))
	d.err = errors.Join(d.err, err)
	return histogram
}

func (d *declaration) seconds(name, description string, bounds metric.HistogramOption, tags ...tag) metric.Float64Histogram {
	d.add(name, "histogram", "s", description, tags)
	histogram, err := d.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), bounds)
	d.err = errors.Join(d.err, err)
	return histogram
}

func (d *declaration) gauge(name, unit, description string, tags ...tag) metric.Float64ObservableGauge {
	d.add(name, "gauge", unit, description, tags)
	gauge, err := d.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	d.err = errors.Join(d.err, err)
	return gauge
}
