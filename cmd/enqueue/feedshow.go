package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// shownAttributes is how much of a sample's attributes is shown, in columns.
const shownAttributes = 160

// show prints a plan.
func (s *sources) show(output cli.Output, session *session, plan *run.Plan) error {
	if output.Machine() {
		return output.Print(s.streams.Out, plan)
	}
	if plan.Unchanged {
		return s.showSame(plan)
	}
	if err := s.line("%s: %s, as of %s", plan.Source, cli.Counted(int(plan.Read), "record"), plan.SnapshotAt.UTC().Format("2006-01-02 15:04:05 MST")); err != nil {
		return err
	}
	rows := make([][]any, 0, len(plan.Routes))
	for _, route := range plan.Routes {
		rows = append(rows, countsRow(route.Route, route.Counts, route.Decision))
	}
	if err := cli.Table(s.streams.Out, countsHeader, rows); err != nil {
		return err
	}
	for i, route := range plan.Routes {
		if route.Reason != "" {
			if err := s.line("%s: %s: %s.", route.Route, route.Decision, strings.TrimSuffix(route.Reason, ".")); err != nil {
				return err
			}
		}
		if route.MappingChanged {
			if err := s.line("%s: its mapping is not that of the last run.", route.Route); err != nil {
				return err
			}
		}
		if err := s.showTime(session, i, route); err != nil {
			return err
		}
		if err := s.showSamples(route); err != nil {
			return err
		}
	}
	return s.showFindings(plan.Findings, plan.Run)
}

// showSame says that a feed did not change, and which of its items still have errors.
func (s *sources) showSame(plan *run.Plan) error {
	if err := s.line("The feed of %s is the same as in the last run: there is nothing to send.", plan.Source); err != nil {
		return err
	}
	for _, route := range plan.Routes {
		if route.Counts.Invalid == 0 {
			continue
		}
		if err := s.line("%s: %s of it had errors and was not sent. What is wrong: enqueue feed runs %d", route.Route, cli.Counted(route.Counts.Invalid, "item"), plan.LastRead); err != nil {
			return err
		}
	}
	return nil
}

var countsHeader = []string{"route", "add", "change", "delete", "unchanged", "missing", "older", "invalid", "verdict"}

func countsRow(route string, counts difference.Counts, verdict string) []any {
	return []any{
		route, counts.Added, counts.Changed + counts.Refreshed, counts.Removed, counts.Unchanged, counts.Awaited, counts.Older, counts.Invalid, verdict,
	}
}

func (s *sources) line(format string, args ...any) error {
	_, err := fmt.Fprintf(s.streams.Out, format+"\n", args...)
	return err
}

// showTime says about how long the platform takes for many changes.
func (s *sources) showTime(session *session, i int, route run.RoutePlan) error {
	settings := session.source.Config.Routes[i]
	destination, known := destinations(settings.Platform, route.Lane.Type)
	changes := route.Counts.Added + route.Counts.Changed + route.Counts.Refreshed + route.Counts.Removed
	if !known || destination.BatchItems == 0 || destination.BatchesPerHour == 0 {
		return nil
	}
	batches := (changes + destination.BatchItems - 1) / destination.BatchItems
	takes := time.Duration(float64(batches) / float64(destination.BatchesPerHour) * float64(time.Hour))
	if changes == 0 {
		return nil
	}
	long := "less than a minute"
	if takes >= time.Minute {
		long = "about " + strings.TrimSuffix(takes.Round(time.Minute).String(), "0s")
	}
	return s.line("%s: %s, %s by the platform's usual quota.", route.Route, cli.Counted(batches, "request"), long)
}

var signs = map[string]string{"added": "+", "changed": "~", "refreshed": "~", "removed": "-"}

func (s *sources) showSamples(route run.RoutePlan) error {
	if len(route.Samples) > 0 {
		what := "for example"
		if route.Decision == "stopped" {
			what = "none of which is sent"
		}
		if err := s.line("%s, %s:", route.Route, what); err != nil {
			return err
		}
	}
	for _, sample := range route.Samples {
		text := string(sample.Attributes)
		if sample.Attributes == nil {
			text = sample.Operation
		}
		if len(sample.Gone) > 0 {
			text = "without " + strings.Join(sample.Gone, ", ") + "; " + text
		}
		if len(sample.Added) > 0 {
			text = "with " + strings.Join(sample.Added, ", ") + "; " + text
		}
		if err := s.line("  %s %s  %s", signs[sample.Kind], legible.Text(sample.ItemID), legible.Clip(text, shownAttributes)); err != nil {
			return err
		}
	}
	return nil
}

// showFindings prints each kind with its first samples, or with all that are kept where the
// run that shows more is 0.
func (s *sources) showFindings(kinds []run.KindCount, more int64) error {
	const samples = 3
	for _, kind := range kinds {
		if err := s.line("%s %s: %d", kind.Severity, kind.Kind, kind.Count); err != nil {
			return err
		}
		found, told := byRoutes(kind.Samples), 0
		for i, finding := range found {
			if i == samples && more != 0 {
				break
			}
			if err := s.line("  %s", findingText(finding.Finding, finding.routes)); err != nil {
				return err
			}
			told += finding.count
		}
		rest := kind.Count - told
		var err error
		switch {
		case rest > 0 && more != 0:
			err = s.line("  … and %d more: enqueue feed runs %d", rest, more)
		case rest > 0:
			err = s.line("  … and %d more, which are counted and not kept", rest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// routedFinding is a finding with all the routes that have it.
type routedFinding struct {
	run.Finding

	routes []string
	count  int
}

// byRoutes puts findings together that differ by route only.
func byRoutes(found []run.Finding) (together []*routedFinding) {
	known := make(map[run.Finding]*routedFinding, len(found))
	for _, finding := range found {
		route := finding.Route
		finding.Route = ""
		one := known[finding]
		if one == nil {
			one = &routedFinding{Finding: finding}
			known[finding] = one
			together = append(together, one)
		}
		one.count++
		if route != "" && !slices.Contains(one.routes, route) {
			one.routes = append(one.routes, route)
		}
	}
	return together
}

func findingText(f run.Finding, routes []string) string {
	var parts []string
	for _, part := range []string{f.Place, strings.Join(routes, ", ")} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.ItemID != "" {
		parts = append(parts, "item "+f.ItemID)
	}
	what := f.Rule
	if f.Field != "" {
		what = f.Field
		if f.Value != "" {
			what += " " + f.Value
		}
		what += ": " + f.Rule
	}
	return legible.Text(strings.Join(append(parts, what), ": "))
}

// showResult says how a run ended.
func (s *sources) showResult(plan *run.Plan, result run.Result) error {
	switch result.State {
	case persistence.RunUnchanged:
		return nil
	case persistence.RunWithheld:
		return s.line("Run %d: published %s; %s withheld. If they are meant: enqueue feed approve %d",
			plan.Run, cli.Counted(int(result.Published), "mutation"), cli.Counted(result.Withheld, "delete"), plan.Run)
	case persistence.RunStopped:
		return s.line("Run %d: stopped. Published %s.", plan.Run, cli.Counted(int(result.Published), "mutation"))
	default:
		return s.line("Run %d: %s. Published %s.", plan.Run, result.State, cli.Counted(int(result.Published), "mutation"))
	}
}

func (s *sources) runsCommand() *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use: "runs [SOURCE|RUN]", Short: "list runs, or show one", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			output, err := cli.ParseOutput(s.given.output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > 10_000 {
				return cli.UsageErrorf("--limit %d is not allowed: 1 to 10000", limit)
			}
			loaded, err := s.load()
			if err != nil {
				return err
			}
			store, err := openDatabase(c.Context(), loaded)
			if err != nil {
				return err
			}
			defer store.pool.Close()
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			var id int64
			if _, err := fmt.Sscanf(name, "%d", &id); err == nil && strconv.FormatInt(id, 10) == name && loaded.Sources[name].Name == "" {
				row, err := store.Run(c.Context(), id)
				if err != nil {
					return err
				}
				return s.showRun(output, row)
			}
			if name != "" {
				if _, err := named(loaded, name); err != nil {
					return err
				}
			}
			rows, err := store.Runs(c.Context(), name, limit)
			if err != nil {
				return err
			}
			return s.showRuns(output, rows)
		},
	}
	command.Flags().IntVar(&limit, "limit", 20, "the most runs, the newest first")
	return command
}

func (s *sources) showRuns(output cli.Output, rows []persistence.RunRow) error {
	if output.Machine() {
		if rows == nil {
			rows = []persistence.RunRow{}
		}
		return output.Print(s.streams.Out, rows)
	}
	table := make([][]any, 0, len(rows))
	for _, row := range rows {
		table = append(table, []any{row.Run, row.Source, row.State, row.StartedAt.UTC().Format("2006-01-02 15:04:05 MST"), row.ItemsRead, row.Published, row.Trigger, row.Reason})
	}
	return cli.Table(s.streams.Out, []string{"run", "source", "state", "started", "read", "published", "trigger", "reason"}, table)
}

// showRun prints a run with its routes and findings.
func (s *sources) showRun(output cli.Output, row persistence.RunRow) error {
	if output.Machine() {
		return output.Print(s.streams.Out, row)
	}
	if err := s.showRuns(output, []persistence.RunRow{row}); err != nil {
		return err
	}
	var routes []run.RoutePlan
	var findings []run.KindCount
	if err := json.Unmarshal(row.Counts, &routes); err != nil {
		return fmt.Errorf("read run %d: %w", row.Run, err)
	}
	if err := json.Unmarshal(row.Findings, &findings); err != nil {
		return fmt.Errorf("read run %d: %w", row.Run, err)
	}
	table := make([][]any, 0, len(routes))
	for _, route := range routes {
		table = append(table, countsRow(route.Route, route.Counts, route.Decision))
	}
	if err := cli.Table(s.streams.Out, countsHeader, table); err != nil {
		return err
	}
	for _, route := range routes {
		if route.Reason != "" {
			if err := s.line("%s: %s", route.Route, route.Reason); err != nil {
				return err
			}
		}
	}
	return s.showFindings(findings, 0)
}
