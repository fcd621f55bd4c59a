package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/demo"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

func (a *app) demoCommand() *cobra.Command {
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "demo",
		Short: "publish examples/ to everything started in this process, and compare",
		Long: `Starts NATS, Postgres, simulated platforms and a worker, publishes the example
mutations, waits until all are final, and compares what the platforms hold with
what applying the mutations one at a time gives. Then runs the example feed: twice,
changed, with a webhook between, and broken. Exits with 1 when anything differs.
NATS_URL, DATABASE_URL and a courier.yaml in this folder are ignored; with
--database a temporary database is made on that server.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if timeout == 0 {
				return cli.UsageErrorf("--timeout 0s is not allowed: above 0")
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), timeout, fmt.Errorf("the demonstration took longer than %s", timeout))
			defer cancel()
			return a.demo(ctx)
		},
	}
	command.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long it may take")
	return command
}

func (a *app) demo(ctx context.Context) error {
	format, level, err := a.logOptions()
	if err != nil {
		return err
	}
	databaseURL, err := a.ownDatabase("demo")
	if err != nil {
		return err
	}
	result, err := demo.Run(ctx, demo.Options{
		DatabaseURL: databaseURL, Platforms: a.platforms, Progress: a.streams.Err,
		Logger: telemetry.NewLogger(a.streams.Err, format, max(level, slog.LevelError)),
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = errors.Join(cause, err)
		}
		return err
	}
	return printDemo(a.streams, result)
}

func printDemo(streams cli.Streams, result *demo.Result) error {
	rows := make([][]any, len(result.Statuses))
	for i, s := range result.Statuses {
		rows[i] = []any{s.Catalog, s.Status, s.Mutations}
	}
	if err := tableAndLine(streams.Out, []string{"catalog", "status", "mutations"}, rows); err != nil {
		return err
	}
	rows = make([][]any, len(result.Batches))
	for i, b := range result.Batches {
		rows[i] = []any{b.Catalog, b.State, b.Items, b.Mutations, b.Succeeded, b.Failed, b.Attempts, b.Handle}
	}
	if err := tableAndLine(streams.Out, []string{"batch of", "state", "items", "mutations", "succeeded", "failed", "attempts", "handle"}, rows); err != nil {
		return err
	}
	rows = make([][]any, len(result.DeadLetters))
	for i, d := range result.DeadLetters {
		rows[i] = []any{d.Item, d.Status, d.Reason, d.Why}
	}
	if err := cli.Table(streams.Out, []string{"not sent again", "status", "reason", "why"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(streams.Out, `
%d mutations published, all final after %s; %d POSTs, %d items on the platforms.
`, result.Published, result.Took.Round(10*time.Millisecond), result.Posts, result.Items)
	if err != nil {
		return err
	}
	rows = make([][]any, len(result.Steps))
	for i, s := range result.Steps {
		rows[i] = []any{s.What, s.Read, s.Published, s.Withheld, s.State, cli.Clipped(s.Why)}
	}
	if _, err := fmt.Fprintln(streams.Out); err != nil {
		return err
	}
	if err := tableAndLine(streams.Out, []string{"source", "read", "published", "withheld", "state", "why"}, rows); err != nil {
		return err
	}
	if len(result.Differences) > 0 {
		for _, difference := range result.Differences {
			_, _ = fmt.Fprintln(streams.Out, "VIOLATION: "+legible.Text(difference))
		}
		return fmt.Errorf("%d violations of what must always hold", len(result.Differences))
	}
	_, err = fmt.Fprintf(streams.Out, `The platforms hold exactly what applying the mutations one at a time gives, and all 120
products of the feed: a feed that lost most of them deletes nothing until somebody approves.

Where to look next:
  %s dev                           everything of this, running until you stop it
  %s examples/mutations.jsonl     publish to it from another terminal
  docs/feeds.md, docs/webhooks.md          from a feed or a shop, without a producer
  README.md                                ask in SQL what became of a mutation
`, os.Args[0], beside("enqueue"))
	return err
}

func tableAndLine(w io.Writer, header []string, rows [][]any) error {
	if err := cli.Table(w, header, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
