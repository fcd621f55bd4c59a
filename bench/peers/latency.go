package main

import (
	"context"
	"errors"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/catalog-courier/catalog-courier/lab/process"
)

const (
	between = 50 * time.Millisecond // of two mutations
	warmUp  = 40                    // mutations that do not count: connections, plans and caches
	toStart = 5 * time.Second       // for the consumer
	toRest  = 5 * time.Second       // while nothing is published
	toEnd   = 3 * time.Second       // for the last mutation, and for Postgres to count its transactions
)

// measureLatency publishes a mutation every 50 ms, round robin over the lanes, and asks the
// sink when each one came.
func measureLatency(ctx context.Context, o options, e entrant) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout+o.latency)
	defer cancel()
	r = result{Entrant: e.name, Mutations: max(1, int(o.latency/between)), MaxAge: o.maxAge.String(), Load: apart.Load(), Latency: &latency{}}
	s, err := startServers(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }() //nolint:contextcheck // cleaning up must not end with ctx
	if err := e.prepare(ctx, s, o); err != nil {
		return r, err
	}
	consumer, err := e.consume(s, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, apart.StopProgram(ctx, consumer)) }()
	if err := rest(ctx, s, consumer, &r); err != nil {
		return r, err
	}
	sent, err := trickle(ctx, s, e, consumer, &r)
	if err != nil {
		return r, err
	}
	received, err := s.Received(ctx)
	if err != nil {
		return r, err
	}
	if consumer.Ended() {
		return r, apart.EndedEarly(consumer)
	}
	return r, r.Latency.fill(sent, received)
}

// rest measures what everything takes while nothing is published.
func rest(ctx context.Context, s *apart.Servers, consumer *process.Child, r *result) error {
	apart.Pause(ctx, toStart)
	before, err := s.Used(consumer)
	if err != nil {
		return err
	}
	apart.Pause(ctx, toRest)
	after, err := s.Used(consumer)
	r.Latency.AtRest = after.Since(before).Total().Seconds() / toRest.Seconds()
	return err
}

// trickle publishes, and measures what that takes. It returns when each mutation was sent,
// in ns since 1970.
func trickle(ctx context.Context, s *apart.Servers, e entrant, consumer *process.Child, r *result) (sent map[string]int64, err error) {
	p, err := e.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer p.close()
	lanes := work.Lanes(2, 1)
	sent = make(map[string]int64, r.Mutations)
	ticker := time.NewTicker(between)
	defer ticker.Stop()
	var before apart.Usage
	var transactions float64
	var began time.Time
	for number := range warmUp + r.Mutations {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if number == warmUp {
			if transactions, err = s.Transactions(ctx); err != nil {
				return nil, err
			}
			if before, err = s.Used(consumer); err != nil {
				return nil, err
			}
			began = time.Now()
		}
		if number >= warmUp {
			sent[work.ItemID(number)] = time.Now().UnixNano()
		}
		if err := p.put(ctx, lanes[number%len(lanes)], number, number+1); err != nil {
			return nil, err
		}
	}
	after, err := s.Used(consumer)
	if err != nil {
		return nil, err
	}
	spent := after.Since(before)
	r.spent(spent)
	r.Latency.Busy = spent.Total().Seconds() / time.Since(began).Seconds()
	apart.Pause(ctx, toEnd)
	last, err := s.Transactions(ctx)
	r.Latency.Transactions = (last - transactions) / r.each()
	return sent, err
}
