package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Bounds of accounts, for each worker.
const (
	mostIdleMemory = 256 << 20
	mostIdleCPU    = 5.0              // percent of a core
	mostTold       = 5 * time.Second  // Prometheus waits 10 s
	mostStart      = 10 * time.Second // of processor time
)

// accountsIdle is for how long the workers' processor time is watched.
const accountsIdle = time.Minute

// accounts starts workers with very many accounts, changes an item of each, and
// tells what the workers need when there is nothing to do.
func accounts(ctx context.Context, out io.Writer, o options) (err error) {
	text, err := manyAccounts(o.accounts).text()
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, o, clusterOptions{configuration: text, platforms: quick()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	began := time.Now()
	var workers []*worker
	for number := range o.workers {
		w, err := c.startWorker(ctx, "w"+strconv.Itoa(number+1))
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	const patience = 5 * time.Minute
	if err := c.await(ctx, patience, allOwned); err != nil {
		return err
	}
	started := time.Since(began)
	if err := c.awaitEven(ctx, names(workers), patience); err != nil {
		return err
	}
	even := time.Since(began)
	spent, err := workers[0].processorTime()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d accounts, half Meta's and half Pinterest's; %d workers had all %d partitions after %s, evenly after %s; %s of processor time each\n",
		o.accounts, o.workers, partitions, seconds(started), seconds(even), seconds(spent))
	fmt.Fprintln(out, "\nnothing published yet, after 15 s:")
	apart.Pause(ctx, 15*time.Second)
	atStart := c.printIdle(ctx, out, workers, 15*time.Second)

	took, err := c.changeEach(ctx, o.accounts)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d mutations, one of each account, all final %s after the first was published: %.0f a second\n\nthen, with nothing to do:\n",
		o.accounts, seconds(took), float64(o.accounts)/took.Seconds())
	apart.Pause(ctx, 15*time.Second)
	err = errors.Join(atStart, c.printIdle(ctx, out, workers, accountsIdle))
	if spent > mostStart {
		err = errors.Join(err, fmt.Errorf("a start took %s of processor time, more than %s", seconds(spent), mostStart))
	}
	for _, w := range workers {
		_, stopped := w.stop()
		err = errors.Join(err, stopped)
	}
	return err
}

func manyAccounts(count int) settings {
	all := make(map[string]settings, count)
	for number := range count {
		one := metaAccount(number + 1)
		if number%2 == 1 {
			one = pinterestAccount(number + 1)
		}
		all[accountName(number)] = one
	}
	return settingsOf(all)
}

func accountName(number int) string { return "account-" + strconv.Itoa(number) }

// changeEach changes an item of each account, and waits until all is final.
func (c *cluster) changeEach(ctx context.Context, count int) (took time.Duration, err error) {
	const patience = 10 * time.Minute
	began := time.Now()
	batch := make([]publish.Publication, 0, publish.MaxBatch)
	for number := range count {
		if batch = append(batch, c.publicationOf(accountName(number), number)); len(batch) < publish.MaxBatch && number < count-1 {
			continue
		}
		if err := c.store(ctx, batch); err != nil {
			return 0, err
		}
		batch = batch[:0]
	}
	err = c.await(ctx, patience, `SELECT coalesce(sum(succeeded), 0) = $1 FROM courier.batch WHERE finished_at IS NOT NULL`, count)
	return time.Since(began), err
}

// printIdle watches workers that have nothing to do, and says when they need too much.
func (c *cluster) printIdle(ctx context.Context, out io.Writer, workers []*worker, during time.Duration) (err error) {
	before := make([]time.Duration, len(workers))
	for i, w := range workers {
		if before[i], err = w.processorTime(); err != nil {
			return err
		}
	}
	beforeOthers, err := c.CPU(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	apart.Pause(ctx, during)
	watched := time.Since(began)
	others, err := c.CPU(ctx)
	if err != nil {
		return err
	}
	t := figures.NewTable(out, "worker", "memory", "heap", "idle CPU", "goroutines", "files open", "Postgres connections", "metrics told in")
	var broken error
	for i, w := range workers {
		after, err := w.processorTime()
		if err != nil {
			return err
		}
		v, err := w.stats(ctx)
		if err != nil && !errors.Is(err, errMetrics) {
			return err
		}
		broken = errors.Join(broken, err)
		percent := 100 * (after - before[i]).Seconds() / watched.Seconds()
		t.AppendRow([]any{w.name, megabytes(v.memory), megabytes(v.heap), fmt.Sprintf("%.1f %%", percent), v.goroutines, v.files, v.connections, seconds(v.told)})
		if v.told > mostTold {
			broken = errors.Join(broken, fmt.Errorf("worker %s told its metrics in %s, more than %s", w.name, seconds(v.told), mostTold))
		}
		if v.memory > mostIdleMemory || percent > mostIdleCPU {
			broken = errors.Join(broken, fmt.Errorf("worker %s needs %s and %.1f %% of a core when idle, more than %s or %.0f %%",
				w.name, megabytes(v.memory), percent, megabytes(mostIdleMemory), mostIdleCPU))
		}
	}
	t.Render()
	spent := others.Since(beforeOthers)
	fmt.Fprintf(out, "besides: Postgres %.1f %%, the broker and the simulated platforms %.1f %% of a core\n",
		100*spent.Postgres.Seconds()/watched.Seconds(), 100*spent.Process.Seconds()/watched.Seconds())
	return broken
}
