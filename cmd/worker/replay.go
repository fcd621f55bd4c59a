package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
)

// replayPage is how many dead letters are read, published and marked at once: fewer
// where their messages are large.
const replayPage = publish.MaxBatch

func (a *app) replayCommand() *cobra.Command {
	var choice chosen
	var all, force bool
	command := &cobra.Command{
		Use:   "replay [ID ...]",
		Short: "publish dead letters again",
		Long: `Publishes the messages of dead letters again, oldest first, with the same id in
the body. A dead letter whose item has newer changes is skipped and listed, as
it would bring an old state back; --force replays it all the same.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			if len(ids) == 0 && choice.empty() && !all {
				return cli.UsageErrorf("say which: ids, a filter such as --reason, or --all")
			}
			if choice.mutation != "" && choice.account == "" {
				return cli.UsageErrorf("--mutation needs --account: ids are the producers' own, and two accounts may have the same")
			}
			return a.replay(c, choice.filter(ids), force)
		},
	}
	choice.flags(command.Flags())
	command.Flags().BoolVar(&all, "all", false, "all that were not replayed before")
	command.Flags().BoolVar(&force, "force", false, "also where the item has newer changes")
	return command
}

func (a *app) replay(c *cobra.Command, filter persistence.DeadLetterFilter, force bool) error {
	settings, err := a.loadInfrastructure()
	if err != nil {
		return err
	}
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
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
	if err := sameStream(c.Context(), db, js, settings.NATS, denials); err != nil {
		return err
	}
	identity, err := db.StreamIdentity(c.Context())
	if err != nil {
		return err
	}
	r := &replayer{db: db, publisher: publish.NewPublisher(js, publish.Options{Denials: denials}), force: force, installation: identity.Installation}
	err = errors.Join(r.all(c.Context(), filter), r.deniedError())
	if _, printErr := fmt.Fprintf(a.streams.Out, "replayed %d\n", r.replayed); printErr != nil {
		return errors.Join(err, printErr)
	}
	if r.taken > 0 {
		_, printErr := fmt.Fprintf(a.streams.Out, "left out %d that another replay published meanwhile\n", r.taken)
		err = errors.Join(err, printErr)
	}
	for _, left := range []struct {
		ids []int64
		why string
	}{
		{r.skipped, "whose items have newer changes (--force replays them)"},
		{r.lost, "whose messages are not kept any more, so that their producers must publish them again"},
	} {
		if len(left.ids) > 0 {
			_, printErr := fmt.Fprintf(a.streams.Out, "skipped %d %s:%s\n", len(left.ids), left.why, joinIDs(left.ids))
			err = errors.Join(err, printErr)
		}
	}
	return err
}

// sameStream refuses to publish to a stream that the database does not know: another
// installation would deliver what is replayed. A user who may not ask for it publishes
// nothing.
func sameStream(ctx context.Context, db *database, js jetstream.JetStream, settings config.NATS, denials *publish.Denials) error {
	recorded, err := db.StreamIdentity(ctx)
	if err != nil || recorded.Stream == "" {
		return err
	}
	limited, cancel := denials.Within(ctx)
	defer cancel()
	stream, err := queue.Find(limited, js, service.StreamConfig(settings))
	if err == nil {
		err = queue.CheckIdentity(limited, stream, recorded)
	}
	if denial, denied := errors.AsType[*publish.DeniedError](context.Cause(limited)); denied && err != nil {
		err = denial
	}
	if err != nil {
		return fmt.Errorf("stream %s at %s: %w", settings.Stream.Name, settings.URL.Address(), err)
	}
	return nil
}

// replayer publishes dead letters again.
type replayer struct {
	db           *database
	publisher    *publish.Publisher
	force        bool
	installation string

	replayed int64
	taken    int     // by another replay
	skipped  []int64 // whose items have newer changes
	lost     []int64 // whose messages were not kept
	// denied are those that NATS does not let the user publish, by subject.
	denied map[string][]int64
}

// deniedError names the subjects that were refused, and the dead letters of each.
func (r *replayer) deniedError() error {
	all := make([]error, 0, len(r.denied))
	for _, subject := range slices.Sorted(maps.Keys(r.denied)) {
		ids := r.denied[subject]
		all = append(all, fmt.Errorf("%w; %d dead letters are not replayed:%s", &publish.DeniedError{Subject: subject}, len(ids), joinIDs(ids)))
	}
	return errors.Join(all...)
}

func (r *replayer) all(ctx context.Context, filter persistence.DeadLetterFilter) error {
	filter.Limit = replayPage
	// What is refused once more while this replay goes on is a new dead letter, not one of its own.
	newest, err := r.db.NewestDeadLetter(ctx)
	if err != nil || newest == 0 {
		return err
	}
	filter.UpTo = newest
	for { // ends with the list: the cursor only moves forward
		letters, err := r.db.DeadLetters(ctx, filter)
		if err != nil {
			return err
		}
		if err := r.page(ctx, letters); err != nil {
			return err
		}
		if len(letters) == 0 {
			return nil
		}
		filter.After = letters[len(letters)-1].ID
	}
}

// page publishes what no other replay has published since the letters were listed, and
// marks what was stored, also when publishing stops halfway.
func (r *replayer) page(ctx context.Context, letters []persistence.DeadLetter) error {
	marked, err := r.db.Replay(ctx, letters, func(ctx context.Context, ids []int64) ([]int64, error) {
		r.taken -= len(ids)
		return r.publish(ctx, letters, ids)
	})
	r.replayed += marked
	if err == nil {
		r.taken += len(letters)
	}
	return err
}

// publish returns the ids of what is stored.
func (r *replayer) publish(ctx context.Context, letters []persistence.DeadLetter, ids []int64) (stored []int64, err error) {
	newer := map[int64]bool{}
	if !r.force {
		if newer, err = r.db.NewerChanges(ctx, ids); err != nil {
			return nil, err
		}
	}
	var sent []int64
	var publications []publish.Publication
	for i := range letters {
		switch id := letters[i].ID; {
		case !slices.Contains(ids, id):
			continue
		case letters[i].Message.Lost > 0:
			r.lost = append(r.lost, id)
			continue
		case newer[id]:
			r.skipped = append(r.skipped, id)
			continue
		}
		publication, err := republication(&letters[i], r.installation)
		if err != nil {
			return nil, err
		}
		sent, publications = append(sent, letters[i].ID), append(publications, publication)
	}
	results, err := r.publisher.Publish(ctx, publications)
	for i, result := range results {
		denial, denied := errors.AsType[*publish.DeniedError](result.Err)
		switch {
		case denied && !denial.Subscription: // alone: the others are published
			if r.denied == nil {
				r.denied = map[string][]int64{}
			}
			r.denied[denial.Subject] = append(r.denied[denial.Subject], sent[i])
		case result.Outcome != publish.Refused: // a duplicate is from an attempt without an answer, or of a replay that was killed
			stored = append(stored, sent[i])
		case err == nil:
			err = fmt.Errorf("dead letter %d cannot be published: %w", sent[i], result.Err)
		}
	}
	return stored, err
}

// republication is the dead letter's message under a new Nats-Msg-Id: the stream
// would take the old one for a repeat. The mutation keeps its id, in the body. The new id
// is the same until the letter is marked, so that the stream drops what a replay that was
// killed has published already.
func republication(l *persistence.DeadLetter, installation string) (publish.Publication, error) {
	name := fmt.Sprintf("replay %s %d %d %d %d", installation, l.ID, l.Position.Generation, l.Position.Sequence, l.ReplayedAt.UnixMicro())
	p := publish.Publication{Subject: l.Message.Subject, ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String(), Data: l.Message.Data}
	event := gjson.GetBytes(p.Data, "specversion").Exists()
	for _, header := range l.Message.Headers {
		// The server's own headers belong to the first message.
		if strings.HasPrefix(strings.ToLower(header.Name), "nats-") {
			continue
		}
		event = event || strings.EqualFold(header.Name, "ce-id")
		p.Headers = append(p.Headers, catalog.Header{Name: header.Name, Value: header.Value})
	}
	id := gjson.GetBytes(p.Data, "id")
	named := id.Exists() && id.Type != gjson.Null // null counts as absent
	if event || named || l.MutationID == "" || !gjson.ValidBytes(p.Data) || !gjson.ParseBytes(p.Data).IsObject() {
		return p, nil // the id is in the event, in the body, or cannot be put anywhere
	}
	data, err := sjson.SetBytes(append([]byte(nil), p.Data...), "id", l.MutationID)
	if err != nil {
		return publish.Publication{}, fmt.Errorf("putting the id into dead letter %d: %w", l.ID, err)
	}
	p.Data = data
	return p, nil
}
