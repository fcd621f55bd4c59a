package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
)

// mostOverIdle is how much more memory than idle a worker may have, however much
// waits.
const mostOverIdle = 256 << 20

const boundedConfiguration = `
nats: {url: "${NATS_URL}", stream: {max_bytes: 20GiB}}
database: {url: "${DATABASE_URL}"}
accounts:
`

const boundedAccount = `  %s:
    platform: meta
    base_url: "${META_URL}"
    access_token: ${TOKEN}
    catalogs:
      main: {catalog_id: "%d"}
`

// pausedAccounts names so many accounts, and configures them.
func pausedAccounts(count int) (accounts []string, configuration string) {
	var text strings.Builder
	text.WriteString(boundedConfiguration)
	for number := range count {
		account := "paused-" + strconv.Itoa(number)
		accounts = append(accounts, account)
		fmt.Fprintf(&text, boundedAccount, account, number+1)
	}
	return accounts, text.String()
}

// bounded pauses accounts, publishes to them, and watches the worker's memory while
// the mutations are recorded as waiting, while they wait, and over a restart.
func bounded(ctx context.Context, out io.Writer, o options) (err error) {
	accounts, configuration := pausedAccounts(o.paused)
	c, err := startCluster(ctx, o, clusterOptions{configuration: configuration, platforms: quick()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	w, err := c.startWorker(ctx, "bounded")
	if err != nil {
		return err
	}
	if err := c.await(ctx, time.Minute, allOwned); err != nil {
		return err
	}
	for _, account := range accounts {
		if err := c.operate(ctx, "accounts", "pause", account); err != nil {
			return err
		}
	}
	apart.Pause(ctx, 10*time.Second)
	idle, err := w.memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "idle: %s\n", megabytes(idle))

	peak, took, err := c.fill(ctx, out, w, accounts)
	if err != nil {
		return err
	}
	apart.Pause(ctx, 30*time.Second)
	settled, err := w.memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d mutations recorded as waiting in %s, %.0f a second\npeak: %s over idle; half a minute later: %s over idle\n",
		o.mutations, took.Round(time.Second), float64(o.mutations)/took.Seconds(), megabytes(peak-idle), megabytes(settled-idle))
	worst := peak - idle

	stopped, err := w.stop()
	if err != nil {
		return err
	}
	began := time.Now()
	if w, err = c.startWorker(ctx, "again"); err != nil {
		return err
	}
	if err := c.await(ctx, time.Minute, allOwned); err != nil {
		return err
	}
	started := time.Since(began)
	apart.Pause(ctx, 15*time.Second)
	after, err := w.memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "stopped in %s, all partitions worked again after %s; then %s over idle\n",
		stopped.Round(time.Millisecond), started.Round(time.Millisecond), megabytes(after-idle))
	worst = max(worst, after-idle)
	if _, err := w.stop(); err != nil {
		return err
	}
	var waiting int
	if err := c.Database.QueryRow(ctx, "SELECT count(*) FROM courier.waiting").Scan(&waiting); err != nil {
		return err
	}
	switch {
	case waiting != o.mutations:
		return fmt.Errorf("%d mutations wait, of %d", waiting, o.mutations)
	case worst > mostOverIdle:
		return fmt.Errorf("%s over idle are more than %s", megabytes(worst), megabytes(mostOverIdle))
	}
	return nil
}

// fill publishes to the paused accounts until all is recorded, and returns the most
// memory that the worker had meanwhile.
func (c *cluster) fill(ctx context.Context, out io.Writer, w *worker, accounts []string) (peak int64, took time.Duration, err error) {
	began, mutations := time.Now(), c.options.mutations
	ctx, cancel := context.WithCancel(ctx)
	var published error
	var publishing sync.WaitGroup
	publishing.Go(func() { published = c.publish(ctx, accounts, 0, mutations) })
	defer publishing.Wait()
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	told := time.Now()
	for {
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-w.Done():
			return 0, 0, fmt.Errorf("the worker ended: %w", w.Err())
		case <-ticker.C:
		}
		now, err := w.memory()
		if err != nil {
			return 0, 0, err
		}
		peak = max(peak, now)
		var position int
		if err := c.Database.QueryRow(ctx, `SELECT min(sequence) FROM courier.lease`).Scan(&position); err != nil {
			return 0, 0, err
		}
		if position >= mutations {
			publishing.Wait()
			return peak, time.Since(began), published
		}
		if time.Since(told) > 15*time.Second {
			told = time.Now()
			fmt.Fprintf(out, "%4.0f s: %d recorded, %s\n", time.Since(began).Seconds(), position, megabytes(now))
		}
	}
}
