package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// Bounds of join.
const (
	leaseTTL = 10 * time.Second // the default of worker.lease_ttl
	// deliveryMargin is what may come to the lease time until the next delivery: the
	// others see the last heartbeat up to a heartbeat (2 s) later, and look only with
	// each of their own; then resuming, a batch with its answer, and an account has a
	// change only every half second.
	deliveryMargin = 2*2*time.Second + 3*time.Second
	// mostHandOver is far from waiting until a lease expires.
	mostHandOver = leaseTTL / 2
)

const (
	accountsEach = 2 // in each partition
	joinRate     = 4 * partitions
	// between is how long there is a steady load before the next event.
	between = 10 * time.Second
)

// event is something that happens to workers.
type event struct {
	name   string
	at     time.Time
	even   time.Duration // until the partitions were spread evenly
	within time.Duration // how long that may take
	most   time.Duration // bound of a partition's time between two owners; 0: none
}

// join has workers join, leave and be killed under load on accounts in all
// partitions.
func join(ctx context.Context, out io.Writer, o options) (err error) {
	all := map[string]settings{}
	var accounts []string
	for partition := range partitions {
		for _, name := range accountsIn(partition, accountsEach, "shop-") {
			number := len(accounts) + 1
			all[name] = metaAccount(number)
			if number%2 == 0 {
				all[name] = pinterestAccount(number)
			}
			accounts = append(accounts, name)
		}
	}
	text, err := settingsOf(all).text()
	if err != nil {
		return err
	}
	honest := quick()
	honest.SkipValidation = false
	c, err := startCluster(ctx, o, clusterOptions{configuration: text, platforms: honest})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	load := &flow{cluster: c, rate: joinRate, keep: true}
	for i, name := range accounts {
		load.turns = append(load.turns, c.shop(name, uint64(i)+1))
	}
	f := &fleet{cluster: c}
	if err := f.join(ctx, "w1"); err != nil {
		return err
	}
	watch := c.watchLeases(ctx)
	began := time.Now()
	err = during(ctx, []*flow{load}, f.moves)
	ended := time.Now()
	if err := errors.Join(err, watch.stop()); err != nil {
		return err
	}
	if err := c.awaitFinal(ctx, load.count(), 2*time.Minute); err != nil {
		return err
	}
	for _, w := range f.workers {
		if _, err := w.stop(); err != nil {
			return err
		}
	}
	rows, err := evidence.Statuses(ctx, c.Database)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d changes of %d accounts in %s, %d a second\n", load.count(), len(accounts), seconds(ended.Sub(began)), joinRate)
	err = f.report(out, watch, silencesOf(rows, began, ended))
	return errors.Join(err, c.checkAndSay(out, rows, load.kept))
}

// checkAndSay says so when nothing is broken.
func (c *cluster) checkAndSay(out io.Writer, rows []evidence.Status, published []publish.Publication) error {
	statuses, err := c.check(rows, published)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "each has one final row, and the platforms' items are as expected: %v\n", statuses)
	return nil
}

// fleet is the workers that run, and what happened to them.
type fleet struct {
	cluster *cluster
	workers []*worker
	events  []event
}

// moves is all that happens to the workers.
func (f *fleet) moves(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return f.join(ctx, "w2") },
		func(ctx context.Context) error { return f.join(ctx, "w3") },
		func(ctx context.Context) error { return f.join(ctx, "w4") },
		f.leave,
		f.lose,
	} {
		apart.Pause(ctx, between)
		if err := step(ctx); err != nil {
			return err
		}
	}
	apart.Pause(ctx, between)
	return ctx.Err()
}

func (f *fleet) join(ctx context.Context, name string) error {
	e := event{name: name + " joins", at: time.Now(), within: mostEven, most: mostHandOver}
	w, err := f.cluster.startWorker(ctx, name)
	if err != nil {
		return err
	}
	f.workers = append(f.workers, w)
	return f.settle(ctx, e)
}

// leave stops a worker by SIGTERM.
func (f *fleet) leave(ctx context.Context) error {
	leaving := f.take(1)
	e := event{name: leaving.name + " leaves", at: time.Now(), within: mostEven, most: mostHandOver}
	stopped := make(chan error, 1)
	go func() { // ends with the process
		_, err := leaving.stop()
		stopped <- err
	}()
	err := f.settle(ctx, e)
	return errors.Join(err, <-stopped)
}

// lose kills a worker.
func (f *fleet) lose(ctx context.Context) error {
	lost := f.take(1)
	e := event{name: lost.name + " is killed", at: time.Now(), within: leaseTTL + mostEven}
	lost.Kill()
	return f.settle(ctx, e)
}

func (f *fleet) take(at int) *worker {
	w := f.workers[at]
	f.workers = slices.Delete(f.workers, at, at+1)
	return w
}

// settle waits until the partitions are spread evenly. That it takes too long is for
// the report to say.
func (f *fleet) settle(ctx context.Context, e event) error {
	const patience = 2 * time.Minute
	err := f.cluster.awaitEven(ctx, names(f.workers), patience)
	e.even = time.Since(e.at)
	f.events = append(f.events, e)
	return err
}

// silence is the longest time that an account had no delivery that succeeded.
type silence struct {
	account string
	from    time.Time
	lasted  time.Duration
}

// silencesOf finds the longest of each account between began and ended.
func silencesOf(rows []evidence.Status, began, ended time.Time) []silence {
	delivered := map[string][]time.Time{}
	for _, r := range rows {
		if r.Status == "succeeded" {
			delivered[r.Lane.Account] = append(delivered[r.Lane.Account], r.FinishedAt)
		}
	}
	all := make([]silence, 0, len(delivered))
	for account, times := range delivered {
		times = append(times, began, ended)
		slices.SortFunc(times, time.Time.Compare)
		longest := silence{account: account}
		for i, at := range times[1:] {
			if lasted := at.Sub(times[i]); !times[i].Before(began) && !at.After(ended) && lasted > longest.lasted {
				longest.from, longest.lasted = times[i], lasted
			}
		}
		all = append(all, longest)
	}
	slices.SortFunc(all, func(a, b silence) int {
		return cmp.Or(cmp.Compare(b.lasted, a.lasted), strings.Compare(a.account, b.account))
	})
	return all
}

// report prints what happened, and says which bounds were broken.
func (f *fleet) report(out io.Writer, w *watch, silences []silence) (broken error) {
	t := figures.NewTable(out, "event", "even after", "at most", "partitions moved", "between two owners: median", "most", "at most")
	for i, e := range f.events {
		until := time.Now()
		if i+1 < len(f.events) {
			until = f.events[i+1].at
		}
		var gaps []time.Duration
		for _, moved := range w.handOvers(e.at) {
			if moved.owned.Before(until) {
				gaps = append(gaps, moved.gap)
			}
		}
		slices.Sort(gaps)
		bound := "-"
		if e.most > 0 {
			bound = e.most.String()
		}
		t.AppendRow([]any{e.name, seconds(e.even), e.within.String(), len(gaps), seconds(quantile(gaps, 0.5)), seconds(quantile(gaps, 1)), bound})
		if e.even > e.within {
			broken = errors.Join(broken, fmt.Errorf("%s: even after %s, more than %s", e.name, seconds(e.even), e.within))
		}
		if most := quantile(gaps, 1); e.most > 0 && most > e.most {
			broken = errors.Join(broken, fmt.Errorf("%s: a partition was %s between two owners, more than %s", e.name, seconds(most), e.most))
		}
	}
	t.Render()
	worst := silences[0]
	fmt.Fprintf(out, "the longest without a delivery: account %s, %s from %s on; the median account %s; at most %s and a margin of %s\n",
		worst.account, seconds(worst.lasted), f.sinceStart(worst.from), seconds(silences[len(silences)/2].lasted), leaseTTL, deliveryMargin)
	if worst.lasted > leaseTTL+deliveryMargin {
		broken = errors.Join(broken, fmt.Errorf("account %s had no delivery for %s", worst.account, seconds(worst.lasted)))
	}
	return broken
}

// sinceStart says when that was, by the last event before it.
func (f *fleet) sinceStart(at time.Time) string {
	last := f.events[0]
	for _, e := range f.events {
		if !e.at.After(at) {
			last = e
		}
	}
	return fmt.Sprintf("%s after %q", seconds(at.Sub(last.at)), last.name)
}

// quantile of sorted times, 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
