package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

// machine is what the machine does bare at this moment: what a run is to be seen beside.
type machine struct {
	ConsumeRate float64 `json:"consume_rate"` // mutations/s
	Consume     float64 `json:"consume_us"`   // µs of the client's processor time for each
	CopyRate    float64 `json:"copy_rate"`    // rows/s
	Copy        float64 `json:"copy_us"`      // µs of processor time for each, client and Postgres
}

const (
	bareStream    = "BARE"
	bareMutations = 100_000 // at most
)

// storeBare makes the stream that the machine reads bare: mutations of a lane, a message each, as
// they are published to a worker. It comes before the worker's stream, which has the same
// subjects.
func storeBare(ctx context.Context, s *apart.Servers, mutations int) error {
	config := jetstream.StreamConfig{
		Name: bareStream, Subjects: []string{"catalog.mutations.>"}, Storage: jetstream.FileStorage, AllowAtomicPublish: true,
	}
	if _, err := s.JetStream.CreateStream(ctx, config); err != nil {
		return err
	}
	subject, problem := message.Subject(work.Lanes(1, 0)[0])
	if problem != nil {
		return problem
	}
	part := work.Share{Subjects: []string{subject}, To: mutations}
	if err := work.NewProducer(s.JetStream, work.Plain).Publish(ctx, part, 0); err != nil {
		return err
	}
	config.Subjects = []string{"bare"} // what is stored stays
	_, err := s.JetStream.UpdateStream(ctx, config)
	return err
}

// measureMachine reads the bare messages and copies a row for each, with nothing around.
func measureMachine(ctx context.Context, s *apart.Servers, mutations int) (m machine, err error) {
	took, spent, err := consumeBare(ctx, s, func(jetstream.Msg) error { return nil })
	if err != nil {
		return m, err
	}
	m.ConsumeRate, m.Consume = float64(mutations)/took.Seconds(), figures.Micro(spent, mutations)
	before, err := s.Used(nil)
	if err != nil {
		return m, err
	}
	if took, spent, err = apart.SpentHere(func() error { return copyBare(ctx, s, mutations) }); err != nil {
		return m, err
	}
	after, err := s.Used(nil)
	m.CopyRate, m.Copy = float64(mutations)/took.Seconds(), figures.Micro(spent+after.Since(before).Postgres, mutations)
	return m, errors.Join(err, s.JetStream.DeleteStream(ctx, bareStream))
}

// consumeBare reads the bare messages through one consumer that acknowledges nothing, and does
// something with each.
func consumeBare(ctx context.Context, s *apart.Servers, each func(jetstream.Msg) error) (took, spent time.Duration, err error) {
	stream, err := s.JetStream.Stream(ctx, bareStream)
	if err != nil {
		return 0, 0, err
	}
	last := stream.CachedInfo().State.LastSeq
	js, err := s.Connect()
	if err != nil {
		return 0, 0, err
	}
	defer js.Conn().Close()
	return apart.SpentHere(func() error {
		consumer, err := js.CreateConsumer(ctx, bareStream, jetstream.ConsumerConfig{
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute,
		})
		if err != nil {
			return err
		}
		const prefetch = 5000
		done := make(chan error, 1)
		left := last
		consuming, err := consumer.Consume(func(m jetstream.Msg) {
			err := each(m)
			if left--; left == 0 || err != nil {
				select {
				case done <- err:
				default: // it failed before
				}
			}
		}, jetstream.PullMaxMessages(prefetch))
		if err != nil {
			return err
		}
		defer consuming.Stop()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// copyBare copies a row for each mutation with the columns that the ledger has, on one
// connection, a transaction per 5000, with one index.
func copyBare(ctx context.Context, s *apart.Servers, mutations int) error {
	_, err := s.Pool.Exec(ctx, `CREATE TABLE bare_row (
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
	connection, err := s.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	const batch = 5000
	now := time.Now()
	day := now.UTC().Truncate(24 * time.Hour)
	for from := 0; from < mutations; from += batch {
		id := uuid.New()
		rows := pgx.CopyFromSlice(min(batch, mutations-from), func(i int) ([]any, error) {
			number := from + i
			return []any{
				int64(number), now.UnixNano(), now, day, int32(1), int32(1), int32(i), int16(1), int16(0), int16(0), //nolint:gosec // below 5000
				id, work.ID(number), "SKU-" + strconv.Itoa(number),
			}, nil
		})
		if _, err := connection.CopyFrom(ctx, pgx.Identifier{"bare_row"}, columns, rows); err != nil {
			return err
		}
	}
	_, err = s.Pool.Exec(ctx, `DROP TABLE bare_row`)
	return err
}
