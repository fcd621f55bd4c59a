package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/destination"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// approvals run sources again in which somebody has approved deletes, as enqueue feed
// approve does.
type approvals struct {
	sources   func() (*config.Config, error)
	store     *persistence.Sources
	platforms []platform.Descriptor
	logger    *slog.Logger

	all     context.Context //nolint:containedctx // ends all runs: each outlasts the request that began it
	end     context.CancelFunc
	mu      sync.Mutex // no run begins once close waits
	running sync.WaitGroup
}

func newApprovals(
	ctx context.Context, sources func() (*config.Config, error), store *persistence.Sources, platforms []platform.Descriptor, logger *slog.Logger,
) *approvals {
	a := &approvals{sources: sources, store: store, platforms: platforms, logger: logger}
	a.all, a.end = context.WithCancel(context.WithoutCancel(ctx))
	return a
}

// shortRun is how long whoever approves waits for a run to end; a longer one goes on, and
// its own page shows how far it is.
const shortRun = 5 * time.Second

var errConsoleEnds = errors.New("the console is ending")

// approve reads the feed again and lets at most so many deletes of each route go. The run is
// not the request's: it goes on when the browser is gone.
func (a *approvals) approve(ctx context.Context, id int64, most int) (string, error) {
	row, err := a.store.Run(ctx, id)
	if err != nil {
		return "", err
	}
	loaded, err := a.sources()
	if err != nil {
		return "", fmt.Errorf("reading the sources of the configuration: %w", err)
	}
	settings, known := loaded.Sources[row.Source]
	if !known || settings.Feed == nil {
		return "", fmt.Errorf("the configuration of this console has no feed of source %q; approve with enqueue feed approve %d", row.Source, id)
	}
	made, err := source.New(settings, destination.Of(a.platforms), "") //nolint:contextcheck // samples of a mapping have a time of their own
	if err != nil {
		return "", err
	}
	whole, done, err := a.begin(ctx)
	if err != nil {
		return "", err
	}
	type end struct {
		result run.Result
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		defer done()
		result, err := a.run(whole, loaded, made, run.Request{Trigger: fmt.Sprint("approval of run ", id), Approved: most})
		if err != nil {
			a.logger.WarnContext(whole, "an approved run of a source failed", slog.String("source", row.Source), slog.Int64("run", id), slog.String("error", err.Error()))
		}
		ended <- end{result, err}
	}()
	wait := time.NewTimer(shortRun)
	defer wait.Stop()
	select {
	case e := <-ended:
		if e.err != nil {
			return "", e.err
		}
		return fmt.Sprintf("The feed of %s was read again: %s sent, %s withheld.", row.Source,
			cli.Counted(int(e.result.Published), "change"), cli.Counted(e.result.Withheld, "delete")), nil
	case <-wait.C:
	case <-ctx.Done():
	}
	return fmt.Sprintf("The feed of %s is being read again, and up to %s of each destination go. The newest run shows how far it is.", row.Source, cli.Counted(most, "delete")), nil
}

// begin counts a run, which close waits for. done must be called at its end.
func (a *approvals) begin(ctx context.Context) (whole context.Context, done func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all.Err() != nil {
		return nil, nil, errConsoleEnds
	}
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(a.all, cancel)
	a.running.Add(1)
	return whole, func() {
		forget()
		cancel()
		a.running.Done()
	}, nil
}

func (a *approvals) run(ctx context.Context, loaded *config.Config, made *source.Source, request run.Request) (run.Result, error) {
	conn, err := natsconn.ConnectWithin(ctx, loaded.NATS, publish.DefaultRetryFor, func(error) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		return run.Result{}, fmt.Errorf("connecting to NATS at %s: %w", loaded.NATS.URL.Address(), err)
	}
	defer conn.Close()
	js, err := natsconn.JetStream(loaded.NATS, conn)
	if err != nil {
		return run.Result{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	runner := &run.Runner{
		Store: a.store, Publish: run.Publishing(publish.NewPublisher(js, publish.Options{})), Logger: a.logger,
		Name: fmt.Sprintf("console on %s, process %d", host, os.Getpid()),
	}
	return runner.Run(ctx, made.Source, request)
}

// close ends what runs, and waits for it: the next run of a source sends the rest.
func (a *approvals) close() {
	a.mu.Lock()
	a.end()
	a.mu.Unlock()
	a.running.Wait()
}
