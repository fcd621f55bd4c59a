// Package demo publishes the example mutations to everything started in one
// process, waits for the end and compares the platforms with what was published.
package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/local"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// Options say where.
type Options struct {
	// DatabaseURL, when not empty, is used instead of a private Postgres.
	DatabaseURL string
	Platforms   []platform.Descriptor
	Progress    io.Writer // for people
	Logger      *slog.Logger
}

// Result is how it ended.
type Result struct {
	Published   int
	Took        time.Duration
	Posts       int
	Items       int
	Statuses    []Status
	Batches     []Batch
	DeadLetters []DeadLetter
	// Steps are the runs of a feed, and a webhook.
	Steps []Step
	// Differences are violations of the invariants, such as between what the platforms
	// hold and what they should; the demo succeeds with none.
	Differences []string
}

// trouble is how the simulated platforms misbehave; the examples have items made
// for it.
func trouble(platforms []platform.Descriptor) simulated.Options {
	return simulated.Options{Address: "127.0.0.1:0", Platforms: platforms, Behaviour: sandbox.Options{
		Seed: 1, Delay: 100 * time.Millisecond, Jitter: 100 * time.Millisecond,
		Rules: []sandbox.ItemRule{
			{Contains: "FORGOTTEN", Action: sandbox.OmitItem, Times: 1},
			{Contains: "FORBIDDEN", Action: sandbox.RefuseItem, Message: "this product is not allowed in catalogs"},
		},
	}}
}

// faults are those of the first POST, which the platforms have in turn: one is refused
// for the quota, another is never answered, so that nobody can know whether it was
// taken. Both batches are sent again.
var faults = []sandbox.Fault{{Kind: sandbox.RateLimited, Duration: time.Second}, {Kind: sandbox.ResetAfter}}

// Run does it all. The error says what kept it from an end; differences are in
// the result.
func Run(ctx context.Context, options Options) (result *Result, err error) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(options.Progress, format+"\n", args...) }
	say("starting NATS, Postgres and simulated platforms")
	environment, err := local.Start(ctx, local.Options{
		DatabaseURL: options.DatabaseURL, NATSPort: -1, Simulated: trouble(options.Platforms), Logger: options.Logger,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, environment.Close()) }()
	for i, one := range environment.Platforms.All() {
		one.InjectNext(sandbox.Submit, faults[i%len(faults)])
	}
	settings, err := config.Parse("examples/courier.yaml", examples.Config, config.Options{
		Flags: environment.Overrides(), Platforms: platform.Configs(options.Platforms),
	})
	if err != nil {
		return nil, err
	}
	environment.Use(settings)
	stop := startWorker(ctx, settings, options)
	defer func() { err = errors.Join(err, stop()) }()

	started := time.Now()
	mutations, err := publishExamples(ctx, settings)
	if err != nil {
		return nil, err
	}
	say("published %d mutations", len(mutations))
	say("on purpose, one platform refuses its first request and the other does not answer it (that batch has no handle); " +
		"items named FORGOTTEN are left out of an answer once, and items named FORBIDDEN are rejected (failed, or unconfirmed where the answer does not prove it)")
	asked, err := connect(ctx, environment.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer asked.Close()
	if err := asked.waitForEnd(ctx, "demo-%", len(mutations), say); err != nil {
		return nil, err
	}
	result = &Result{Published: len(mutations), Took: time.Since(started)}
	if err := asked.fill(ctx, result); err != nil {
		return nil, err
	}
	rows, err := evidence.Statuses(ctx, asked.Pool)
	if err != nil {
		return nil, err
	}
	judge(result, options.Platforms, environment.Platforms, settings, mutations, rows)
	say("running a feed and a webhook")
	steps, wrong, err := runSources(ctx, options, environment, settings, asked)
	if err != nil {
		return nil, fmt.Errorf("the feed of the examples: %w", err)
	}
	result.Steps, result.Differences = steps, append(result.Differences, wrong...)
	return result, nil
}

// startWorker runs a worker until stop is called.
func startWorker(ctx context.Context, settings *config.Config, options Options) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	var failure error
	running.Go(func() {
		failure = service.Run(ctx, service.Options{
			Config: settings, Platforms: options.Platforms, Name: "demo", Telemetry: &telemetry.Telemetry{Logger: options.Logger},
		})
	})
	return func() error {
		cancel()
		running.Wait()
		return failure
	}
}

// publishExamples publishes the examples and returns them decoded, in order.
func publishExamples(ctx context.Context, settings *config.Config) ([]*catalog.Mutation, error) {
	publications, mutations, err := read(examples.Mutations)
	if err != nil {
		return nil, err
	}
	conn, err := natsconn.Connect(settings.NATS, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := natsconn.JetStream(settings.NATS, conn)
	if err != nil {
		return nil, err
	}
	if _, err := queue.Ensure(ctx, js, service.StreamConfig(settings.NATS)); err != nil {
		return nil, err
	}
	results, err := publish.NewPublisher(js, publish.Options{}).Publish(ctx, publications)
	if err != nil {
		return nil, err
	}
	if s := publish.Summarize(results); s.Stored != len(publications) {
		return nil, fmt.Errorf("only %d of %d mutations were stored", s.Stored, len(publications))
	}
	return mutations, nil
}

func read(lines []byte) ([]publish.Publication, []*catalog.Mutation, error) {
	var publications []publish.Publication
	var mutations []*catalog.Mutation
	scanner := bufio.NewScanner(bytes.NewReader(lines))
	for scanner.Scan() {
		var where struct {
			Account string       `json:"account"`
			Catalog string       `json:"catalog"`
			Type    catalog.Type `json:"type"`
			ID      string       `json:"id"`
		}
		text := bytes.Clone(scanner.Bytes())
		if err := json.Unmarshal(text, &where); err != nil {
			return nil, nil, fmt.Errorf("reading the examples: %w", err)
		}
		subject, problem := message.Subject(catalog.Lane{Account: where.Account, Catalog: where.Catalog, Type: where.Type})
		if problem != nil {
			return nil, nil, problem
		}
		arrival := message.Decode(message.Raw{Subject: subject, Data: text})
		if arrival.Problem != nil {
			return nil, nil, arrival.Problem
		}
		publications = append(publications, publish.Publication{Subject: subject, ID: where.ID, Data: text})
		mutations = append(mutations, arrival.Mutation)
	}
	return publications, mutations, scanner.Err()
}
