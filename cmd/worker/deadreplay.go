package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/replay"
	"github.com/catalog-courier/catalog-courier/service"
)

// shownSkipped is how many letters that were left out are named one by one.
const shownSkipped = 20

func (a *app) replayCommand() *cobra.Command {
	var act acting
	var force bool
	var output string
	command := &cobra.Command{
		Use:   "replay [ID ...]",
		Short: "publish dead letters again",
		Long: `Publishes the messages of dead letters again, oldest first, with the same id in
the body. A dead letter whose item has newer changes is skipped and listed, as
it would bring an old state back; --force replays it all the same.

With a filter or --all it asks before it publishes; --yes answers for scripts.
--dry-run says what would be published.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			filter, err := act.which(args)
			if err != nil {
				return err
			}
			return a.replay(c, &act, filter, force, format)
		},
	}
	act.declare(command, "replaying")
	command.Flags().BoolVar(&force, "force", false, "replay even if the item has newer changes (may restore old data)")
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

func (a *app) replay(c *cobra.Command, act *acting, filter persistence.DeadLetterFilter, force bool, format cli.Output) error {
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	options := replay.Options{Store: db.Store, By: act.who(), Force: force}
	many, expected := len(filter.IDs) == 0, int64(-1)
	if err := a.mayAsk(act, many); err != nil {
		return err
	}
	if act.dryRun || many && !act.yes {
		preview, err := replay.New(options).Preview(c.Context(), filter)
		if err != nil {
			return err
		}
		if act.dryRun {
			if format.Machine() {
				return format.Print(a.streams.Out, preview)
			}
			_, err := fmt.Fprint(a.streams.Out, "would "+previewText(&preview))
			return err
		}
		if preview.Published > 0 && !a.streams.Confirm(previewText(&preview)+"Go on?") {
			return errNotConfirmed
		}
		expected = int64(preview.Published)
	}
	var result replay.Result
	began := false
	err = a.audited(c, db, act.action(persistence.ActReplayLetters, &filter, expected), func() (int64, string, error) {
		err := a.publishing(c.Context(), db, options, func(r *replay.Replayer) (err error) {
			began = true
			result, err = r.Replay(c.Context(), filter)
			return errors.Join(err, result.DeniedError())
		})
		return result.Replayed, cli.Counted(int(result.Replayed), "dead letter") + " published again", err
	})
	switch {
	case !began:
		return err
	case format.Machine():
		return errors.Join(err, format.Print(a.streams.Out, result))
	default:
		return errors.Join(err, a.printReplayed(c.Context(), replay.New(options), &result, filter))
	}
}

// mayAsk refuses what changes many letters where nobody can be asked and nobody has answered.
func (a *app) mayAsk(act *acting, many bool) error {
	if many && !act.yes && !act.dryRun && !a.streams.Asks() {
		return cli.UsageErrorf("nobody is at the terminal who could be asked: use --yes, or --dry-run first")
	}
	return nil
}

var errNotConfirmed = errors.New("nothing was done")

// publishing calls act with a Replayer that can publish.
func (a *app) publishing(ctx context.Context, db *database, options replay.Options, act func(*replay.Replayer) error) error {
	settings, err := a.loadInfrastructure()
	if err != nil {
		return err
	}
	denials := &publish.Denials{}
	conn, err := natsconn.Connect(settings.NATS, slog.New(slog.DiscardHandler), nats.ErrorHandler(denials.Handler(nil)))
	if err != nil {
		return fmt.Errorf("connecting to NATS at %s: %w", settings.NATS.URL.Address(), err)
	}
	defer conn.Close()
	js, err := natsconn.JetStream(settings.NATS, conn)
	if err != nil {
		return err
	}
	identity, err := db.StreamIdentity(ctx)
	if err != nil {
		return err
	}
	if err := replay.CheckStream(ctx, js, service.StreamConfig(settings.NATS), identity, denials); err != nil {
		return fmt.Errorf("stream %s at %s: %w", settings.NATS.Stream.Name, settings.NATS.URL.Address(), err)
	}
	options.Publisher, options.Installation = publish.NewPublisher(js, publish.Options{Denials: denials, PackLines: 1}), identity.Installation
	return act(replay.New(options))
}

func previewText(p *replay.Preview) string {
	more := ""
	if p.Capped {
		more = " (there are more: no more were looked at)"
	}
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "publish %d of %s%s\n", p.Published, cli.Counted(p.Letters, "dead letter"), more)
	for _, code := range slices.SortedFunc(maps.Keys(p.Reasons), func(a, b catalog.Reason) int { return cmp.Or(p.Reasons[b]-p.Reasons[a], cmp.Compare(a, b)) }) {
		_, _ = fmt.Fprintf(&text, "  %d %s\n", p.Reasons[code], code)
	}
	for _, part := range []struct {
		count int
		what  string
	}{
		{p.Newer, "items with newer changes"},
		{p.Lost, "messages that are not kept"},
		{p.Hopeless, "reasons that a replay does not change: the same message fails again"},
	} {
		if part.count > 0 {
			_, _ = fmt.Fprintf(&text, "of these, %d with %s\n", part.count, part.what)
		}
	}
	return text.String()
}

func (a *app) printReplayed(ctx context.Context, r *replay.Replayer, result *replay.Result, filter persistence.DeadLetterFilter) error {
	lines := []string{fmt.Sprintf("replayed %d", result.Replayed)}
	if result.Taken > 0 {
		lines = append(lines, fmt.Sprintf("left out %d that somebody else replayed or dismissed meanwhile", result.Taken))
	}
	lines = append(lines, skippedLines(result.Newer, "has a newer change; --force replays it anyway (may restore old data)")...)
	lines = append(lines, skippedLines(result.Lost, "has a message that is not kept; its producer must publish it again")...)
	if len(filter.IDs) > 0 && len(filter.States) == 0 {
		closed, err := r.Store.DeadLetters(ctx, persistence.DeadLetterFilter{
			IDs: filter.IDs, Limit: len(filter.IDs), WithoutMessage: true, FailedBefore: filter.FailedBefore,
			States: []persistence.LetterState{persistence.LetterReplayed, persistence.LetterDismissed, persistence.LetterResolved},
		})
		if err != nil {
			return err
		}
		untouched := int64(len(closed)) - result.Replayed // of those that were replayed right now
		if untouched > 0 {
			lines = append(lines, fmt.Sprintf("skipped %d that are not open any more; --state all replays them as well", untouched))
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(a.streams.Out, line); err != nil {
			return err
		}
	}
	return nil
}

func skippedLines(skipped []replay.Skipped, why string) (lines []string) {
	for i, one := range skipped {
		if i == shownSkipped {
			return append(lines, fmt.Sprintf("skipped %d more for the same reason", len(skipped)-i))
		}
		lines = append(lines, fmt.Sprintf("skipped #%d: item %s %s", one.ID, one.ItemID, why))
	}
	return lines
}
