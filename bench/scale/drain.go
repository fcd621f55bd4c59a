package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

const drainConfiguration = `
nats: {url: "${NATS_URL}", stream: {max_bytes: 20GiB}}
database: {url: "${DATABASE_URL}"}
defaults:
  batch: {max_age: 1s, max_items: 5000}
  poll: {min: 50ms, max: 1s}
accounts:
  first: {platform: meta, base_url: "${META_URL}", access_token: "${TOKEN}", catalogs: {main: {catalog_id: "1"}}}
  second: {platform: meta, base_url: "${META_URL}", access_token: "${TOKEN}", catalogs: {main: {catalog_id: "2"}}}
`

// drain publishes to two accounts, then starts a worker, and tells how quickly it is
// through, with how much memory: what a bound on memory costs.
func drain(ctx context.Context, out io.Writer, o options) (err error) {
	c, err := startCluster(ctx, o, clusterOptions{configuration: drainConfiguration, platforms: quick()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, account := range []string{"first", "second"} {
		if err := c.publish(ctx, []string{account}, 0, o.mutations/2); err != nil {
			return err
		}
	}
	began := time.Now()
	w, err := c.startWorker(ctx, "drain")
	if err != nil {
		return err
	}
	var peak int64
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for finished := 0; finished < o.mutations/2*2; {
		select {
		case <-ticker.C:
		case <-w.Done():
			return fmt.Errorf("the worker ended: %w", w.Err())
		}
		now, err := w.memory()
		if err != nil {
			return err
		}
		peak = max(peak, now)
		if err := c.Database.QueryRow(ctx, work.Finished).Scan(&finished); err != nil {
			return err
		}
	}
	took := time.Since(began)
	spent, err := w.processorTime()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d mutations drained in %s: %.0f a second, %.1f µs of the worker's processor time each, at most %s\n", o.mutations,
		took.Round(time.Millisecond), float64(o.mutations)/took.Seconds(), float64(spent.Microseconds())/float64(o.mutations), megabytes(peak))
	_, err = w.stop()
	return err
}
