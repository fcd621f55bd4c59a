package main

import (
	"strings"
	"testing"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
	"github.com/stretchr/testify/require"
)

// TestProcessorTimes: a run's times are shared out among its mutations, and what a run of a
// few took is the start.
func TestProcessorTimes(t *testing.T) {
	t.Parallel()
	few, many := result{Mutations: 10}, result{Mutations: 1010}
	few.spent(apart.Usage{Program: 100 * time.Millisecond, Postgres: 20 * time.Millisecond})
	many.spent(apart.Usage{Program: 110 * time.Millisecond, Broker: 5 * time.Millisecond, Platforms: time.Millisecond, Postgres: 24 * time.Millisecond})
	require.InDelta(t, 12_000, few.Draining, 1e-6)
	require.InDelta(t, many.Consumer+many.Broker+many.Sink+many.Postgres, many.Draining, 1e-6)
	many.started(few)
	require.InDelta(t, 120, many.Start, 1e-6)
	require.InDelta(t, 100, many.StartConsumer, 1e-6)
	require.InDelta(t, 20, many.Further, 1e-6) // 140 − 120 ms for a thousand more
	few.started(few)
	require.Zero(t, few.Further)
}

func TestTables(t *testing.T) {
	t.Parallel()
	all := []result{
		{Entrant: baseline(), Round: 1, Draining: 20, Whole: 40, Further: 19},
		{Entrant: "naive", Round: 1, Draining: 30, Whole: 50, Further: 29},
		{Entrant: "naive", Round: 2, Draining: 60, Whole: 70, Further: 59}, // its base is that of round 2
		{Entrant: baseline(), Round: 2, Draining: 30, Whole: 70, Further: 18},
		{Entrant: "naive", Round: 3, Draining: 90, Whole: 99}, // the base failed
	}
	cell := func(columns []column, title, name string) string {
		for i := range columns { // the last one of the title
			if c := columns[len(columns)-1-i]; c.title == title {
				return figures.Summary(valuesOf(all, name, c), c.digits)
			}
		}
		return "no such column"
	}
	require.Equal(t, "60.0 (30.0–90.0)", cell(processorTimes(), "draining", "naive"))
	require.Equal(t, "1.12 (1.00–1.25)", cell(processorTimes(), "÷", "naive"))
	require.Equal(t, "1.00", cell(processorTimes(), "÷", baseline()))
	require.Equal(t, "44.0 (29.0–59.0)", cell(processorTimes(), "without start", "naive"))

	require.Empty(t, cell(processorTimes(), "after the last status", "naive"))

	var out strings.Builder
	require.NoError(t, printTables(&out, all))
	require.Less(t, strings.Index(out.String(), baseline()), strings.Index(out.String(), "naive"))
	require.Contains(t, out.String(), "mutations/s")
	out.Reset()
	require.NoError(t, printTables(&out, []result{{Entrant: "naive", Round: 1, Draining: 1500, Latency: &trickle.Latency{P50: 2}}}))
	require.Contains(t, out.String(), "p99")
	require.Contains(t, out.String(), "1.5")
	out.Reset()
	require.NoError(t, printTables(&out, nil))
	require.Empty(t, out.String())
}
