package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

// flow publishes to accounts in turn at a steady pace.
type flow struct {
	cluster *cluster
	turns   []turn
	rate    int // a second, of all accounts together
	// keep has all that was published kept, for whoever compares.
	keep bool

	mu        sync.Mutex
	published int
	kept      []publish.Publication
}

// turn makes the next change of an account.
type turn func(number int) (publish.Publication, error)

// flowTick is how often is published.
const flowTick = 20 * time.Millisecond

// run publishes until ctx ends. The batch on its way is still brought to its end.
func (f *flow) run(ctx context.Context) error {
	began, ticker := time.Now(), time.NewTicker(flowTick)
	defer ticker.Stop()
	for number := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			due := min(int(now.Sub(began).Seconds()*float64(f.rate)), number+publish.MaxBatch)
			if due == number {
				continue
			}
			if err := f.publish(context.WithoutCancel(ctx), number, due); err != nil {
				return err
			}
			number = due
		}
	}
}

func (f *flow) publish(ctx context.Context, from, to int) error {
	batch := make([]publish.Publication, 0, to-from)
	for number := from; number < to; number++ {
		one, err := f.turns[number%len(f.turns)](number)
		if err != nil {
			return err
		}
		batch = append(batch, one)
	}
	if err := f.cluster.store(ctx, batch); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = to
	if f.keep {
		f.kept = append(f.kept, batch...)
	}
	return nil
}

// count is how many were published so far.
func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.published
}

// during runs the flows beside do, and returns when both have ended. A flow that
// fails ends do.
func during(ctx context.Context, flows []*flow, do func(ctx context.Context) error) error {
	ctx, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for _, f := range flows {
		all.Go(func() {
			if err := f.run(publishing); err != nil {
				failed(err)
			}
		})
	}
	err := do(ctx)
	stop()
	all.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// upserts changes another item each time.
func (c *cluster) upserts(account string) turn {
	return func(number int) (publish.Publication, error) { return c.publicationOf(account, number), nil }
}

// shop changes items of an account as shops do: see workload.Generator.
func (c *cluster) shop(account string, seed uint64) turn {
	generator := workload.New(seed)
	generator.Lanes, generator.Items, generator.Hot = []catalog.Lane{laneOf(c.Config, account)}, 40, 4
	return func(number int) (publish.Publication, error) {
		change := generator.Next(1)[0]
		change.ID = account + "-" + strconv.Itoa(number)
		return change.Publication()
	}
}
