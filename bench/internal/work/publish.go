package work

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/nats-io/nats.go/jetstream"
)

// Form is how mutations travel.
type Form string

// The forms that package publish makes.
const (
	Plain Form = "plain" // a message each, in atomic batches
	Packs Form = "packs" // many in a message
)

// Producer publishes with the project's own package. One is used by one goroutine.
type Producer struct {
	publisher *publish.Publisher
	count     int // in a call
	batch     []publish.Publication
	bodies    []byte
}

// NewProducer makes one on a client.
func NewProducer(js jetstream.JetStream, form Form) *Producer {
	if form == Packs {
		return &Producer{publisher: publish.NewPublisher(js, publish.Options{}), count: 8 * publish.DefaultPackLines}
	}
	return &Producer{publisher: publish.NewPublisher(js, publish.Options{PackLines: 1}), count: publish.MaxBatch}
}

// Share is the part of a run's mutations that one producer publishes: each number to the
// subjects in turn.
type Share struct {
	Subjects []string
	From, To int
	// Items is how many items there are; 0 gives each mutation another one.
	Items int
}

// Publish publishes a share, evenly over a time, or at once where that is 0.
func (p *Producer) Publish(ctx context.Context, s Share, over time.Duration) error {
	began := time.Now()
	for from := s.From; from < s.To; {
		p.batch, p.bodies = p.batch[:0], p.bodies[:0] // the publisher keeps neither
		for ; from < s.To && len(p.batch) < p.count; from++ {
			item := from
			if s.Items > 0 {
				item %= s.Items
			}
			begin := len(p.bodies)
			p.bodies = AppendChange(p.bodies, from, item)
			p.batch = append(p.batch, publish.Publication{
				Subject: s.Subjects[from%len(s.Subjects)], ID: ID(from), Data: p.bodies[begin:len(p.bodies):len(p.bodies)],
			})
		}
		results, err := p.publisher.Publish(ctx, p.batch)
		if err != nil {
			return err
		}
		if sum := publish.Summarize(results); sum.Stored != len(p.batch) {
			return fmt.Errorf("not all messages were stored: %+v", sum)
		}
		due := time.Duration(float64(over) * float64(from-s.From) / float64(s.To-s.From))
		if err := sleep(ctx, due-time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subjects are those of lanes.
func Subjects(lanes []catalog.Lane) ([]string, error) {
	subjects := make([]string, len(lanes))
	for i, lane := range lanes {
		subject, problem := message.Subject(lane)
		if problem != nil {
			return nil, problem
		}
		subjects[i] = subject
	}
	return subjects, nil
}

// PublishAll shares the mutations out among at most three producers, side by side. Each has
// lanes of its own, and a connection.
func PublishAll(ctx context.Context, connect func() (jetstream.JetStream, error), lanes []catalog.Lane, form Form, all Share, over time.Duration) error {
	every, err := Subjects(lanes)
	if err != nil {
		return err
	}
	producers := min(3, len(lanes))
	subjects := make([][]string, producers)
	for i, subject := range every {
		subjects[i%producers] = append(subjects[i%producers], subject)
	}
	errs := make([]error, producers)
	var running sync.WaitGroup
	count := all.To - all.From
	for i := range producers {
		running.Go(func() {
			js, err := connect()
			if err != nil {
				errs[i] = err
				return
			}
			defer js.Conn().Close()
			part := Share{Subjects: subjects[i], From: all.From + i*count/producers, To: all.From + (i+1)*count/producers, Items: all.Items}
			errs[i] = NewProducer(js, form).Publish(ctx, part, over)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
