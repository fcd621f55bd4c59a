package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
)

func (s *sources) webhookCommand() *cobra.Command {
	command := &cobra.Command{Use: "webhook", Short: "look at the webhook deliveries of shops, and replay them"}
	command.AddCommand(s.deliveriesCommand(), s.replayCommand())
	return command
}

func (s *sources) deliveriesCommand() *cobra.Command {
	var state string
	var before int64
	var limit int
	command := &cobra.Command{
		Use: "list [SOURCE]", Short: "list deliveries, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			output, err := cli.ParseOutput(s.given.output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > 10_000 {
				return cli.UsageErrorf("--limit %d is not allowed: 1 to 10000", limit)
			}
			switch persistence.DeliveryState(state) {
			case "", persistence.DeliveryAccepted, persistence.DeliveryPartial, persistence.DeliveryPending, persistence.DeliveryRejected, persistence.DeliveryIgnored:
			default:
				return cli.UsageErrorf("--state %q is not allowed: accepted, partial, pending, rejected or ignored", state)
			}
			loaded, err := s.load()
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
				if _, err := named(loaded, name); err != nil {
					return err
				}
			}
			store, err := openDatabase(c.Context(), loaded)
			if err != nil {
				return err
			}
			defer store.pool.Close()
			rows, err := store.Deliveries(c.Context(), name, persistence.DeliveryState(state), before, limit)
			if err != nil {
				return err
			}
			return s.showDeliveries(output, rows)
		},
	}
	flags := command.Flags()
	flags.StringVar(&state, "state", "", "only these: accepted, partial, pending, rejected or ignored")
	flags.Int64Var(&before, "before", 0, "only deliveries before this one")
	flags.IntVar(&limit, "limit", 20, "the most deliveries")
	return command
}

func (s *sources) showDeliveries(output cli.Output, rows []persistence.DeliveryRow) error {
	if output.Machine() {
		if rows == nil {
			rows = []persistence.DeliveryRow{}
		}
		return output.Print(s.streams.Out, rows)
	}
	table := make([][]any, len(rows))
	for i := range rows {
		r := &rows[i]
		table[i] = []any{r.ID, r.Source, r.ReceivedAt.UTC().Format("2006-01-02 15:04:05 MST"), r.Topic, r.State, r.Published, r.Unchanged, cli.Clipped(r.Reason)}
	}
	return cli.Table(s.streams.Out, []string{"delivery", "source", "received", "topic", "state", "published", "unchanged", "reason"}, table)
}

func (s *sources) replayCommand() *cobra.Command {
	var note audited.Note
	command := &cobra.Command{
		Use: "replay DELIVERY ...", Short: "work deliveries through again", Args: cobra.MinimumNArgs(1),
		Long: `Reads deliveries that were kept once more, with the mapping of now. An item of which
something newer was sent since stays as it is.`,
		RunE: func(c *cobra.Command, args []string) error {
			output, err := cli.ParseOutput(s.given.output)
			if err != nil {
				return err
			}
			ids := make([]int64, len(args))
			for i, text := range args {
				if ids[i], err = strconv.ParseInt(text, 10, 64); err != nil || ids[i] < 1 {
					return cli.UsageErrorf("%q is not the number of a delivery", text)
				}
			}
			if err := note.Check(); err != nil {
				return err
			}
			return s.replay(c.Context(), output, ids, note.Text())
		},
	}
	note.Flag(command.Flags(), "reason")
	return command
}

// errRejected says that nothing of a delivery could be used, as before.
var errRejected = errors.New("rejected again")

// replay replays deliveries one by one, and writes each into the audit log; the first error
// ends it.
func (s *sources) replay(ctx context.Context, output cli.Output, ids []int64, note string) error {
	loaded, err := s.load()
	if err != nil {
		return err
	}
	store, err := openDatabase(ctx, loaded)
	if err != nil {
		return err
	}
	defer store.pool.Close()
	say := func(text string) { _, _ = fmt.Fprintln(s.streams.Err, text) }
	target, closeAll, err := s.open(ctx, loaded.NATS, publish.DefaultRetryFor, s.given.packLines(), say)
	if err != nil {
		return err
	}
	defer closeAll()
	receivers := map[string]*receive.Receiver{}
	failed := false
	for _, id := range ids {
		kept, err := store.Delivery(ctx, id)
		if err != nil {
			return err
		}
		receiver := receivers[kept.Source]
		if receiver == nil {
			settings, err := named(loaded, kept.Source)
			if err != nil {
				return err
			}
			if settings.Webhook == nil {
				return cli.UsageErrorf("the source %s has no webhook in the configuration", kept.Source)
			}
			made, err := source.New(settings, destinations, "")
			if err != nil {
				return err
			}
			var closing func()
			receiver, closing, err = made.Receiver(source.ReceiverOptions{
				Store: store, Publish: run.Publishing(target), Logger: telemetry.NewLogger(s.streams.Err, "text", slog.LevelWarn),
			})
			if err != nil {
				return err
			}
			defer closing()
			receivers[kept.Source] = receiver
		}
		var outcome *receive.Outcome
		action := audited.Action{Name: persistence.ActReplayDelivery, Target: fmt.Sprintf("delivery %d of %s", id, kept.Source), Expected: -1, Note: note}
		err = audited.Do(ctx, store.pool, action, func() (int64, string, error) {
			if outcome, err = receiver.Replay(ctx, id); err != nil {
				return -1, "", err
			}
			if outcome.State == persistence.DeliveryRejected {
				return 0, "", fmt.Errorf("%w: %s", errRejected, outcome.Reason)
			}
			return int64(outcome.Published), strings.TrimSpace(string(outcome.State) + " " + outcome.Reason), nil
		})
		if err != nil && !errors.Is(err, errRejected) {
			return fmt.Errorf("delivery %d: %w", id, err)
		}
		if err := s.showOutcome(output, id, outcome); err != nil {
			return err
		}
		failed = failed || outcome.State == persistence.DeliveryRejected
	}
	if failed {
		return cli.ErrReported()
	}
	return nil
}

func (s *sources) showOutcome(output cli.Output, id int64, outcome *receive.Outcome) error {
	if output.Machine() {
		return output.Print(s.streams.Out, outcome)
	}
	if err := s.line("Delivery %d: %s. Published %s, %d unchanged, %d older than what was sent. %s",
		id, outcome.State, cli.Counted(outcome.Published, "mutation"), outcome.Unchanged, outcome.Older, outcome.Reason); err != nil {
		return err
	}
	for _, finding := range byRoutes(outcome.Findings) {
		if err := s.line("  %s", findingText(finding.Finding, finding.routes)); err != nil {
			return err
		}
	}
	return nil
}
