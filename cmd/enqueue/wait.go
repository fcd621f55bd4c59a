package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jedib0t/go-pretty/v6/progress"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/status"
)

const (
	// maxAwaited bounds what is kept of lines that are waited for: about 200 bytes each.
	maxAwaited = 1_000_000
	// askInterval is how often it is asked what became of them, and pagesAtOnce for how many
	// pages then. Those that are not final come again behind the others.
	askInterval = time.Second
	// reasonInterval is how often it is asked what the first of them waits for.
	reasonInterval = 3 * time.Second
	pagesAtOnce    = 10
)

var errNoWaitDatabase = errors.New("--wait reads in Postgres what became of the lines: give its address with --database, $DATABASE_URL " +
	"or the key database.url; a role that reads the views is enough")

// errStillWaiting says that the time of --wait-timeout is over.
var errStillWaiting = errors.New("the time of --wait-timeout is over")

// outcomes are what became of the lines.
type outcomes struct {
	Delivered  int       `json:"delivered"`
	Superseded int       `json:"superseded"` // by a newer change of the same item, which says what became of it
	Failed     int       `json:"failed"`
	Waiting    int       `json:"waiting"`       // when the wait ended
	Why        string    `json:"why,omitempty"` // what the first of those waits for
	Failures   []refusal `json:"failures"`      // the first 1000
}

// waiter follows published lines until it is known what became of them.
type waiter struct {
	reader  *status.Reader
	pending []status.Published
	places  map[status.Published]place
	over    int // lines beyond maxAwaited
	found   outcomes
	// reasonAt is when the reason of the first pending line is asked for again.
	reasonAt time.Time
}

// openWaiter connects to the database, so that a wrong address is found before anything is
// published.
func openWaiter(ctx context.Context, streams cli.Streams, given arguments) (w *waiter, closePool func(), err error) {
	path, err := cli.ConfigPath(given.configPath)
	if err != nil {
		return nil, nil, err
	}
	options := config.Options{Lookup: streams.Lookup, Environ: streams.Environ, WithoutAccounts: true}
	if given.waitDatabase != "" {
		options.Flags = map[string]string{"database.url": given.waitDatabase}
	}
	loaded, err := config.Load(path, options)
	if err == nil && loaded.Database.URL.IsZero() && loaded.NATS.URL.Reveal() == config.DefaultNATS && given.natsURL == "" {
		if options.Flags, options.FlagsFrom = devservers.FlagsAt(streams, config.DefaultNATS), devservers.From; options.Flags != nil {
			loaded, err = config.Load(path, options)
		}
	}
	if err != nil {
		return nil, nil, cli.ConfigError(err)
	}
	if loaded.Database.URL.IsZero() {
		return nil, nil, errNoWaitDatabase
	}
	var pool *pgxpool.Pool
	pool, err = persistence.Open(ctx, persistence.PoolConfig{URL: loaded.Database.URL.Reveal(), MaxConns: 2, ApplicationName: "catalog-courier enqueue"})
	if err != nil {
		return nil, nil, err
	}
	w = &waiter{reader: status.NewReader(pool, status.Config{}), places: map[status.Published]place{}}
	if _, err := w.reader.Outcomes(ctx, nil); err != nil {
		pool.Close()
		return nil, nil, fmt.Errorf("the database at %s: %w", loaded.Database.URL.Address(), err)
	}
	return w, pool.Close, nil
}

// add notes a line that the stream has. A nil *waiter notes nothing.
func (w *waiter) add(id string, result publish.Result, at place) {
	if w == nil {
		return
	}
	if len(w.pending) >= maxAwaited {
		w.over++
		return
	}
	one := status.Published{ID: id, Sequence: result.Sequence, Line: result.Line}
	w.pending, w.places[one] = append(w.pending, one), at
}

// wait asks until all is known, ctx ends or timeout is over; 0 is no timeout. show is called
// after each round. Whoever waits longer than reasonInterval learns what for.
func (w *waiter) wait(ctx context.Context, timeout time.Duration, show func(*outcomes)) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errStillWaiting)
		defer cancel()
	}
	again := time.NewTicker(askInterval)
	defer again.Stop()
	w.reasonAt = time.Now().Add(reasonInterval)
	for {
		err := w.round(ctx)
		w.found.Waiting = len(w.pending) + w.over
		if err == nil {
			w.explain(ctx)
		}
		show(&w.found)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%d lines are not final: %w%s", w.found.Waiting, context.Cause(ctx), w.because())
		case err != nil:
			return fmt.Errorf("%d lines are not known to be final: %w", w.found.Waiting, err)
		case len(w.pending) == 0:
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// explain notes what the first pending line waits for. Where that cannot be read, it is still
// known what became of the lines.
func (w *waiter) explain(ctx context.Context) {
	if len(w.pending) == 0 {
		w.found.Why = ""
		return
	}
	if time.Now().Before(w.reasonAt) {
		return
	}
	w.reasonAt = time.Now().Add(reasonInterval)
	first := slices.MinFunc(w.pending, func(a, b status.Published) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Line, b.Line))
	})
	rows, err := w.reader.Mutation(ctx, first.ID, "")
	if err != nil && !errors.Is(err, status.ErrNotFound) {
		return
	}
	place := strconv.FormatUint(first.Sequence, 10)
	if first.Line > 0 {
		place += "." + strconv.Itoa(first.Line)
	}
	at, why := w.places[first], "no worker has read it yet"
	for i := range rows {
		if _, of, _ := strings.Cut(string(rows[i].Place), "."); of == place { // behind the generation
			why = cmp.Or(rows[i].Reason, rows[i].Status)
		}
	}
	w.found.Why = fmt.Sprintf("line %d of %s: %s", at.number, at.source, why)
}

// round asks for the first pages of those that are pending.
func (w *waiter) round(ctx context.Context) error {
	for range min(pagesAtOnce, (len(w.pending)+status.MaxPage-1)/status.MaxPage) {
		page := w.pending[:min(status.MaxPage, len(w.pending))]
		ended, err := w.reader.Outcomes(ctx, page)
		if err != nil {
			return err
		}
		for i := range ended {
			w.end(&ended[i])
		}
		rest := w.pending[len(page):]
		for _, one := range page {
			if _, open := w.places[one]; open {
				rest = append(rest, one)
			}
		}
		w.pending = rest
	}
	return nil
}

// because is the reason, as the end of a message.
func (w *waiter) because() string {
	if w.found.Why == "" {
		return ""
	}
	return "; " + w.found.Why
}

func (w *waiter) end(e *status.Ended) {
	at, open := w.places[e.Published]
	if !open {
		return
	}
	delete(w.places, e.Published)
	switch e.Status {
	case "succeeded":
		w.found.Delivered++
	case "superseded":
		w.found.Superseded++
	default:
		w.found.Failed++
		if len(w.found.Failures) < maxRefusals {
			w.found.Failures = append(w.found.Failures, refusal{Source: at.source, Line: at.number, Reason: e.Status + reasonsOf(e.Errors)})
		}
	}
}

func reasonsOf(issues []status.Issue) string {
	texts := make([]string, 0, len(issues))
	for _, issue := range issues {
		parts := []string{}
		for _, part := range []string{issue.Code, issue.Attribute, issue.Message} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		texts = append(texts, strings.Join(parts, ": "))
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, "; ")
}

// startWaiting draws a bar of what is final on a terminal, and elsewhere writes what is waited
// for where that changes.
func startWaiting(streams cli.Streams, quiet bool, total int) (show func(*outcomes), stop func()) {
	if quiet {
		return func(*outcomes) {}, func() {}
	}
	if !cli.Terminal(streams.Err) {
		said := ""
		return func(o *outcomes) {
			if o.Why != "" && o.Why != said {
				said = o.Why
				_, _ = fmt.Fprintf(streams.Err, "%d of %d not final; %s\n", o.Waiting, total, o.Why) // what cannot be shown is no reason to stop
			}
		}, func() {}
	}
	bar := startProgress(streams, quiet, int64(total))
	bar.tracker.Units = progress.UnitsDefault
	return func(o *outcomes) {
		bar.tracker.SetValue(int64(o.Delivered + o.Superseded + o.Failed))
		message := fmt.Sprintf("delivered %d, failed %d of %d", o.Delivered, o.Failed, total)
		if o.Why != "" {
			message += "; " + o.Why
		}
		bar.tracker.UpdateMessage(message)
	}, bar.stop
}
