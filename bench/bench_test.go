package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-runs", "2", "trickle", "backlog"})
	require.NoError(t, err)
	require.Equal(t, 2, o.runs)
	require.Equal(t, []string{"trickle", "backlog"}, namesOf(o.scenarios))
	o, err = parseOptions(nil)
	require.NoError(t, err)
	require.Equal(t, namesOf(scenarios), namesOf(o.scenarios))
	for _, arguments := range [][]string{
		{"nothing"}, {"-runs", "0"}, {"-mutations", "999"}, {"-timeout", "0s"}, {"-nothing"},
	} {
		require.Equal(t, 2, command(arguments), "%q", arguments)
	}
	require.Zero(t, command([]string{"-h"}))
}

// TestScenarios: each has a name of its own and accounts, and says what it is.
func TestScenarios(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range scenarios {
		require.NotEmpty(t, s.what, s.name)
		require.NotEmpty(t, s.form, s.name)
		require.Positive(t, s.meta+s.pinterest, s.name)
		require.Equal(t, s.every > 0, s.count > 0, s.name)
		require.False(t, seen[s.name], s.name)
		seen[s.name] = true
	}
}

// TestRatioOfTheLeast: what one pair has too much of counts for nothing when another has not.
func TestRatioOfTheLeast(t *testing.T) {
	t.Parallel()
	p := pair{bare: 6, plain: 30, packs: 17}.least(pair{bare: 9, plain: 20, packs: 16})
	require.Equal(t, pair{bare: 6, plain: 20, packs: 16}, p)
	require.InDelta(t, 6.0, p.ratio(), 1e-9)
}

func TestTables(t *testing.T) {
	t.Parallel()
	all := []result{
		{Scenario: "backlog", Run: 1, Rate: 50_000, Worker: 20},
		{Scenario: "trickle", Run: 1, Latency: &trickle.Latency{P50: 7}},
		{Scenario: "backlog", Run: 2, Rate: 60_000, Worker: 30},
	}
	var out strings.Builder
	require.NoError(t, printTables(&out, all))
	require.Contains(t, out.String(), "55000 (50000–60000)")
	require.Contains(t, out.String(), "25.0 (20.0–30.0)")
	require.Less(t, strings.Index(out.String(), "backlog"), strings.Index(out.String(), "trickle"))
	out.Reset()
	require.NoError(t, printTables(&out, nil))
	require.Empty(t, out.String())
}

// TestCompare: runs are kept in files, and what differs clearly is shown as a ratio.
func TestCompare(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	older, newer := filepath.Join(folder, "old.jsonl"), filepath.Join(folder, "new.jsonl")
	for i, worker := range []float64{20, 22, 21} {
		require.NoError(t, figures.AppendLine(older, result{Scenario: "backlog", Run: i, Worker: worker, Broker: 5, Latency: nil}))
		require.NoError(t, figures.AppendLine(newer, result{Scenario: "backlog", Run: i, Worker: worker * 2, Broker: 5}))
	}
	require.NoError(t, figures.AppendLine(newer, result{Scenario: "trickle", Latency: &trickle.Latency{P50: 3}}))
	var out strings.Builder
	require.NoError(t, perform(t.Context(), &out, []string{"compare", older, newer}))
	require.Contains(t, out.String(), "2.00")
	require.Contains(t, out.String(), "~")
	require.NotContains(t, out.String(), "trickle", "the older runs have none")
	require.Error(t, perform(t.Context(), &out, []string{"compare", older}))
	require.Error(t, perform(t.Context(), &out, []string{"compare", older, filepath.Join(folder, "none")}))
	require.Error(t, compare(&out, nil, []result{{Scenario: "backlog", Worker: 1}}))
}
