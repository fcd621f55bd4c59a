package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

// gateLimit is what the worker may take for a mutation as a message and one in a pack, both
// together, as a multiple of what it takes to read a message and to decode it, in the same run.
//
// It stands between the ratio, 5.3 to 6.1, and what a loss of a quarter makes of it, somewhat
// nearer to that: an alarm without a loss costs more than a loss that is found a run later. To
// set it again, after a change of the cost that is meant or of the toolchain: run make
// bench-gate five times, take the median of the ratios that it prints, and multiply it by 1.18.
// What it was set by, and how often it was wrong, is in docs/performance.md.
const gateLimit = 6.8

const (
	gateMutations = 40_000 // of a form in a pair: the start of the worker is a quarter of its time
	gateBare      = 30_000
	// After the first count of pairs the gate opens as soon as the ratio is within the limit,
	// and after the second it fails: a busy machine may need more of them.
	gateLeast = 5
	gateMost  = 10
)

// gate measures pairs of the bare machine and of the worker by turns until their ratio is
// within the limit. Other programs make processor time longer and never shorter, so that the
// least of several measurements of one thing is nearest to what it costs.
func gate(ctx context.Context, out io.Writer, o options) (err error) {
	m := &measurement{scenario: scenario{name: "gate", meta: 2, pinterest: 1}, program: o.worker}
	if err := m.start(ctx, gateBare); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.servers.Stop()) }() //nolint:contextcheck // cleaning up must not end with ctx
	fmt.Fprintf(out, "processor time in µs for each mutation, load %.1f\n", apart.Load())
	least := pair{bare: math.Inf(1), plain: math.Inf(1), packs: math.Inf(1)}
	for count := 1; count <= gateMost; count++ {
		p, err := m.pair(ctx, count-1)
		if err != nil {
			return err
		}
		least = least.least(p)
		fmt.Fprintf(out, "pair %2d: bare %5.2f, worker %5.2f and in packs %5.2f; the least of each: %5.2f, %5.2f and %5.2f, ratio %.2f\n",
			count, p.bare, p.plain, p.packs, least.bare, least.plain, least.packs, least.ratio())
		if count >= gateLeast && least.ratio() <= gateLimit {
			fmt.Fprintf(out, "the ratio %.2f is within the limit of %.2f\n", least.ratio(), gateLimit)
			return nil
		}
	}
	return fmt.Errorf("a mutation costs the worker %.2f times what reading and decoding one does, more than %.2f: see docs/performance.md",
		least.ratio(), gateLimit)
}

// pair is processor time in µs for each mutation: of reading and decoding it, of the worker
// where it is a message of its own, and where it is one in a pack.
type pair struct{ bare, plain, packs float64 }

func (p pair) ratio() float64 { return (p.plain + p.packs) / p.bare }

func (p pair) least(q pair) pair {
	return pair{bare: min(p.bare, q.bare), plain: min(p.plain, q.plain), packs: min(p.packs, q.packs)}
}

// pair measures one; number counts those before it.
func (m *measurement) pair(ctx context.Context, number int) (p pair, err error) {
	p.bare = math.Inf(1)
	first := 2 * number * gateMutations
	for i, one := range []struct {
		form work.Form
		into *float64
	}{{work.Plain, &p.plain}, {work.Packs, &p.packs}} {
		_, bare, err := consumeBare(ctx, m.servers, decode)
		if err != nil {
			return p, err
		}
		p.bare = min(p.bare, figures.Micro(bare, gateBare))
		from := first + i*gateMutations
		m.form = one.form
		if err := m.publish(ctx, from, from+gateMutations); err != nil {
			return p, err
		}
		if *one.into, err = m.cost(ctx, from+gateMutations); err != nil {
			return p, err
		}
	}
	return p, nil
}

// cost is what the worker takes from its start until so many mutations are final. The index of
// items, which is written behind, is in it as far as it has come.
func (m *measurement) cost(ctx context.Context, finished int) (each float64, err error) {
	if err := m.startWorker(); err != nil {
		return 0, err
	}
	err = m.until(ctx, allFinished, finished)
	spent, clockErr := apart.Clock(m.worker.PID())
	return figures.Micro(spent, gateMutations), errors.Join(err, clockErr, m.stopWorker(ctx))
}

// decode is what the simplest consumer does with a message.
func decode(m jetstream.Msg) error {
	var mutation struct {
		ID         string          `json:"id"`
		ItemID     string          `json:"item_id"`
		Operation  string          `json:"operation"`
		Attributes json.RawMessage `json:"attributes"`
	}
	return json.Unmarshal(m.Data(), &mutation)
}
