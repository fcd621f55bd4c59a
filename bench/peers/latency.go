package main

import (
	"context"
	"errors"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/trickle"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

const between = 50 * time.Millisecond // of two mutations

// measureLatency publishes a mutation every 50 ms, round robin over the lanes.
func measureLatency(ctx context.Context, o options, e entrant) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout+o.latency)
	defer cancel()
	r = result{Entrant: e.name, Mutations: max(1, int(o.latency/between)), MaxAge: o.maxAge.String(), Load: apart.Load()}
	s, err := startServers(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }() //nolint:contextcheck // cleaning up must not end with ctx
	if err := e.prepare(ctx, s, o); err != nil {
		return r, err
	}
	p, err := e.open(ctx, s)
	if err != nil {
		return r, err
	}
	defer p.close()
	consumer, err := e.consume(s, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, apart.StopProgram(ctx, consumer)) }()
	lanes := work.Lanes(2, 1)
	var spent apart.Usage
	r.Latency, spent, err = trickle.Measure(ctx, trickle.Options{
		Servers: s, Program: consumer, Every: between, Count: r.Mutations,
		Put: func(ctx context.Context, number int) error {
			return p.put(ctx, lanes[number%len(lanes)], number, number+1)
		},
	})
	r.spent(spent)
	return r, err
}
