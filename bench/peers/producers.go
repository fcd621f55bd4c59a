package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
	"github.com/catalog-courier/catalog-courier/bench/peers/work"
)

// producer gets mutations in to a consumer. One is used by one goroutine.
type producer interface {
	// put takes those of one lane from one number up to another.
	put(ctx context.Context, lane catalog.Lane, from, to int) error
	close()
}

// putAll gives each lane an equal share, side by side, through a producer for each.
func putAll(ctx context.Context, s *servers, e entrant, mutations int) error {
	lanes := work.Lanes()
	errs := make([]error, len(lanes))
	var running sync.WaitGroup
	for i, lane := range lanes {
		running.Go(func() {
			p, err := e.open(ctx, s)
			if err != nil {
				errs[i] = err
				return
			}
			defer p.close()
			errs[i] = p.put(ctx, lane, i*mutations/len(lanes), (i+1)*mutations/len(lanes))
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// connection is a producer's own, to the broker.
type connection struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func (c connection) close() { c.nc.Close() }

func connect(s *servers, options ...jetstream.JetStreamOpt) (connection, error) {
	nc, err := nats.Connect(s.natsURL)
	if err != nil {
		return connection{}, err
	}
	js, err := jetstream.New(nc, options...)
	return connection{nc: nc, js: js}, err
}

// plain publishes a message for each mutation with the project's own package, in the
// atomic batches that enqueue makes.
type plain struct {
	connection

	publisher *publish.Publisher
	batch     []publish.Publication
	bodies    []byte
}

func plainly(_ context.Context, s *servers) (producer, error) {
	c, err := connect(s)
	if err != nil {
		return nil, err
	}
	return &plain{connection: c, publisher: publish.NewPublisher(c.js, publish.Options{})}, nil
}

func (p *plain) put(ctx context.Context, lane catalog.Lane, from, to int) error {
	subject, problem := message.Subject(lane)
	if problem != nil {
		return problem
	}
	for from < to {
		p.batch, p.bodies = p.batch[:0], p.bodies[:0] // Publish keeps neither
		for ; from < to && len(p.batch) < publish.MaxBatch; from++ {
			begin := len(p.bodies)
			p.bodies = work.AppendMessage(p.bodies, from)
			p.batch = append(p.batch, publish.Publication{Subject: subject, ID: work.ID(from), Data: p.bodies[begin:len(p.bodies):len(p.bodies)]})
		}
		results, err := p.publisher.Publish(ctx, p.batch)
		if err != nil {
			return err
		}
		if sum := publish.Summarize(results); sum.Stored != len(p.batch) {
			return fmt.Errorf("not all messages were stored: %+v", sum)
		}
	}
	return nil
}

// asynchronous publishes a message for each mutation as the documentation of nats.go shows.
type asynchronous struct{ connection }

func asynchronously(_ context.Context, s *servers) (producer, error) {
	c, err := connect(s, jetstream.WithPublishAsyncMaxPending(2000), jetstream.WithPublishAsyncTimeout(30*time.Second))
	if err != nil {
		return nil, err
	}
	return asynchronous{c}, nil
}

func (p asynchronous) put(ctx context.Context, lane catalog.Lane, from, to int) error {
	subject, problem := message.Subject(lane)
	if problem != nil {
		return problem
	}
	acknowledgements := make([]jetstream.PubAckFuture, 0, to-from)
	for number := from; number < to; number++ {
		acknowledgement, err := p.js.PublishMsgAsync(&nats.Msg{
			Subject: subject, Data: work.AppendMessage(nil, number), Header: nats.Header{jetstream.MsgIDHeader: {work.ID(number)}},
		}, jetstream.WithStallWait(30*time.Second))
		if err != nil {
			return err
		}
		acknowledgements = append(acknowledgements, acknowledgement)
	}
	for _, acknowledgement := range acknowledgements {
		select {
		case <-acknowledgement.Ok():
		case err := <-acknowledgement.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// atOnce is how many rows and jobs are copied in one statement.
const atOnce = 5000

// riverClient inserts jobs. Without the short time it notifies workers ten times a second.
func riverClient(s *servers) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(s.pool), &river.Config{FetchCooldown: 2 * time.Millisecond})
}

// staging copies rows into the staging table, and inserts a job with them that posts them.
type staging struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

func intoStaging(_ context.Context, s *servers) (producer, error) {
	client, err := riverClient(s)
	return staging{pool: s.pool, client: client}, err
}

func (staging) close() {}

func (p staging) put(ctx context.Context, lane catalog.Lane, from, to int) error {
	for ; from < to; from += atOnce {
		err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
			rows := pgx.CopyFromSlice(min(atOnce, to-from), func(i int) ([]any, error) {
				return []any{lane.Account, string(work.AppendMessage(nil, from+i))}, nil
			})
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{"staging"}, []string{"account", "body"}, rows); err != nil {
				return err
			}
			_, err := p.client.InsertTx(ctx, tx, outbox.Flush{Account: lane.Account, Type: string(lane.Type), Limit: work.Limit(lane.Account)}, nil)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// jobs inserts a job for each mutation, many at once.
type jobs struct{ client *river.Client[pgx.Tx] }

func intoJobs(_ context.Context, s *servers) (producer, error) {
	client, err := riverClient(s)
	return jobs{client}, err
}

func (jobs) close() {}

func (p jobs) put(ctx context.Context, lane catalog.Lane, from, to int) error {
	for ; from < to; from += atOnce {
		inserts := make([]river.InsertManyParams, 0, atOnce)
		for number := from; number < min(from+atOnce, to); number++ {
			m := outbox.Mutation{ID: work.ID(number), ItemID: work.ItemID(number), Operation: work.Operation, Attributes: work.AppendAttributes(nil, number)}
			inserts = append(inserts, river.InsertManyParams{Args: m, InsertOpts: &river.InsertOpts{Queue: lane.Account}})
		}
		if _, err := p.client.InsertManyFast(ctx, inserts); err != nil {
			return err
		}
	}
	return nil
}
