package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

func (m measurement) String() string {
	return fmt.Sprintf("%-30s %8.0f/s, %5.1f µs of CPU each, and %4.1f µs in Postgres",
		m.what, m.rate, microseconds(m.process), microseconds(m.postgres))
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// printTable shows the measurements of all runs, in the order in which they first
// came, beside what the parts reach alone.
func printTable(out io.Writer, all []measurement) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"mutations/s", "min", "median", "max", "of bare consume", "of bare COPY", "CPU µs", "in Postgres", "target"})
	consumed, copied := median(all, bareConsumeName), median(all, bareCopyName)
	for _, what := range names(all) {
		sorted := runsOf(all, what)
		middle := median(all, what)
		target := ""
		if middle.target > 0 {
			target = fmt.Sprintf("%.0f", middle.target)
		}
		t.AppendRow(table.Row{
			what, rounded(sorted[0].rate), rounded(middle.rate), rounded(sorted[len(sorted)-1].rate),
			ratio(middle, consumed), ratio(middle, copied),
			fmt.Sprintf("%.1f", microseconds(middle.process)), fmt.Sprintf("%.1f", microseconds(middle.postgres)), target,
		})
	}
	t.Render()
}

func rounded(rate float64) string { return fmt.Sprintf("%.0f", rate) }

func names(all []measurement) []string {
	var names []string
	for _, m := range all {
		if !slices.Contains(names, m.what) {
			names = append(names, m.what)
		}
	}
	return names
}

// runsOf are the measurements of one kind, the slowest first.
func runsOf(all []measurement, what string) []measurement {
	var runs []measurement
	for _, m := range all {
		if m.what == what {
			runs = append(runs, m)
		}
	}
	slices.SortFunc(runs, func(a, b measurement) int { return cmp.Compare(a.rate, b.rate) })
	return runs
}

// median is the run in the middle, the slower of two; its rate is 0 when there was
// none.
func median(all []measurement, what string) measurement {
	runs := runsOf(all, what)
	if len(runs) == 0 {
		return measurement{}
	}
	return runs[(len(runs)-1)/2]
}

func ratio(m, of measurement) string {
	if of.rate == 0 || m.what == of.what {
		return ""
	}
	return fmt.Sprintf("%.2f", m.rate/of.rate)
}
