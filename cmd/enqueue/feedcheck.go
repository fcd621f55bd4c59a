package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/mapping"
	"github.com/catalog-courier/catalog-courier/source/run"
)

const checkHelp = `Reads the configuration of the sources and compiles their mappings. It needs neither NATS
nor Postgres.

Samples are tests of a mapping: beside mappings/shop.yaml, the folder mappings/shop.samples
holds <name>.input.json, a record, and <name>.expected.json, the item that it becomes;
docs/mapping.md has an example. All are run, and a difference is an error.

With --read the feeds are read to their ends, too, and it says what is wrong with them.`

func (s *sources) checkCommand() *cobra.Command {
	var read bool
	command := &cobra.Command{
		Use: "check [SOURCE ...]", Short: "read the configuration, the mappings and their samples", Long: checkHelp, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, names []string) error {
			loaded, err := s.load()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = slices.Sorted(maps.Keys(loaded.Sources))
			}
			if len(names) == 0 {
				return cli.UsageErrorf("the configuration has no sources: docs/feeds.md shows how one is written")
			}
			var failed error
			for _, name := range names {
				settings, err := named(loaded, name)
				if err != nil {
					return err
				}
				made, err := source.New(settings, destinations, "")
				if err == nil {
					err = s.checkSource(c.Context(), made, read)
				}
				failed = errors.Join(failed, err)
			}
			return failed
		},
	}
	command.Flags().BoolVar(&read, "read", false, "read the feeds to their ends as well")
	return command
}

func (s *sources) checkSource(ctx context.Context, made *source.Source, read bool) error {
	if cli.Output(s.given.output).Machine() && read && made.Open != nil {
		return s.readFeed(ctx, made)
	}
	if err := s.line("%s: the configuration is right. Whether item_id is still that of the first run, plan says.", made.Name); err != nil {
		return err
	}
	failed, err := s.checkSamples(made)
	if err != nil {
		return err
	}
	if read && made.Open != nil {
		if err := s.readFeed(ctx, made); err != nil {
			return err
		}
	}
	if failed {
		return cli.ErrReported()
	}
	return nil
}

// checkSamples runs the samples beside the mapping of each route.
func (s *sources) checkSamples(made *source.Source) (failed bool, err error) {
	for i, m := range made.Mappings {
		file := made.Config.Routes[i].Mapping
		folder := strings.TrimSuffix(file, filepath.Ext(file)) + ".samples"
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			if !slices.Contains(mapping.Presets(), file) {
				if err := s.line("%s: no samples: there is no folder %s.", made.Routes[i], folder); err != nil {
					return false, err
				}
			}
			continue
		}
		outcomes, err := m.Check(folder)
		if err != nil {
			return false, err
		}
		wrong := 0
		for _, outcome := range outcomes {
			if len(outcome.Differences) == 0 {
				continue
			}
			wrong++
			for _, difference := range outcome.Differences {
				if err := s.line("%s: %s: %s", made.Routes[i], legible.Text(outcome.Name), legible.Text(difference)); err != nil {
					return false, err
				}
			}
		}
		if err := s.line("%s: %s of %s, %d differ.", made.Routes[i], cli.Counted(len(outcomes), "sample"), folder, wrong); err != nil {
			return false, err
		}
		failed = failed || wrong > 0
	}
	return failed, nil
}

// readFeed reads a feed to its end and maps what it has.
func (s *sources) readFeed(ctx context.Context, made *source.Source) error {
	bar := startRunProgress(s.streams, s.given.quiet)
	read, err := run.Read(ctx, made.Source, bar.progress)
	bar.stop()
	if err != nil {
		return err
	}
	if output := cli.Output(s.given.output); output.Machine() {
		return output.Print(s.streams.Out, read)
	}
	rows := make([][]any, 0, len(read.Routes))
	for _, route := range read.Routes {
		rows = append(rows, []any{route.Route, route.Valid, route.Invalid, route.FilteredOut, route.WithoutID})
	}
	if err := s.line("%s: %s, %s.", made.Name, cli.Counted(int(read.Records), "record"), cli.Counted(int(read.Unreadable), "unreadable one")); err != nil {
		return err
	}
	if err := cli.Table(s.streams.Out, []string{"route", "valid", "invalid", "filtered out", "without id"}, rows); err != nil {
		return err
	}
	for _, route := range read.Routes {
		if err := s.showSamples(run.RoutePlan{Route: route.Route, Samples: route.Samples}); err != nil {
			return err
		}
	}
	return s.showFindings(read.Findings, 0)
}
