package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

// scenario is one way for mutations to come, to some accounts.
type scenario struct {
	name      string
	what      string
	meta      int // accounts
	pinterest int // accounts
	form      work.Form
	// live has the producers run while the worker does; else everything is published before
	// it starts.
	live bool
	// published measures the producers alone, and nobody consumes.
	published bool
	// synced has the broker flush to disk before each acknowledgement.
	synced bool
	// over spreads the mutations of a live run over a time, and changes says how many there
	// are of each item, which may merge.
	over    time.Duration
	changes int
	// writes is what the platforms take of each account.
	writes sandbox.RateLimit
	// every has mutations come one by one, so long after each other, count of them.
	every time.Duration
	count int
}

var scenarios = []scenario{
	{name: "backlog", what: "a backlog of messages is drained, three accounts", meta: 2, pinterest: 1, form: work.Plain},
	{name: "backlog-packs", what: "the same in packs", meta: 2, pinterest: 1, form: work.Packs},
	{name: "live", what: "producers publish messages beside the worker", meta: 2, pinterest: 1, form: work.Plain, live: true},
	{name: "live-packs", what: "the same in packs", meta: 2, pinterest: 1, form: work.Packs, live: true},
	{name: "synced", what: "live, and the stream is flushed before each acknowledgement (sync always)", meta: 2, pinterest: 1, form: work.Plain, live: true, synced: true},
	{name: "synced-packs", what: "the same in packs", meta: 2, pinterest: 1, form: work.Packs, live: true, synced: true},
	{name: "publish-synced", what: "publishing alone, with sync always, in atomic batches", meta: 2, pinterest: 1, form: work.Plain, published: true, synced: true},
	{name: "publish-synced-packs", what: "the same in packs", meta: 2, pinterest: 1, form: work.Packs, published: true, synced: true},
	{name: "accounts-48", what: "backlog, with the changes of 48 accounts mixed", meta: 24, pinterest: 24, form: work.Plain},
	{name: "accounts-1000", what: "the same of 1,000 accounts", meta: 500, pinterest: 500, form: work.Plain},
	{
		name: "quota", what: "a request each 2 s for an account; five changes of each item come within 20 s", meta: 2, pinterest: 1, form: work.Plain,
		live: true, over: 20 * time.Second, changes: 5, writes: sandbox.RateLimit{Calls: 1, Window: 2 * time.Second},
	},
	{
		name: "trickle", what: "20 mutations a second, one by one, max_age 1ms", meta: 2, pinterest: 1, form: work.Plain,
		every: 50 * time.Millisecond, count: 400,
	},
	{
		name: "rest", what: "a mutation each half second to a worker at rest, max_age 1ms", meta: 2, pinterest: 1, form: work.Plain,
		every: 500 * time.Millisecond, count: 50,
	},
}

// maxAge is how long a mutation may wait for others to share its batch.
func (sc scenario) maxAge() time.Duration {
	if sc.every > 0 {
		return time.Millisecond
	}
	return time.Second
}

// measurement is a scenario under way.
type measurement struct {
	scenario

	servers  *apart.Servers
	program  string // the worker's path
	settings string // path
	worker   *process.Child
	result   result
}

// measure runs a scenario once, on servers of its own.
func measure(ctx context.Context, o options, sc scenario) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	m := &measurement{scenario: sc, program: o.worker, result: result{Scenario: sc.name, Mutations: o.mutations, Load: apart.Load()}}
	if err := m.start(ctx, min(o.mutations, bareMutations)); err != nil {
		return m.result, err
	}
	defer func() { err = errors.Join(err, m.servers.Stop()) }() //nolint:contextcheck // cleaning up must not end with ctx
	if m.result.Machine, err = measureMachine(ctx, m.servers, min(o.mutations, bareMutations)); err != nil {
		return m.result, fmt.Errorf("the bare machine: %w", err)
	}
	switch {
	case sc.every > 0:
		err = m.oneByOne(ctx)
	case sc.published:
		err = m.publishOnly(ctx)
	case sc.live:
		err = m.flow(ctx)
	default:
		err = m.backlog(ctx)
	}
	return m.result, err
}

// start starts the servers, stores so many messages to read bare, and makes the stream and the
// tables.
func (m *measurement) start(ctx context.Context, bare int) error {
	writes, err := json.Marshal(m.writes)
	if err != nil {
		return err
	}
	s, err := apart.Start(ctx, apart.Options{Platforms: platformsService, Argument: string(writes), SyncAlways: m.synced})
	if err != nil {
		return err
	}
	m.servers = s
	err = func() error {
		if _, err := persistence.Migrate(ctx, s.DatabaseURL); err != nil {
			return err
		}
		if err := storeBare(ctx, s, bare); err != nil {
			return err
		}
		if _, err := queue.Ensure(ctx, s.JetStream, queue.StreamConfig{}); err != nil {
			return err
		}
		m.settings, err = writeSettings(s, m.scenario)
		return err
	}()
	if err != nil {
		return errors.Join(err, s.Stop()) //nolint:contextcheck // cleaning up must not end with ctx
	}
	return nil
}

// publish publishes mutations from one number up to another.
func (m *measurement) publish(ctx context.Context, from, to int) error {
	share := work.Share{From: from, To: to}
	if m.changes > 0 {
		share.Items = max(1, (to-from)/m.changes/(m.meta+m.pinterest))
	}
	connect := func() (jetstream.JetStream, error) { return m.servers.Connect() }
	return work.PublishAll(ctx, connect, work.Lanes(m.meta, m.pinterest), m.form, share, m.over)
}

func (m *measurement) startWorker() (err error) {
	m.worker, err = apart.StartProgram(m.servers.Environment(), m.program, "run", "--config", m.settings, "--name", "bench", "--log-level", "warn")
	return err
}

// stopWorker has the worker drain, and notes its most memory before.
func (m *measurement) stopWorker(ctx context.Context) error {
	peak, err := process.Peak(m.worker.PID())
	m.result.WorkerMiB = float64(peak) / (1 << 20)
	return errors.Join(err, apart.StopProgram(ctx, m.worker))
}

// until asks Postgres until the answer, a boolean, is true.
func (m *measurement) until(ctx context.Context, query string, arguments ...any) error {
	const within = 5 * time.Minute
	err := apart.Until(ctx, within, m.worker, func(ctx context.Context) (done bool, err error) {
		err = m.servers.Pool.QueryRow(ctx, query, arguments...).Scan(&done)
		return done, err
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", query, err)
	}
	return nil
}

// The questions of until.
const (
	allOwned    = `SELECT count(*) FILTER (WHERE owner IS NOT NULL) = $1 FROM courier.lease`
	allFinished = `SELECT (` + work.Finished + `) >= $1`
)

// backlog publishes everything, then starts the worker. Its processor time includes its start.
func (m *measurement) backlog(ctx context.Context) error {
	before, err := m.servers.Used(nil)
	if err != nil {
		return err
	}
	_, here, err := apart.SpentHere(func() error { return m.publish(ctx, 0, m.result.Mutations) })
	if err != nil {
		return err
	}
	after, err := m.servers.Used(nil)
	if err != nil {
		return err
	}
	m.result.GettingIn = figures.Micro(here+after.Since(before).Total(), m.result.Mutations)
	took, spent, err := m.drain(ctx, m.result.Mutations)
	if err != nil {
		return err
	}
	m.result.spent(spent)
	m.result.Rate = float64(m.result.Mutations) / took.Seconds()
	return m.check(ctx)
}

// publishOnly publishes everything. The publisher makes sure that the stream has it.
func (m *measurement) publishOnly(ctx context.Context) error {
	before, err := m.servers.Used(nil)
	if err != nil {
		return err
	}
	took, here, err := apart.SpentHere(func() error { return m.publish(ctx, 0, m.result.Mutations) })
	if err != nil {
		return err
	}
	after, err := m.servers.Used(nil)
	if err != nil {
		return err
	}
	m.result.spent(after.Since(before))
	m.result.Producer = figures.Micro(here, m.result.Mutations)
	m.result.Rate = float64(m.result.Mutations) / took.Seconds()
	return nil
}

// drain starts the worker, waits until so many mutations are final and the index has all, and
// has it end.
func (m *measurement) drain(ctx context.Context, mutations int) (took time.Duration, spent apart.Usage, err error) {
	before, err := m.servers.Used(nil)
	if err != nil {
		return 0, spent, err
	}
	began := time.Now()
	if err := m.startWorker(); err != nil {
		return 0, spent, err
	}
	err = m.until(ctx, allFinished, mutations)
	took = time.Since(began)
	if err == nil {
		err = m.until(ctx, work.Indexed)
	}
	after, usedErr := m.servers.Used(m.worker)
	return took, after.Since(before), errors.Join(err, usedErr, m.stopWorker(ctx))
}

// flow publishes beside a worker that works already.
func (m *measurement) flow(ctx context.Context) (err error) {
	if err := m.startWorker(); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, m.stopWorker(ctx)); err == nil {
			err = m.check(ctx)
		}
	}()
	if err := m.until(ctx, allOwned, queue.DefaultPartitions); err != nil {
		return err
	}
	before, err := m.servers.Used(m.worker)
	if err != nil {
		return err
	}
	began := time.Now()
	_, here, err := apart.SpentHere(func() error { return m.publish(ctx, 0, m.result.Mutations) })
	if err != nil {
		return err
	}
	if err := m.until(ctx, allFinished, m.result.Mutations); err != nil {
		return err
	}
	m.result.Rate = float64(m.result.Mutations) / time.Since(began).Seconds()
	if err := m.until(ctx, work.Indexed); err != nil {
		return err
	}
	after, err := m.servers.Used(m.worker)
	m.result.spent(after.Since(before))
	m.result.Producer = figures.Micro(here, m.result.Mutations)
	return err
}

// oneByOne publishes mutations to the accounts in turn.
func (m *measurement) oneByOne(ctx context.Context) (err error) {
	m.result.Mutations = m.count
	if err := m.startWorker(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stopWorker(ctx)) }()
	if err := m.until(ctx, allOwned, queue.DefaultPartitions); err != nil {
		return err
	}
	subjects, err := work.Subjects(work.Lanes(m.meta, m.pinterest))
	if err != nil {
		return err
	}
	producer := work.NewProducer(m.servers.JetStream, m.form)
	var spent apart.Usage
	m.result.Latency, spent, err = trickle.Measure(ctx, trickle.Options{
		Servers: m.servers, Program: m.worker, Every: m.every, Count: m.count,
		Put: func(ctx context.Context, number int) error {
			return producer.Publish(ctx, work.Share{Subjects: subjects, From: number, To: number + 1}, 0)
		},
	})
	m.result.spent(spent)
	return err
}

// check makes sure that what was measured is the real thing: each mutation succeeded or was
// merged into one that did, and each record came once.
func (m *measurement) check(ctx context.Context) error {
	var succeeded, merged, all int
	err := m.servers.Pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'superseded'), count(*)
		FROM courier.mutation_status`).Scan(&succeeded, &merged, &all)
	if err != nil {
		return err
	}
	counts, err := m.servers.Counts(ctx)
	if err != nil {
		return err
	}
	m.result.Posts, m.result.Items, m.result.Refused = counts.Posts, counts.Items, counts.Refused
	if all != m.result.Mutations || succeeded+merged != all || (m.changes == 0 && merged > 0) || counts.Items != succeeded {
		return fmt.Errorf("of %d mutations %d have a status, %d succeeded, %d were merged, and the platforms have %d records",
			m.result.Mutations, all, succeeded, merged, counts.Items)
	}
	return m.servers.Pool.QueryRow(ctx, `SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables
		WHERE schemaname = 'courier' AND relname = 'waiting'`).Scan(&m.result.Waited)
}
