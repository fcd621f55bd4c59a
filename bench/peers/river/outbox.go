package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
)

// flushing has workers post what is staged, and adds a periodic job as a safety net.
func flushing(config *river.Config, pool *pgxpool.Pool, sink poster) {
	river.AddWorker(config.Workers, &flusher{pool: pool, sink: sink})
	config.Queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: 4}
	for _, lane := range work.Lanes(2, 1) {
		config.PeriodicJobs = append(config.PeriodicJobs, river.NewPeriodicJob(river.PeriodicInterval(time.Second),
			func() (river.JobArgs, *river.InsertOpts) {
				return outbox.Flush{Account: lane.Account, Type: string(lane.Type), Limit: work.Limit(lane.Account)}, nil
			}, nil))
	}
}

type flusher struct {
	river.WorkerDefaults[outbox.Flush]

	pool *pgxpool.Pool
	sink poster
}

// Work posts until less than a request's worth is left. River bounds it to a minute.
func (w *flusher) Work(ctx context.Context, job *river.Job[outbox.Flush]) error {
	for {
		n, err := w.flush(ctx, job.Args)
		if err != nil || n < job.Args.Limit {
			return err
		}
	}
}

// staged is a batch of the staging table.
type staged struct {
	keys                   []int64
	mutations              []outbox.Mutation
	ids, items, operations []string
}

// flush posts one batch, holding the locks of its rows meanwhile. The rows go to the status
// table in one statement: what has gone out needs no body any more.
func (w *flusher) flush(ctx context.Context, f outbox.Flush) (n int, err error) {
	err = pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		batch, err := take(ctx, tx, f)
		if n = len(batch.keys); err != nil || n == 0 {
			return err
		}
		handle, err := w.sink.post(ctx, f.Account, f.Type, batch.mutations)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `WITH gone AS (DELETE FROM staging WHERE id = ANY($1))
			INSERT INTO status (mutation_id, item_id, operation, account, catalog, catalog_type, status, handle)
			SELECT unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), $5, 'main', $6, 'submitted', $7`,
			batch.keys, batch.ids, batch.items, batch.operations, f.Account, f.Type, handle)
		return err
	})
	return n, err
}

func take(ctx context.Context, tx pgx.Tx, f outbox.Flush) (batch staged, err error) {
	rows, err := tx.Query(ctx, `SELECT id, body FROM staging WHERE account = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED`, f.Account, f.Limit)
	if err != nil {
		return batch, err
	}
	defer rows.Close()
	for rows.Next() {
		var key int64
		var body []byte
		if err := rows.Scan(&key, &body); err != nil {
			return batch, err
		}
		var m outbox.Mutation
		if err := json.Unmarshal(body, &m); err != nil {
			return batch, err
		}
		batch.keys, batch.mutations = append(batch.keys, key), append(batch.mutations, m)
		batch.ids, batch.items, batch.operations = append(batch.ids, m.ID), append(batch.items, m.ItemID), append(batch.operations, m.Operation)
	}
	return batch, rows.Err()
}
