package rig

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of AwaitFinal.
var (
	// ErrWorkerEnded says that a worker ended before the work did.
	ErrWorkerEnded = errors.New("a worker ended unexpectedly")
	// ErrNotFinal says that the time was over before the work was done.
	ErrNotFinal = errors.New("not everything became final in time")
)

// look is how often the ledger is asked how far it is: often enough for the rate,
// rarely enough to cost nothing.
const look = 50 * time.Millisecond

// AwaitBatches waits until finished batches hold the number of mutations. It only
// looks at batches, of which there are few, so that looking does not disturb what
// is measured; whoever needs to know what became of each asks mutation_status
// afterwards.
func (s *Servers) AwaitBatches(ctx context.Context, mutations int, ended <-chan struct{}) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var finished int
	for {
		err := s.Database.QueryRow(ctx,
			`SELECT coalesce(sum(mutations), 0) FROM courier.batch WHERE finished_at IS NOT NULL`).Scan(&finished)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("ask how far it is: %w", err)
		case err == nil && finished >= mutations:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %d of %d mutations: %w", ErrNotFinal, finished, mutations, ctx.Err())
		case <-ended:
			return ErrWorkerEnded
		case <-ticker.C:
		}
	}
}

// Statuses counts mutations by status.
func (s *Servers) Statuses(ctx context.Context) (map[string]int, error) {
	rows, err := s.Database.Query(ctx, `SELECT status, count(*) FROM courier.mutation_status GROUP BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var status string
		var count int
		if err := rows.Scan(&status, &count); err != nil {
			return nil, err
		}
		counts[status] = count
	}
	return counts, rows.Err()
}

// AwaitPartitions waits until every partition has an owner, so that a run does not
// measure how a worker starts.
func (s *Servers) AwaitPartitions(ctx context.Context, ended <-chan struct{}) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		var owned int
		if err := s.Database.QueryRow(ctx, `SELECT count(*) FROM courier.lease WHERE owner IS NOT NULL`).Scan(&owned); err != nil {
			return fmt.Errorf("ask who works the partitions: %w", err)
		}
		if owned == s.Config.NATS.Partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return ErrWorkerEnded
		case <-ticker.C:
		}
	}
}

// Waited is how many times a mutation was written as a waiting row: it was in memory
// for longer than a message may be without a row.
func (s *Servers) Waited(ctx context.Context) (int, error) {
	var rows int
	err := s.Database.QueryRow(ctx, `SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables
		WHERE schemaname = 'courier' AND relname = 'waiting'`).Scan(&rows)
	return rows, err
}
