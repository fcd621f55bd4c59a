// Package trickle measures what mutations take that come one by one, to a program that has
// nothing else to do.
package trickle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/process"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

const (
	warmUp  = 40              // mutations that do not count: connections, plans and caches
	toStart = 5 * time.Second // for the program
	toRest  = 5 * time.Second // while nothing is published
	toEnd   = 3 * time.Second // for the last mutation, and for Postgres to count its transactions
)

// Latency is what a run shows.
type Latency struct {
	// Milliseconds from before the publish to when the platforms have read the body.
	P50     float64 `json:"p50_ms"`
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	Most    float64 `json:"most_ms"`
	Missing int     `json:"missing"`

	Transactions float64 `json:"transactions"` // of Postgres, for each mutation
	// Shares of one processor that all take: while mutations come, and before any has come.
	Busy   float64 `json:"busy"`
	AtRest float64 `json:"at_rest"`
}

// Options say what to measure.
type Options struct {
	Servers *apart.Servers
	// Program is what consumes. It was started, and the caller stops it.
	Program *process.Child
	// Put publishes the mutation of a number, which changes the item work.ItemID.
	Put func(ctx context.Context, number int) error
	// Every is the time between two mutations, Count of which are measured.
	Every time.Duration
	Count int
}

// Measure has mutations come, and asks the platforms when each came. spent is what they took.
func Measure(ctx context.Context, o Options) (l *Latency, spent apart.Usage, err error) {
	l = &Latency{}
	if l.AtRest, err = o.rest(ctx); err != nil {
		return nil, spent, err
	}
	sent, spent, err := o.publish(ctx, l)
	if err != nil {
		return nil, spent, err
	}
	received, err := o.Servers.Received(ctx)
	if err != nil {
		return nil, spent, err
	}
	if o.Program.Ended() {
		return nil, spent, apart.EndedEarly(o.Program)
	}
	return l, spent, l.fill(sent, received)
}

// rest is the share of a processor that all take while nothing is published.
func (o *Options) rest(ctx context.Context) (share float64, err error) {
	apart.Pause(ctx, toStart)
	before, err := o.Servers.Used(o.Program)
	if err != nil {
		return 0, err
	}
	apart.Pause(ctx, toRest)
	after, err := o.Servers.Used(o.Program)
	return after.Since(before).Total().Seconds() / toRest.Seconds(), err
}

// publish returns when each mutation was sent, in ns since 1970.
func (o *Options) publish(ctx context.Context, l *Latency) (sent map[string]int64, spent apart.Usage, err error) {
	sent = make(map[string]int64, o.Count)
	ticker := time.NewTicker(o.Every)
	defer ticker.Stop()
	var before apart.Usage
	var transactions float64
	var began time.Time
	for number := range warmUp + o.Count {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, spent, ctx.Err()
		}
		if number == warmUp {
			if transactions, err = o.Servers.Transactions(ctx); err != nil {
				return nil, spent, err
			}
			if before, err = o.Servers.Used(o.Program); err != nil {
				return nil, spent, err
			}
			began = time.Now()
		}
		if number >= warmUp {
			sent[work.ItemID(number)] = time.Now().UnixNano()
		}
		if err := o.Put(ctx, number); err != nil {
			return nil, spent, err
		}
	}
	apart.Pause(ctx, o.Every) // the last one is on its way
	after, err := o.Servers.Used(o.Program)
	if err != nil {
		return nil, spent, err
	}
	spent = after.Since(before)
	l.Busy = spent.Total().Seconds() / time.Since(began).Seconds()
	apart.Pause(ctx, toEnd)
	last, err := o.Servers.Transactions(ctx)
	l.Transactions = (last - transactions) / float64(o.Count)
	return sent, spent, err
}

// fill compares when items were sent with when they were received, both in ns. It fails where
// nothing has arrived.
func (l *Latency) fill(sent, received map[string]int64) error {
	var took []float64 // ms
	for item, at := range sent {
		came, ok := received[item]
		if !ok {
			l.Missing++
			continue
		}
		took = append(took, float64(came-at)/float64(time.Millisecond))
	}
	if len(took) == 0 {
		return errors.New("nothing has arrived")
	}
	slices.Sort(took)
	l.P50, l.P90, l.P99, l.Most = figures.Quantile(took, 0.5), figures.Quantile(took, 0.9), figures.Quantile(took, 0.99), took[len(took)-1]
	return nil
}
