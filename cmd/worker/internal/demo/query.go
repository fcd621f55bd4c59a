package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// Status is how many mutations of a catalog have a status.
type Status struct {
	Catalog   string
	Status    string
	Mutations int64
}

// Batch is a row of batch_status.
type Batch struct {
	Catalog   string
	State     string
	Items     int64
	Mutations int64
	Succeeded int64
	Failed    int64
	Attempts  int64
	Handle    string
}

// DeadLetter is a row of dead_letters.
type DeadLetter struct {
	Item   string
	Status string
	Reason string
	Why    string
}

// view asks the views, as anybody would.
type view struct {
	*pgxpool.Pool
}

func connect(ctx context.Context, url string) (view, error) {
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: url, MaxConns: 2, ApplicationName: "catalog-courier demo"})
	return view{pool}, err
}

// waitForEnd waits until every mutation with such an id has a final status; ctx bounds it.
func (v view) waitForEnd(ctx context.Context, ids string, mutations int, say func(string, ...any)) error {
	const pause, notice = 50 * time.Millisecond, 5 * time.Second
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	told := time.Now()
	for {
		var rows, open int
		err := v.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE status IN ('waiting', 'submitted'))
			FROM courier.mutation_status WHERE mutation_id LIKE $1`, ids).Scan(&rows, &open)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for the end, %d of %d mutations seen and %d not final: %w", rows, mutations, open, context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("asking for statuses: %w", err)
		case rows >= mutations && open == 0:
			return nil
		}
		if time.Since(told) > notice {
			say("%d of %d mutations seen, %d not final yet", rows, mutations, open)
			told = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (v view) fill(ctx context.Context, result *Result) (err error) {
	if result.Statuses, err = collect[Status](ctx, v, `SELECT account || '/' || catalog || '/' || catalog_type, status, count(*)
		FROM courier.mutation_status WHERE mutation_id LIKE 'demo-%' GROUP BY 1, 2 ORDER BY 1, 3 DESC`); err != nil {
		return err
	}
	if result.Batches, err = collect[Batch](ctx, v, `SELECT account || '/' || catalog || '/' || catalog_type, state, item_count, mutation_count,
			coalesce(succeeded, 0), coalesce(failed, 0), attempts, coalesce(handles[array_upper(handles, 1)], '')
		FROM courier.batch_status ORDER BY created_at`); err != nil {
		return err
	}
	result.DeadLetters, err = collect[DeadLetter](ctx, v, `SELECT d.item_id, coalesce(m.status, ''), d.reason_code, d.reason_text
		FROM courier.dead_letters d LEFT JOIN courier.mutation_status m
			ON m.stream_generation = d.stream_generation AND m.stream_sequence = d.stream_sequence AND m.stream_line = d.stream_line
		ORDER BY d.id`)
	return err
}

func collect[T any](ctx context.Context, v view, query string) ([]T, error) {
	rows, err := v.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("asking the views: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("asking the views: %w", err)
	}
	return found, nil
}
