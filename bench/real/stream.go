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
)

// stream is the mutations of one lane in the order in which they are published.
type stream struct {
	lane         catalog.Lane
	publications []publish.Publication
	mutations    []*catalog.Mutation // the same, as a worker reads them
	spread       time.Duration       // publishing takes at least this long
}

func newStream(mutations []publish.Mutation) (*stream, error) {
	first := mutations[0]
	s := &stream{
		lane:         catalog.Lane{Account: first.Account, Catalog: first.Catalog, Type: first.Type},
		publications: make([]publish.Publication, 0, len(mutations)),
		mutations:    make([]*catalog.Mutation, 0, len(mutations)),
	}
	for _, m := range mutations {
		publication, err := m.Publication()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.ItemID, err)
		}
		arrival := message.Decode(message.Raw{Subject: publication.Subject, Data: publication.Data})
		if arrival.Problem != nil {
			return nil, fmt.Errorf("%s: %w", m.ItemID, arrival.Problem)
		}
		s.publications = append(s.publications, publication)
		s.mutations = append(s.mutations, arrival.Mutation)
	}
	return s, nil
}

func count(streams []*stream) int {
	total := 0
	for _, s := range streams {
		total += len(s.publications)
	}
	return total
}

// publishAll publishes the streams side by side.
func publishAll(ctx context.Context, publisher *publish.Publisher, streams []*stream) error {
	var running sync.WaitGroup
	errs := make([]error, len(streams))
	for i, s := range streams {
		running.Go(func() { errs[i] = s.publish(ctx, publisher) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// pieces is how many calls a stream is published in.
const pieces = 100

var errNotStored = errors.New("a message was not stored")

func (s *stream) publish(ctx context.Context, publisher *publish.Publisher) error {
	ticker := time.NewTicker(max(s.spread/pieces, time.Millisecond))
	defer ticker.Stop()
	for piece := range pieces {
		from, to := piece*len(s.publications)/pieces, (piece+1)*len(s.publications)/pieces
		results, err := publisher.Publish(ctx, s.publications[from:to])
		if err != nil {
			return err
		}
		if sum := publish.Summarize(results); sum.Stored != to-from {
			return fmt.Errorf("%w: %+v", errNotStored, sum)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
