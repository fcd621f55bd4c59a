package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
)

// entrant is one thing to measure: a consumer, and how mutations get in to it.
type entrant struct {
	name string
	// prepare makes the stream and the tables, once for each run.
	prepare func(ctx context.Context, s *apart.Servers, o options) error
	// open opens a way to get mutations in.
	open func(ctx context.Context, s *apart.Servers) (producer, error)
	// program is the consumer with its arguments. environment is more for it.
	program     func(s *apart.Servers, o options) []string
	environment []string
	// finished is a query for how many mutations have their last status.
	finished string
	// caughtUp is a query whether all is done then that is done behind the way of a mutation;
	// "" where there is nothing.
	caughtUp string
}

// entrants in the order in which they are measured. The first is what the others are
// compared with.
var entrants = []entrant{
	courier("courier-plain", with(work.Plain)),
	courier("courier-packs", with(work.Packs)),
	{name: "bento", prepare: prepareStream, open: asynchronously, program: bentoProgram, finished: statusRows},
	{name: "naive", prepare: prepareStream, open: asynchronously, program: program("naive"), finished: statusRows},
	{
		name: "river-outbox", prepare: prepareRiver, open: intoStaging,
		program: program("river"), environment: []string{"MODE=outbox"}, finished: statusRows,
	},
	{
		name: "river-collect", prepare: prepareRiver, open: intoJobs,
		program: program("river"), environment: []string{"MODE=collect"},
		finished: `SELECT count(*) FROM river_job WHERE state = 'completed' AND kind = 'mutation'`,
	},
}

// courier is Catalog Courier, with one way to get mutations in.
func courier(name string, open func(context.Context, *apart.Servers) (producer, error)) entrant {
	return entrant{
		name: name, prepare: prepareCourier, open: open,
		program: func(s *apart.Servers, o options) []string {
			return []string{o.worker, "run", "--config", filepath.Join(s.Folder, courierSettings), "--log-level", "warn", "--name", "peer"}
		},
		finished: work.Finished,
		caughtUp: work.Indexed,
	}
}

func entrantNames() []string {
	names := make([]string, len(entrants))
	for i, e := range entrants {
		names[i] = e.name
	}
	return names
}

const statusRows = `SELECT count(*) FROM status`

// program is one of those that the folder of programs has.
func program(name string) func(*apart.Servers, options) []string {
	return func(_ *apart.Servers, o options) []string { return []string{filepath.Join(o.programs, name)} }
}

func bentoProgram(s *apart.Servers, o options) []string {
	return []string{filepath.Join(o.programs, "bento"), "-c", filepath.Join(s.Folder, bentoSettings)}
}

const (
	courierSettings = "courier.yaml"
	bentoSettings   = "bento.yaml"
)

//go:embed courier.yaml bento.yaml
var settings embed.FS

// environment tells a consumer where everything is.
func environment(s *apart.Servers, o options) []string {
	return s.Environment("SINK_URL="+s.PlatformsURL, "STREAM="+peerStream, "MAX_AGE="+o.maxAge.String())
}

// startServers starts what a run needs beside the consumer, and writes the settings.
func startServers(ctx context.Context) (*apart.Servers, error) {
	s, err := apart.Start(ctx, apart.Options{Platforms: sinkService})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{courierSettings, bentoSettings} {
		text, err := settings.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(s.Folder, name), text, 0o600)
		}
		if err != nil {
			return nil, errors.Join(err, s.Stop()) //nolint:contextcheck // cleaning up must not end with ctx
		}
	}
	return s, nil
}

// consume starts the consumer. The caller stops it.
func (e entrant) consume(s *apart.Servers, o options) (*process.Child, error) {
	arguments := e.program(s, o)
	return apart.StartProgram(append(environment(s, o), e.environment...), arguments[0], arguments[1:]...)
}

// peerStream is the stream of the entrants that have no settings of their own for one.
const peerStream = "PEERS"

// statusTable is where the entrants note what they have posted.
const statusTable = `CREATE TABLE status (
	mutation_id text COLLATE "C" PRIMARY KEY, item_id text NOT NULL, operation text NOT NULL,
	account text NOT NULL, catalog text NOT NULL, catalog_type text NOT NULL,
	status text NOT NULL, handle text, updated_at timestamptz NOT NULL DEFAULT now())`

func prepareStream(ctx context.Context, s *apart.Servers, _ options) error {
	_, err := s.JetStream.CreateStream(ctx, jetstream.StreamConfig{
		Name: peerStream, Subjects: []string{"catalog.mutations.>"}, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return err
	}
	_, err = s.Pool.Exec(ctx, statusTable)
	return err
}

func prepareRiver(ctx context.Context, s *apart.Servers, _ options) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(s.Pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	// The indexes for searching in arguments and metadata, which River does not read, are
	// half of what a job of 600 bytes costs Postgres.
	for _, statement := range []string{outbox.Schema, statusTable, `DROP INDEX river_job_args_index, river_job_metadata_index`} {
		if _, err := s.Pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// prepareCourier migrates the database and lets a worker make its stream.
func prepareCourier(ctx context.Context, s *apart.Servers, o options) error {
	//nolint:gosec // a program to measure
	migrate := exec.CommandContext(ctx, o.worker, "migrate", "--config", filepath.Join(s.Folder, courierSettings))
	migrate.Env = environment(s, o)
	if output, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("worker migrate: %w: %s", err, output)
	}
	worker, err := courier("", nil).consume(s, o)
	if err != nil {
		return err
	}
	const within = 30 * time.Second
	err = apart.Until(ctx, within, worker, func(ctx context.Context) (bool, error) {
		_, err := s.JetStream.Stream(ctx, "CATALOG_MUTATIONS")
		return err == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the worker makes its stream: %w", err)
	}
	if stopErr := apart.StopProgram(ctx, worker); stopErr != nil && err == nil {
		return stopErr
	}
	return err
}
