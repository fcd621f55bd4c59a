package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
	"github.com/jedib0t/go-pretty/v6/table"
)

// result is one run of one entrant.
type result struct {
	Entrant   string  `json:"entrant"`
	Round     int     `json:"round"`
	Mutations int     `json:"mutations"`
	MaxAge    string  `json:"max_age"`
	Load      float64 `json:"load"` // of the machine, before

	// Processor time in µs for each mutation.
	Consumer  float64 `json:"consumer_us"`
	Broker    float64 `json:"broker_us"`
	Sink      float64 `json:"sink_us"`
	Postgres  float64 `json:"postgres_us"`
	Draining  float64 `json:"draining_us"`         // the four
	Behind    float64 `json:"behind_us,omitempty"` // of draining: after the last status
	GettingIn float64 `json:"getting_in_us"`       // producer, broker, Postgres
	Whole     float64 `json:"whole_us"`            // getting in and draining

	Seconds     float64 `json:"seconds,omitempty"`
	Rate        float64 `json:"rate,omitempty"`         // mutations/s
	ConsumerMiB float64 `json:"consumer_mib,omitempty"` // at its peak
	Posts       int     `json:"posts,omitempty"`
	Items       int     `json:"items,omitempty"`        // in all POSTs: more than mutations where some were sent twice
	Stream      float64 `json:"stream_bytes,omitempty"` // bytes for each mutation in the broker's files when all are in
	Disk        float64 `json:"disk_bytes,omitempty"`   // the same in the database, at the end
	WAL         float64 `json:"wal_bytes,omitempty"`    // the same in Postgres's log, of the whole way

	// Of a run with few mutations: what nobody can have for less.
	Start         float64 `json:"start_ms,omitempty"`          // ms of processor time of all
	StartConsumer float64 `json:"start_consumer_ms,omitempty"` // that of the consumer
	StartSeconds  float64 `json:"start_seconds,omitempty"`
	// What draining took without that, in µs for each further mutation.
	Further float64 `json:"further_us,omitempty"`

	Latency *trickle.Latency `json:"latency,omitempty"`
}

// started notes what a run of fewer mutations took: what both took alike is the start.
func (r *result) started(few result) {
	r.Start, r.StartConsumer, r.StartSeconds = few.Draining*few.each()/1000, few.Consumer*few.each()/1000, few.Seconds
	if more := r.each() - few.each(); more > 0 {
		r.Further = (r.Draining*r.each() - few.Draining*few.each()) / more
	}
}

func (r *result) each() float64 { return float64(r.Mutations) }

// spent notes what the mutations took.
func (r *result) spent(u apart.Usage) {
	r.Consumer, r.Broker = figures.Micro(u.Program, r.Mutations), figures.Micro(u.Broker, r.Mutations)
	r.Sink, r.Postgres = figures.Micro(u.Platforms, r.Mutations), figures.Micro(u.Postgres, r.Mutations)
	r.Draining = figures.Micro(u.Total(), r.Mutations)
}

func (r *result) String() string {
	head := fmt.Sprintf("round %d, load %5.2f, %-13s", r.Round, r.Load, r.Entrant)
	if l := r.Latency; l != nil {
		return fmt.Sprintf("%s p50 %.1f ms, p90 %.1f, p99 %.1f, %d missing; %.1f ms of CPU and %.1f transactions each",
			head, l.P50, l.P90, l.P99, l.Missing, r.Draining/1000, l.Transactions)
	}
	line := fmt.Sprintf("%s %d in %.1f s, %.1f µs of CPU each and %.1f for getting in; start %.0f ms",
		head, r.Mutations, r.Seconds, r.Draining, r.GettingIn, r.Start)
	if r.Items > r.Mutations {
		line += fmt.Sprintf("; %d items were sent more than once", r.Items-r.Mutations)
	}
	return line
}

// column is a figure of each entrant: the median of its runs, with the range.
type column struct {
	title  string
	digits int
	// value is NaN where there is none. base is the run of the first entrant of all in the
	// same round; nil without one.
	value func(r result, base *result) float64
}

// baseline is the entrant that the others are compared with.
func baseline() string { return entrants[0].name }

// ratio is a figure as a share of the base's.
func ratio(of func(result) float64) func(result, *result) float64 {
	return func(r result, base *result) float64 {
		if base == nil || of(*base) == 0 {
			return math.NaN()
		}
		return of(r) / of(*base)
	}
}

// figure is one that every run has.
func figure(of func(result) float64) func(result, *result) float64 {
	return func(r result, _ *result) float64 { return of(r) }
}

// ifAny is a figure that some runs do not have, where it is 0.
func ifAny(of func(result) float64) func(result, *result) float64 {
	return func(r result, _ *result) float64 {
		if value := of(r); value != 0 {
			return value
		}
		return math.NaN()
	}
}

func processorTimes() []column {
	return []column{
		{"consumer", 1, figure(func(r result) float64 { return r.Consumer })},
		{"broker", 1, figure(func(r result) float64 { return r.Broker })},
		{"sink", 1, figure(func(r result) float64 { return r.Sink })},
		{"Postgres", 1, figure(func(r result) float64 { return r.Postgres })},
		{"draining", 1, figure(func(r result) float64 { return r.Draining })},
		{"÷", 2, ratio(func(r result) float64 { return r.Draining })},
		{"after the last status", 1, ifAny(func(r result) float64 { return r.Behind })},
		{"without start", 1, ifAny(func(r result) float64 { return r.Further })},
		{"getting in", 1, figure(func(r result) float64 { return r.GettingIn })},
		{"whole way", 1, figure(func(r result) float64 { return r.Whole })},
		{"÷", 2, ratio(func(r result) float64 { return r.Whole })},
	}
}

func otherFigures() []column {
	return []column{
		{"mutations/s", 0, figure(func(r result) float64 { return r.Rate })},
		{"consumer MiB", 0, figure(func(r result) float64 { return r.ConsumerMiB })},
		{"stream bytes", 0, figure(func(r result) float64 { return r.Stream })},
		{"disk bytes", 0, figure(func(r result) float64 { return r.Disk })},
		{"WAL bytes", 0, figure(func(r result) float64 { return r.WAL })},
		{"POSTs", 0, figure(func(r result) float64 { return float64(r.Posts) })},
		{"start, ms of CPU", 0, figure(func(r result) float64 { return r.Start })},
		{"of the consumer", 0, figure(func(r result) float64 { return r.StartConsumer })},
		{"load before", 1, figure(func(r result) float64 { return r.Load })},
	}
}

func latencyFigures() []column {
	ms := func(of func(result) float64) func(result, *result) float64 {
		return figure(func(r result) float64 { return of(r) / 1000 })
	}
	return []column{
		{"p50 ms", 1, figure(func(r result) float64 { return r.Latency.P50 })},
		{"p90", 1, figure(func(r result) float64 { return r.Latency.P90 })},
		{"p99", 1, figure(func(r result) float64 { return r.Latency.P99 })},
		{"missing", 0, figure(func(r result) float64 { return float64(r.Latency.Missing) })},
		{"ms of CPU", 1, ms(func(r result) float64 { return r.Draining })},
		{"÷", 2, ratio(func(r result) float64 { return r.Draining })},
		{"consumer", 1, ms(func(r result) float64 { return r.Consumer })},
		{"broker", 1, ms(func(r result) float64 { return r.Broker })},
		{"Postgres", 1, ms(func(r result) float64 { return r.Postgres })},
		{"transactions", 1, figure(func(r result) float64 { return r.Latency.Transactions })},
		{"% at rest", 1, figure(func(r result) float64 { return 100 * r.Latency.AtRest })},
		{"load before", 1, figure(func(r result) float64 { return r.Load })},
	}
}

// printTables shows all runs, which are of one kind.
func printTables(out io.Writer, all []result) error {
	if len(all) == 0 {
		return nil
	}
	if all[0].Latency != nil {
		return printTable(out, "each mutation alone", latencyFigures(), all)
	}
	return errors.Join(
		printTable(out, "µs of processor time for each mutation", processorTimes(), all),
		printTable(out, "rates and sizes for each mutation", otherFigures(), all))
}

// printTable has a line for each entrant, in the order in which they first came.
func printTable(out io.Writer, title string, columns []column, all []result) error {
	line := func(first string, of func(column) string) table.Row {
		row := make(table.Row, 0, 1+len(columns))
		row = append(row, first)
		for _, c := range columns {
			row = append(row, of(c))
		}
		return row
	}
	t := figures.NewTable(nil, line(title, func(c column) string { return c.title })...)
	for _, name := range namesOf(all) {
		t.AppendRow(line(name, func(c column) string { return figures.Summary(valuesOf(all, name, c), c.digits) }))
	}
	_, err := fmt.Fprintf(out, "\n%s\n÷ is to %s of the same round; medians, with the range\n", t.Render(), baseline())
	return err
}

func namesOf(all []result) []string {
	var names []string
	for _, r := range all {
		if !slices.Contains(names, r.Entrant) {
			names = append(names, r.Entrant)
		}
	}
	return names
}

// valuesOf are the figures of one entrant in a column, one for each of its runs that has it.
func valuesOf(all []result, name string, c column) []float64 {
	var values []float64
	for _, r := range all {
		if r.Entrant != name {
			continue
		}
		if v := c.value(r, baseOf(all, r.Round)); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

func baseOf(all []result, round int) *result {
	i := slices.IndexFunc(all, func(r result) bool { return r.Entrant == baseline() && r.Round == round })
	if i < 0 {
		return nil
	}
	return &all[i]
}
