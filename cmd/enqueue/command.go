package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/publish"
)

// publisher is the part of publish.Publisher that is used.
type publisher interface {
	Publish(ctx context.Context, publications []publish.Publication) ([]publish.Result, error)
}

// connector opens the publisher; tests bring their own. It goes on trying for the time of
// patience, and so does the publisher with each batch. lines is how many changes may travel in
// one message.
type connector func(
	ctx context.Context, settings config.NATS, patience time.Duration, lines int, say func(string),
) (p publisher, closeAll func(), err error)

func connect(ctx context.Context, settings config.NATS, patience time.Duration, lines int, say func(string)) (publisher, func(), error) {
	options := publish.Options{RetryFor: patience, Retrying: notice(say), PackLines: lines}
	target, conn, err := connectPublisher(ctx, settings, patience, options, say)
	if err != nil {
		return nil, nil, err
	}
	return target, conn.Close, nil
}

// connectPublisher connects and looks for the stream. The caller closes the connection.
func connectPublisher(
	ctx context.Context, settings config.NATS, patience time.Duration, options publish.Options, say func(string),
) (*publish.Publisher, *nats.Conn, error) {
	options.Denials = &publish.Denials{}
	waiting := func(err error) {
		say(fmt.Sprintf("NATS does not answer, trying for up to %s: %v", patience, err))
	}
	conn, err := natsconn.ConnectWithin(ctx, settings, patience, waiting, slog.New(slog.DiscardHandler),
		nats.ErrorHandler(options.Denials.Handler(nil)),
		// What is kept for a later connection would be sent behind the caller's back.
		nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to NATS at %s: %w", settings.URL.Address(), err)
	}
	js, err := natsconn.JetStream(settings, conn)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("opening JetStream: %w", err)
	}
	target := publish.NewPublisher(js, options)
	err = target.CheckStream(ctx, settings.Stream.Name)
	denial, denied := errors.AsType[*publish.DeniedError](err)
	switch {
	case err == nil:
	case denied && !denial.Subscription:
		say(fmt.Sprintf("this user may not ask for stream %s (%s): publishing without looking whether it is there", settings.Stream.Name, denial.Subject))
	case errors.Is(err, jetstream.ErrStreamNotFound):
		conn.Close()
		return nil, nil, fmt.Errorf("there is no stream %s yet: the first worker run (or worker dev) makes it", settings.Stream.Name)
	default:
		conn.Close()
		return nil, nil, fmt.Errorf("looking for stream %s: %w", settings.Stream.Name, err)
	}
	return target, conn, nil
}

// notice says that NATS does not answer: soon, and then seldom.
func notice(say func(string)) func(error) {
	const quiet = 15 * time.Second
	var last time.Time
	return func(err error) {
		if time.Since(last) >= quiet {
			last = time.Now()
			say(fmt.Sprintf("NATS does not take the lines, trying again: %v", err))
		}
	}
}

const longHelp = `Publishes catalog mutations to the stream, one JSON object per line, from files
or from standard input.

A line is a message: {"item_id":"SKU-1","operation":"UPSERT","attributes":{…}}.
It may say "account", "catalog" and "type" itself; the flags are for lines that
do not. Eight or more lines of one account, catalog and type travel in one message,
a pack. What is published again, a whole file or what is left of one, makes the same
packs: within two minutes the stream drops the repeat, later it is a second
mutation. With --no-packs it drops each line whose "id" it has seen.

A line that breaks the contract of the message is refused and named in the
summary; it never holds up the others. All files are opened before anything is
sent. What is not JSON lines (gzip, UTF-16, CSV, an array, …) is refused as a
whole. While NATS cannot be reached or has no leader, it goes on trying, for up to
--timeout; when it stops, it says at which line, and what is not known. Wrong
credentials and addresses end it at once. Lines of a pipe are published after a
second without others. The exit code is 1 when a line was refused or publishing
failed, 2 when the command was called wrongly.`

type arguments struct {
	sourceFlags

	lane     catalog.Lane
	laneType string
	patience time.Duration

	check, strict, dryRun, wait bool
	waitTimeout                 time.Duration
	waitDatabase                string
}

const databaseFlag = "address of Postgres (default $DATABASE_URL); better kept out of the command line"

func newCommand(streams cli.Streams, open connector) *cobra.Command {
	streams = streams.Legible()
	var given arguments
	shared := &sourceFlags{}
	command := &cobra.Command{
		Use:     "enqueue [file ...]",
		Short:   "publish catalog mutations, one JSON object per line",
		Long:    longHelp,
		Version: version,
		Example: `  enqueue mutations.jsonl
  zcat items.jsonl.gz | enqueue --account acme --catalog products --type PRODUCT_ITEM
  enqueue --output json mutations.jsonl | jq .refused
  enqueue --check --config courier.yaml mutations.jsonl
  enqueue --wait mutations.jsonl`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, files []string) error {
			given.sourceFlags = *shared
			return publishFiles(c.Context(), streams, open, given, files)
		},
	}
	persistent := command.PersistentFlags()
	persistent.StringVar(&shared.configPath, "config", "", "configuration file (default courier.yaml, where there is one)")
	persistent.StringVar(&shared.natsURL, "nats", "", "address of NATS (default $NATS_URL, or nats://127.0.0.1:4222)")
	cli.OutputFlag(command, persistent, &shared.output)
	persistent.BoolVar(&shared.noPacks, "no-packs", false, "give each change a message of its own, so that the stream drops repeats one by one")
	persistent.BoolVar(&shared.quiet, "quiet", false, "show no progress")
	set := &sources{streams: streams, open: open, given: shared}
	feed := set.feedCommand()
	feed.PersistentFlags().StringVar(&shared.database, "database", "", databaseFlag)
	deliveries := set.webhookCommand()
	deliveries.PersistentFlags().StringVar(&shared.database, "database", "", databaseFlag)
	command.AddCommand(feed, deliveries, set.serveCommand(), set.tokenCommand(), cli.VersionCommand(streams, version))
	flags := command.Flags()
	flags.StringVar(&given.lane.Account, "account", "", "default account for lines without \"account\"")
	flags.StringVar(&given.lane.Catalog, "catalog", "", "default catalog for lines without \"catalog\"")
	flags.StringVar(&given.laneType, "type", "", "default catalog type for lines without \"type\" or \"catalog_type\", such as RETAIL")
	flags.DurationVar(&given.patience, "timeout", publish.DefaultRetryFor, "how long to go on trying while NATS does not answer, for the start and for each batch; at most 1m50s")
	flags.BoolVar(&given.check, "check", false, "look at the lines and publish nothing: the contract, and with a configuration its accounts, catalogs and the platforms' rules")
	flags.BoolVar(&given.strict, "strict", false, "with --check, a warning fails as well")
	flags.BoolVar(&given.dryRun, "dry-run", false, "print the requests that the lines lead to, and publish nothing")
	flags.BoolVar(&given.wait, "wait", false, "wait until it is known what became of every line; needs the address of Postgres")
	flags.DurationVar(&given.waitTimeout, "wait-timeout", 0, "with --wait, how long to wait (default without an end)")
	flags.StringVar(&given.waitDatabase, "database", "", databaseFlag+"; for --wait")
	return command
}

// oneMode checks that the flags ask for one thing.
func (a *arguments) oneMode() error {
	modes := 0
	for _, given := range []bool{a.check, a.dryRun, a.wait} {
		if given {
			modes++
		}
	}
	switch {
	case modes > 1:
		return cli.UsageErrorf("--check, --dry-run and --wait contradict each other: give one of them")
	case a.strict && !a.check:
		return cli.UsageErrorf("--strict goes with --check")
	case a.waitTimeout < 0 || a.waitTimeout > 0 && !a.wait:
		return cli.UsageErrorf("--wait-timeout is how long --wait waits: above 0, and only with it")
	default:
		return nil
	}
}

func publishFiles(ctx context.Context, streams cli.Streams, open connector, given arguments, files []string) (err error) {
	output, err := cli.ParseOutput(given.output)
	if err != nil {
		return err
	}
	if len(files) == 0 && cli.TerminalReader(streams.In) {
		return cli.UsageErrorf("name a file, or pipe lines into standard input")
	}
	if given.patience <= 0 || given.patience > publish.DefaultRetryFor {
		return cli.UsageErrorf("--timeout %s is out of range: above 0, and at most %s, as the stream drops repeats for two minutes only",
			given.patience, publish.DefaultRetryFor)
	}
	if err := given.oneMode(); err != nil {
		return err
	}
	given.lane.Type = catalog.Type(given.laneType)
	sources, err := openAll(ctx, streams, given.lane, files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeInputs(sources)) }()
	switch {
	case given.check:
		return checkFiles(ctx, streams, given, output, sources, nil)
	case given.dryRun:
		return dryRunFiles(ctx, streams, given, output, sources)
	}
	settings, where, err := loadNATS(streams, given)
	if err != nil {
		return err
	}
	var awaited *waiter
	if given.wait {
		var closePool func()
		if awaited, closePool, err = openWaiter(ctx, streams, given); err != nil {
			return err
		}
		defer closePool()
	}
	if _, err := fmt.Fprintln(streams.Err, "publishing to "+where); err != nil {
		return err
	}
	target, closeAll, err := open(ctx, settings, given.patience, given.packLines(), func(text string) { _, _ = fmt.Fprintln(streams.Err, text) })
	if err != nil {
		return err
	}
	defer closeAll()

	report := &summary{}
	shown := startProgress(streams, given.quiet || output.Machine(), totalSize(sources))
	feed := &feeder{publisher: target, report: report, shown: shown, awaited: awaited}
	err = feed.all(ctx, sources)
	shown.stop()
	if awaited != nil && err == nil {
		report.Outcome = &awaited.found
		show, stop := startWaiting(streams, given.quiet || output.Machine(), len(awaited.pending))
		err = awaited.wait(ctx, given.waitTimeout, show)
		stop()
	}
	if printErr := report.print(streams, output); printErr != nil {
		return errors.Join(err, printErr)
	}
	switch {
	case err != nil:
		return err
	case report.Refused > 0 || report.Outcome != nil && report.Outcome.Failed > 0:
		return cli.ErrReported()
	default:
		return nil
	}
}

// loadNATS reads the settings of NATS, and says where they lead and why.
func loadNATS(streams cli.Streams, given arguments) (settings config.NATS, where string, err error) {
	options := config.Options{Lookup: streams.Lookup, Environ: streams.Environ, WithoutAccounts: true}
	if given.natsURL != "" {
		options.Flags = map[string]string{"nats.url": given.natsURL}
	}
	path, err := cli.ConfigPath(given.configPath)
	if err != nil {
		return config.NATS{}, "", err
	}
	loaded, err := config.Load(path, options)
	if err != nil {
		return config.NATS{}, "", err
	}
	return loaded.NATS, loaded.NATS.Stream.Name + " at " + natsconn.Address(loaded, nil), nil
}
