package main

import (
	"context"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/riverqueue/river"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
)

// collectors has jobs wait for others to share their batch: each account has a queue of its
// own, with twice a request's worth of workers. One batch fills while one is under way. The
// collectors have to run.
func collectors(config *river.Config, sink poster, maxAge time.Duration) []*collector {
	w := &mutator{collectors: map[string]*collector{}}
	river.AddWorker(config.Workers, w)
	lanes := work.Lanes(2, 1)
	all := make([]*collector, 0, len(lanes))
	for _, lane := range lanes {
		c := &collector{
			account: lane.Account, itemType: string(lane.Type), limit: work.Limit(lane.Account), maxAge: maxAge, sink: sink,
			in: make(chan waiting, 1000), ended: make(chan struct{}),
		}
		config.Queues[lane.Account] = river.QueueConfig{MaxWorkers: 2 * c.limit}
		w.collectors[lane.Account] = c
		all = append(all, c)
	}
	return all
}

// collector gathers the mutations of one account from as many running jobs.
type collector struct {
	account, itemType string
	limit             int
	maxAge            time.Duration
	sink              poster
	in                chan waiting
	ended             chan struct{}
	posting           sync.WaitGroup
}

// waiting is a job whose batch is not posted yet.
type waiting struct {
	mutation outbox.Mutation
	done     chan error // has room for the answer
}

// run cuts batches until ctx ends.
func (c *collector) run(ctx context.Context) {
	defer c.posting.Wait()
	defer close(c.ended)
	var batch []waiting
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	cut := func() {
		ready := batch
		c.posting.Go(func() { c.post(ctx, ready) })
		batch = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-c.in:
			if batch = append(batch, one); len(batch) == 1 {
				timer.Reset(c.maxAge)
			}
			if len(batch) >= c.limit {
				cut()
			}
		case <-timer.C:
			if len(batch) > 0 {
				cut()
			}
		}
	}
}

func (c *collector) post(ctx context.Context, batch []waiting) {
	mutations := make([]outbox.Mutation, len(batch))
	for i, one := range batch {
		mutations[i] = one.mutation
	}
	_, err := c.sink.post(ctx, c.account, c.itemType, mutations)
	for _, one := range batch {
		one.done <- err
	}
}

type mutator struct {
	river.WorkerDefaults[outbox.Mutation]

	collectors map[string]*collector
}

// Work returns when the batch of the job was posted.
func (w *mutator) Work(ctx context.Context, job *river.Job[outbox.Mutation]) error {
	c := w.collectors[job.Queue]
	one := waiting{mutation: job.Args, done: make(chan error, 1)}
	select {
	case c.in <- one:
	case <-c.ended:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-one.done:
		return err
	case <-c.ended:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
}
