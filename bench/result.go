package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
)

// result is one run of a scenario.
type result struct {
	Scenario  string  `json:"scenario"`
	Run       int     `json:"run"`
	Mutations int     `json:"mutations"`
	Load      float64 `json:"load"` // of the machine, before
	Machine   machine `json:"machine"`

	Rate float64 `json:"rate,omitempty"` // mutations/s
	// Processor time in µs for each mutation.
	Worker    float64 `json:"worker_us"`
	Broker    float64 `json:"broker_us"`
	Postgres  float64 `json:"postgres_us"`
	Platforms float64 `json:"platforms_us"`
	Producer  float64 `json:"producer_us,omitempty"`   // beside the worker
	GettingIn float64 `json:"getting_in_us,omitempty"` // of a backlog: producer, broker, Postgres

	WorkerMiB float64          `json:"worker_mib"` // at its peak
	Posts     int              `json:"posts,omitempty"`
	Items     int              `json:"items,omitempty"`   // records in them
	Refused   int              `json:"refused,omitempty"` // POSTs that the quota refused
	Waited    int              `json:"waited,omitempty"`  // rows of mutations that waited in memory for too long
	Latency   *trickle.Latency `json:"latency,omitempty"`
}

// spent notes what the mutations took.
func (r *result) spent(u apart.Usage) {
	r.Worker, r.Broker = figures.Micro(u.Program, r.Mutations), figures.Micro(u.Broker, r.Mutations)
	r.Postgres, r.Platforms = figures.Micro(u.Postgres, r.Mutations), figures.Micro(u.Platforms, r.Mutations)
}

func (r *result) String() string {
	line := fmt.Sprintf("run %d, load %5.2f, %-13s ", r.Run, r.Load, r.Scenario)
	switch l := r.Latency; {
	case r.Worker == 0: // only published
		line += fmt.Sprintf("%6.0f/s, producer %4.1f µs each, NATS %4.1f", r.Rate, r.Producer, r.Broker)
	case l != nil:
		line += fmt.Sprintf("p50 %.1f ms, p99 %.1f; worker %.1f ms each, NATS %.1f, Postgres %.1f", l.P50, l.P99, r.Worker/1000, r.Broker/1000, r.Postgres/1000)
	default:
		line += fmt.Sprintf("%6.0f/s, worker %4.1f µs each, NATS %4.1f, Postgres %4.1f, worker at most %.0f MiB", r.Rate, r.Worker, r.Broker, r.Postgres, r.WorkerMiB)
	}
	if r.Waited > 0 {
		line += fmt.Sprintf(", %d written twice", r.Waited)
	}
	return line + fmt.Sprintf("; bare: consume %.0f/s, %.1f µs, COPY %.0f/s, %.1f µs", r.Machine.ConsumeRate, r.Machine.Consume, r.Machine.CopyRate, r.Machine.Copy)
}

// column is a figure of each scenario: the median of its runs, with the range.
type column struct {
	title  string
	digits int
	of     func(result) float64
}

// throughput are the figures of scenarios that are about many mutations.
func throughput() []column {
	return []column{
		{"mutations/s", 0, func(r result) float64 { return r.Rate }},
		{"worker µs", 1, func(r result) float64 { return r.Worker }},
		{"NATS µs", 1, func(r result) float64 { return r.Broker }},
		{"Postgres µs", 1, func(r result) float64 { return r.Postgres }},
		{"producer µs", 1, func(r result) float64 { return r.Producer }},
		{"getting in µs", 1, func(r result) float64 { return r.GettingIn }},
		{"worker MiB", 0, func(r result) float64 { return r.WorkerMiB }},
		{"POSTs", 0, func(r result) float64 { return float64(r.Posts) }},
		{"refused", 0, func(r result) float64 { return float64(r.Refused) }},
		{"bare consume/s", 0, func(r result) float64 { return r.Machine.ConsumeRate }},
		{"consume µs", 1, func(r result) float64 { return r.Machine.Consume }},
		{"bare COPY/s", 0, func(r result) float64 { return r.Machine.CopyRate }},
		{"COPY µs", 1, func(r result) float64 { return r.Machine.Copy }},
	}
}

// latencies are the figures of scenarios whose mutations come one by one.
func latencies() []column {
	return []column{
		{"p50 ms", 1, func(r result) float64 { return r.Latency.P50 }},
		{"p90", 1, func(r result) float64 { return r.Latency.P90 }},
		{"p99", 1, func(r result) float64 { return r.Latency.P99 }},
		{"most", 1, func(r result) float64 { return r.Latency.Most }},
		{"missing", 0, func(r result) float64 { return float64(r.Latency.Missing) }},
		{"worker ms", 2, func(r result) float64 { return r.Worker / 1000 }},
		{"NATS ms", 2, func(r result) float64 { return r.Broker / 1000 }},
		{"Postgres ms", 2, func(r result) float64 { return r.Postgres / 1000 }},
		{"transactions", 1, func(r result) float64 { return r.Latency.Transactions }},
		{"% at rest", 1, func(r result) float64 { return 100 * r.Latency.AtRest }},
		{"worker MiB", 0, func(r result) float64 { return r.WorkerMiB }},
		{"bare consume µs", 1, func(r result) float64 { return r.Machine.Consume }},
		{"bare COPY µs", 1, func(r result) float64 { return r.Machine.Copy }},
	}
}

// split parts results by the figures that they have.
func split(all []result) (many, single []result) {
	for _, r := range all {
		if r.Latency == nil {
			many = append(many, r)
		} else {
			single = append(single, r)
		}
	}
	return many, single
}

func printTables(out io.Writer, all []result) error {
	many, single := split(all)
	return errors.Join(
		printTable(out, "many mutations; µs of processor time each", throughput(), many),
		printTable(out, "one by one; from publish to POST, and processor time of each", latencies(), single))
}

// printTable has a line for each scenario, in the order in which they first came.
func printTable(out io.Writer, title string, columns []column, all []result) error {
	if len(all) == 0 {
		return nil
	}
	header := []any{title}
	for _, c := range columns {
		header = append(header, c.title)
	}
	t := figures.NewTable(nil, header...)
	for _, name := range scenariosOf(all) {
		row := table.Row{name}
		for _, c := range columns {
			values := valuesOf(all, name, c)
			if slices.Max(values) == 0 {
				values = nil // it is of other scenarios
			}
			row = append(row, figures.Summary(values, c.digits))
		}
		t.AppendRow(row)
	}
	_, err := fmt.Fprintf(out, "\n%s\nmedians, with the range\n", t.Render())
	return err
}

func scenariosOf(all []result) (names []string) {
	for _, r := range all {
		if !slices.Contains(names, r.Scenario) {
			names = append(names, r.Scenario)
		}
	}
	return names
}

func valuesOf(all []result, name string, c column) (values []float64) {
	for _, r := range all {
		if r.Scenario == name {
			values = append(values, c.of(r))
		}
	}
	return values
}

func readLines(path string) (all []result, err error) {
	file, err := os.Open(path) //nolint:gosec // a file that the caller named
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(all)+1, err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// compareFiles shows what differs between the runs of two files.
func compareFiles(out io.Writer, older, newer string) error {
	before, err := readLines(older)
	if err != nil {
		return err
	}
	after, err := readLines(newer)
	if err != nil {
		return err
	}
	return compare(out, before, after)
}

// compare has a line for each figure of each scenario that both have.
func compare(out io.Writer, before, after []result) error {
	t := figures.NewTable(nil, "scenario", "figure", "old", "new", "new ÷ old")
	lines := 0
	for _, name := range scenariosOf(after) {
		columns := throughput()
		if _, single := split(after[slices.IndexFunc(after, func(r result) bool { return r.Scenario == name }):][:1]); len(single) > 0 {
			columns = latencies()
		}
		for _, c := range columns {
			olds, news := valuesOf(before, name, c), valuesOf(after, name, c)
			if len(olds) == 0 || slices.Max(olds) == 0 || slices.Max(news) == 0 {
				continue
			}
			t.AppendRow(table.Row{name, c.title, figures.Summary(olds, c.digits), figures.Summary(news, c.digits), change(olds, news)})
			lines++
		}
	}
	if lines == 0 {
		return errors.New("the files have no scenario in common")
	}
	_, err := fmt.Fprintf(out, "%s\nmedians, with the range; ~ where the ranges overlap\n", t.Render())
	return err
}

// change is the ratio of the medians, or ~ where the ranges overlap: then the runs do not tell
// them apart.
func change(olds, news []float64) string {
	slices.Sort(olds)
	slices.Sort(news)
	if olds[0] <= news[len(news)-1] && news[0] <= olds[len(olds)-1] {
		return "~"
	}
	return fmt.Sprintf("%.2f", figures.Median(news)/figures.Median(olds))
}
