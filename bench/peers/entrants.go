package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

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
	prepare func(ctx context.Context, s *servers, o options) error
	// open opens a way to get mutations in.
	open func(ctx context.Context, s *servers) (producer, error)
	// program is the consumer with its arguments. environment is more for it.
	program     func(s *servers, o options) []string
	environment []string
	// finished is a query for how many mutations have their last status.
	finished string
	// behind is a query for how much is left to do then, behind the way of a mutation; ""
	// where there is nothing.
	behind string
}

// entrants in the order in which they are measured. The first is what the others are
// compared with.
var entrants = []entrant{
	courier("courier-plain", plainly),
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
func courier(name string, open func(context.Context, *servers) (producer, error)) entrant {
	return entrant{
		name: name, prepare: prepareCourier, open: open,
		program: func(s *servers, o options) []string {
			return []string{o.worker, "run", "--config", filepath.Join(s.folder, courierSettings), "--log-level", "warn", "--name", "peer"}
		},
		finished: `SELECT coalesce(sum(mutations), 0) FROM courier.batch WHERE finished_at IS NOT NULL`,
		behind:   `SELECT transactions_behind FROM courier.item_index_status`,
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
func program(name string) func(*servers, options) []string {
	return func(_ *servers, o options) []string { return []string{filepath.Join(o.programs, name)} }
}

func bentoProgram(s *servers, o options) []string {
	return []string{filepath.Join(o.programs, "bento"), "-c", filepath.Join(s.folder, bentoSettings)}
}

const (
	courierSettings = "courier.yaml"
	bentoSettings   = "bento.yaml"
)

//go:embed courier.yaml bento.yaml
var settings embed.FS

// consume starts the consumer. The caller stops it.
func (e entrant) consume(s *servers, o options) (*process.Child, error) {
	arguments := e.program(s, o)
	command := exec.Command(arguments[0], arguments[1:]...) //nolint:gosec,noctx // a program to measure; the caller stops it
	command.Env = append(s.environment(o), e.environment...)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process alone
	return process.Start(command, process.Options{})
}

// stopConsumer has a consumer end, firmly in the end.
func stopConsumer(ctx context.Context, child *process.Child) error {
	return child.Stop(context.WithoutCancel(ctx),
		process.Step{Signal: syscall.SIGTERM, Within: 20 * time.Second},
		process.Step{Signal: syscall.SIGKILL, Within: 5 * time.Second})
}

// peerStream is the stream of the entrants that have no settings of their own for one.
const peerStream = "PEERS"

// statusTable is where the entrants note what they have posted.
const statusTable = `CREATE TABLE status (
	mutation_id text COLLATE "C" PRIMARY KEY, item_id text NOT NULL, operation text NOT NULL,
	account text NOT NULL, catalog text NOT NULL, catalog_type text NOT NULL,
	status text NOT NULL, handle text, updated_at timestamptz NOT NULL DEFAULT now())`

func prepareStream(ctx context.Context, s *servers, _ options) error {
	_, err := s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: peerStream, Subjects: []string{"catalog.mutations.>"}, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, statusTable)
	return err
}

func prepareRiver(ctx context.Context, s *servers, _ options) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(s.pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	// The indexes for searching in arguments and metadata, which River does not read, are
	// half of what a job of 600 bytes costs Postgres.
	for _, statement := range []string{outbox.Schema, statusTable, `DROP INDEX river_job_args_index, river_job_metadata_index`} {
		if _, err := s.pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// prepareCourier migrates the database and lets a worker make its stream.
func prepareCourier(ctx context.Context, s *servers, o options) error {
	//nolint:gosec // a program to measure
	migrate := exec.CommandContext(ctx, o.worker, "migrate", "--config", filepath.Join(s.folder, courierSettings))
	migrate.Env = s.environment(o)
	if output, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("worker migrate: %w: %s", err, output)
	}
	worker, err := courier("", nil).consume(s, o)
	if err != nil {
		return err
	}
	const within = 30 * time.Second
	err = s.until(ctx, within, worker, func(ctx context.Context) (bool, error) {
		_, err := s.js.Stream(ctx, "CATALOG_MUTATIONS")
		return err == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the worker makes its stream: %w", err)
	}
	if stopErr := stopConsumer(ctx, worker); stopErr != nil && err == nil {
		return stopErr
	}
	return err
}
