package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
)

const (
	soakRate     = 200 // changes a second
	soakAccounts = 24
	sampleEvery  = 30 * time.Second
	// quotaWindow is that of a quota that a fault calls used up: with Meta's hour an
	// account would rest for longer than a soak.
	quotaWindow = 10 * time.Second
	// keepDays is the shortest retention that may be set.
	keepDays = 24 * time.Hour
)

// mildFaults happen all the time: with a hundred POSTs a second every few seconds. A
// quota that is used up is rarer, as Meta tells the time to wait in minutes.
func mildFaults() []sandbox.PlannedFault {
	return []sandbox.PlannedFault{
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ServerError}, Rate: 0.005},
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ResetAfter}, Rate: 0.002},
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.RateLimited, Duration: time.Second}, Rate: 0.0001},
		{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.Reset}, Rate: 0.005},
		{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.LostHandle}, Rate: 0.001},
	}
}

func soakSettings() (accounts []string, tree settings) {
	all := map[string]settings{}
	for number := range soakAccounts {
		one := metaAccount(number + 1)
		one["quota_window"] = quotaWindow.String()
		if number%2 == 1 {
			one = pinterestAccount(number + 1)
		}
		accounts = append(accounts, accountName(number))
		all[accountName(number)] = one
	}
	tree = settingsOf(all)
	tree["worker"] = settings{"retention": keepDays.String()}
	tree["nats"] = settings{
		"url": "${NATS_URL}", "partitions": partitions, "stream": settings{"max_bytes": "20GiB", "replay_window": "1m"},
	}
	return accounts, tree
}

// soak has a steady load with mild faults for a long time, and looks whether anything
// grows that should not.
func soak(ctx context.Context, out io.Writer, o options) (err error) {
	accounts, tree := soakSettings()
	text, err := tree.text()
	if err != nil {
		return err
	}
	honest := quick()
	honest.SkipValidation, honest.Plan = false, mildFaults()
	c, err := startCluster(ctx, o, clusterOptions{configuration: text, platforms: honest})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var workers []*worker
	for _, name := range []string{"w1", "w2"} {
		w, err := c.startWorker(ctx, name)
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	if err := c.awaitEven(ctx, names(workers), time.Minute); err != nil {
		return err
	}
	load := &flow{cluster: c, rate: soakRate}
	for i, name := range accounts {
		load.turns = append(load.turns, c.shop(name, uint64(i)+1))
	}
	r := &recording{cluster: c, workers: workers, load: load, out: out}
	if err := during(ctx, []*flow{load}, func(ctx context.Context) error { return r.run(ctx, o.during, o.csv) }); err != nil {
		return err
	}
	if err := c.awaitFinal(ctx, load.count(), 5*time.Minute); err != nil {
		return err
	}
	var rows int
	if err := c.Database.QueryRow(ctx, `SELECT count(*) FROM courier.mutation`).Scan(&rows); err != nil {
		return err
	}
	if rows != load.count() {
		return fmt.Errorf("%d rows, and %d mutations were published", rows, load.count())
	}
	fmt.Fprintf(out, "%d mutations, each final\n", rows)
	for _, w := range workers {
		if _, err := w.stop(); err != nil {
			return err
		}
	}
	return errors.Join(r.judge(out), c.retire(ctx, out))
}

// retire has what is kept by day be as old as it has to be, and sees it go: no soak
// lasts as long as the shortest retention.
func (c *cluster) retire(ctx context.Context, out io.Writer) error {
	store, err := persistence.NewStore(c.Database, persistence.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	before, err := c.tableSizes(ctx)
	if err != nil {
		return err
	}
	report, err := store.Retain(ctx, persistence.RetentionPolicy{Keep: keepDays, At: time.Now().Add(3 * keepDays)})
	if err != nil {
		return err
	}
	after, err := c.tableSizes(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "retention, three days later: %s in tables by day before, %s after; dropped %v\n",
		megabytes(before.byDay), megabytes(after.byDay), report.Dropped)
	const emptyDays = 2 << 20 // those made ahead
	if after.byDay > emptyDays {
		return fmt.Errorf("retention left %s in tables by day", megabytes(after.byDay))
	}
	return nil
}

// sizes of the tables of the schema, with their indexes, in bytes.
type sizes struct {
	byDay int64 // those that retention drops a day at a time
	other int64
}

func (c *cluster) tableSizes(ctx context.Context) (s sizes, err error) {
	err = c.Database.QueryRow(ctx, `
		SELECT coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE relispartition), 0),
			coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE NOT relispartition), 0)
		FROM pg_class WHERE relnamespace = 'courier'::regnamespace AND relkind = 'r'`).Scan(&s.byDay, &s.other)
	return s, err
}

// series is what a recording follows; bound is by how much it may grow in an hour, as
// a share of its mean and at least floor.
type series struct {
	name  string
	share float64
	floor float64
}

// followed has bounds for an hour. The scatter of the samples is on top.
var followed = []series{
	{"goroutines", 0.1, 20},
	{"memory MiB", 0.1, 16},
	{"heap MiB", 0.1, 16},
	{"files open", 0.1, 10},
	{"Postgres connections", 0.1, 2},
	{"tables by day, bytes a mutation", 0.05, 20},
	{"other tables MiB", 0.1, 4},
	{"stream MiB", 0.05, 2},
	{"waiting rows", 0.1, 500},
	{"not final", 0.1, 500},
}

// leastSoak is how long a soak has to be for its slopes to mean anything: pools fill
// and fault by fault things settle.
const leastSoak = 20 * time.Minute

// recording is samples of a soak.
type recording struct {
	cluster *cluster
	workers []*worker
	load    *flow
	out     io.Writer

	hours  []float64
	values [][]float64 // by series, then by sample
}

// run takes samples for a time and writes them down as it goes.
func (r *recording) run(ctx context.Context, lasts time.Duration, path string) (err error) {
	file, err := os.Create(path) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := csv.NewWriter(file)
	header := []string{"seconds", "published"}
	for _, s := range followed {
		header = append(header, s.name)
	}
	if err := lines.Write(header); err != nil {
		return err
	}
	r.values = make([][]float64, len(followed))
	began, ticker := time.Now(), time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for time.Since(began) < lasts {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		sample, err := r.sample(ctx)
		if err != nil {
			return err
		}
		line := []string{strconv.Itoa(int(time.Since(began).Seconds())), strconv.Itoa(r.load.count())}
		for i, value := range sample {
			r.values[i] = append(r.values[i], value)
			line = append(line, strconv.FormatFloat(value, 'f', 2, 64))
		}
		r.hours = append(r.hours, time.Since(began).Hours())
		if err := lines.Write(line); err != nil {
			return err
		}
		if lines.Flush(); lines.Error() != nil {
			return lines.Error()
		}
	}
	return nil
}

// sample is a value of each followed series, of all workers together.
func (r *recording) sample(ctx context.Context) ([]float64, error) {
	var all processStats
	for _, w := range r.workers {
		if err := w.gone(); err != nil {
			return nil, err
		}
		v, err := w.stats(ctx)
		if err != nil {
			return nil, err
		}
		all.goroutines += v.goroutines
		all.memory += v.memory
		all.heap += v.heap
		all.files += v.files
		all.connections += v.connections
	}
	tables, err := r.cluster.tableSizes(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := r.cluster.Stream.State(ctx)
	if err != nil {
		return nil, err
	}
	var waiting, recorded, open int
	if err := r.cluster.Database.QueryRow(ctx, `SELECT (SELECT count(*) FROM courier.waiting), (SELECT count(*) FROM courier.mutation),
		(SELECT coalesce(sum(mutations), 0) FROM courier.batch WHERE finished_at IS NULL)`).Scan(&waiting, &recorded, &open); err != nil {
		return nil, err
	}
	const mebibyte = 1 << 20
	return []float64{
		float64(all.goroutines), float64(all.memory) / mebibyte, float64(all.heap) / mebibyte,
		float64(all.files), float64(all.connections),
		float64(tables.byDay) / float64(max(recorded, 1)), float64(tables.other) / mebibyte, float64(stream.Bytes) / mebibyte,
		float64(waiting), float64(open + max(r.load.count()-recorded, 0)),
	}, nil
}

// judge prints how each series went after the first quarter, and says which grew.
func (r *recording) judge(out io.Writer) (broken error) {
	from := len(r.hours) / 4
	short := len(r.hours) == 0 || r.hours[len(r.hours)-1] < leastSoak.Hours()
	t := figures.NewTable(out, "both workers together", "first", "mean after a quarter", "last", "growth an hour", "in doubt by", "at most", "")
	for i, s := range followed {
		values := r.values[i]
		if len(values)-from < 3 {
			return errors.New("too few samples: let it run longer")
		}
		l := fit(r.hours[from:], values[from:])
		bound := max(s.share*l.mean, s.floor)
		verdict := "flat"
		if l.grows(bound) {
			verdict = "grows"
			if !short {
				broken = errors.Join(broken, fmt.Errorf("%s: grows by %.1f an hour, more than %.1f", s.name, l.slope, bound))
			}
		}
		t.AppendRow([]any{
			s.name, number(values[0]), number(l.mean), number(values[len(values)-1]), number(l.slope), "± " + number(2*l.doubt), number(bound), verdict,
		})
	}
	t.Render()
	if short {
		fmt.Fprintf(out, "shorter than %s: what grows is shown, and not held against it\n", leastSoak)
	}
	return broken
}

func number(value float64) string { return strconv.FormatFloat(value, 'f', 1, 64) }
