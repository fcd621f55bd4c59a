package main

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/test/rig"
)

const (
	bareConsumeName = "bare JetStream consume"
	bareCopyName    = "bare COPY of compact rows"
)

// bareConsume reads the stream once without doing anything with it, through one
// consumer that acknowledges nothing.
func bareConsume(ctx context.Context, o options, service *rig.Servers) error {
	consumer, err := service.JetStream.CreateConsumer(ctx, service.Stream.Name(), jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	const prefetch = 5000
	all := make(chan struct{})
	seen := 0
	consuming, err := consumer.Consume(func(jetstream.Msg) {
		if seen++; seen == o.mutations {
			close(all)
		}
	}, jetstream.PullMaxMessages(prefetch))
	if err != nil {
		return err
	}
	defer consuming.Stop()
	select {
	case <-all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bareCopy copies one row per mutation with the columns that the ledger has, on one
// connection, a transaction per 5000, with one index.
func bareCopy(ctx context.Context, o options, service *rig.Servers) error {
	_, err := service.Database.Exec(ctx, `CREATE TABLE bare_row (
		sequence bigint, published_ns bigint, received_at timestamptz, day date, lane integer, generation integer,
		record integer, operation smallint, state smallint, attempts smallint,
		batch_id uuid, mutation_id text COLLATE "C", item_id text COLLATE "C");
		CREATE INDEX ON bare_row (mutation_id)`)
	if err != nil {
		return err
	}
	columns := []string{
		"sequence", "published_ns", "received_at", "day", "lane", "generation", "record", "operation", "state",
		"attempts", "batch_id", "mutation_id", "item_id",
	}
	connection, err := service.Database.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	const batch = 5000
	now := time.Now()
	day := now.UTC().Truncate(24 * time.Hour)
	for from := 0; from < o.mutations; from += batch {
		id := uuid.New()
		rows := pgx.CopyFromSlice(min(batch, o.mutations-from), func(i int) ([]any, error) {
			number := from + i
			return []any{
				int64(number), now.UnixNano(), now, day, int32(1), int32(1), int32(i), int16(1), int16(0), int16(0), //nolint:gosec // below 5000
				id, string(appendID(nil, number)), "SKU-" + strconv.Itoa(number),
			}, nil
		})
		if _, err := connection.CopyFrom(ctx, pgx.Identifier{"bare_row"}, columns, rows); err != nil {
			return err
		}
	}
	return nil
}
