package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
)

// producer gets mutations in to a consumer. One is used by one goroutine.
type producer interface {
	// put takes those of one lane from one number up to another.
	put(ctx context.Context, lane catalog.Lane, from, to int) error
	close()
}

// putAll gives each lane an equal share, side by side, through a producer for each.
func putAll(ctx context.Context, s *apart.Servers, e entrant, mutations int) error {
	lanes := work.Lanes(2, 1)
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

// ours publishes with the project's own package, in one of its forms.
type ours struct {
	*work.Producer

	js jetstream.JetStream
}

func with(form work.Form) func(context.Context, *apart.Servers) (producer, error) {
	return func(_ context.Context, s *apart.Servers) (producer, error) {
		js, err := s.Connect()
		if err != nil {
			return nil, err
		}
		return ours{work.NewProducer(js, form), js}, nil
	}
}

func (p ours) put(ctx context.Context, lane catalog.Lane, from, to int) error {
	subject, problem := message.Subject(lane)
	if problem != nil {
		return problem
	}
	return p.Publish(ctx, work.Share{Subjects: []string{subject}, From: from, To: to}, 0)
}

func (p ours) close() { p.js.Conn().Close() }

// asynchronous publishes a message for each mutation as the documentation of nats.go shows.
type asynchronous struct{ js jetstream.JetStream }

func asynchronously(_ context.Context, s *apart.Servers) (producer, error) {
	js, err := s.Connect(jetstream.WithPublishAsyncMaxPending(2000), jetstream.WithPublishAsyncTimeout(30*time.Second))
	if err != nil {
		return nil, err
	}
	return asynchronous{js}, nil
}

func (p asynchronous) close() { p.js.Conn().Close() }

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
func riverClient(s *apart.Servers) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(s.Pool), &river.Config{FetchCooldown: 2 * time.Millisecond})
}

// staging copies rows into the staging table, and inserts a job with them that posts them.
type staging struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

func intoStaging(_ context.Context, s *apart.Servers) (producer, error) {
	client, err := riverClient(s)
	return staging{pool: s.Pool, client: client}, err
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

func intoJobs(_ context.Context, s *apart.Servers) (producer, error) {
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
