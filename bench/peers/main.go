// Command peers measures Catalog Courier beside what a team would use instead: a backlog
// that is drained, and how long one mutation takes to its POST while little else happens.
// See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
)

type options struct {
	programs  string // folder
	worker    string // path
	entrants  []entrant
	mutations int
	few       int           // mutations of the run that shows what a start costs; 0 for no such run
	rounds    int           // how often each entrant is measured
	latency   time.Duration // for how long mutations come one by one; 0 measures a backlog
	maxAge    time.Duration // how long a mutation may wait for others to share its batch
	timeout   time.Duration // of one run
	out       string        // path; "" for none
}

func parseOptions(arguments []string) (o options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	var names string
	flags.StringVar(&o.programs, "programs", "bin/peers", "folder of the programs naive, river and bento")
	flags.StringVar(&o.worker, "worker", "bin/worker", "the worker program")
	flags.StringVar(&names, "entrants", strings.Join(entrantNames(), ","), "what to measure, in this order and back")
	flags.IntVar(&o.mutations, "mutations", 200_000, "mutations of a run, each of another item")
	flags.IntVar(&o.few, "few", 30, "mutations of the run that shows what a start costs; 0 leaves it out")
	flags.IntVar(&o.rounds, "rounds", 5, "how often to measure each")
	flags.DurationVar(&o.latency, "latency", 0, "measure latency for this time instead of a backlog")
	flags.DurationVar(&o.maxAge, "max-age", time.Second, "how long a mutation may wait for others to share its batch")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up a run after this time, which -latency adds to")
	flags.StringVar(&o.out, "out", "", "append each run to this file, as a line of JSON")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.mutations < 1 || o.rounds < 1 || o.few < 0 || o.latency < 0 || o.maxAge < time.Millisecond || o.timeout <= 0 {
		return o, errors.New("-mutations and -rounds must be at least 1, -max-age 1ms, and there are no arguments")
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(entrants, func(e entrant) bool { return e.name == name })
		if i < 0 {
			return o, fmt.Errorf("unknown entrant %q: must be some of %s", name, strings.Join(entrantNames(), ", "))
		}
		o.entrants = append(o.entrants, entrants[i])
	}
	return o, nil
}

func main() {
	apart.Services{sinkService: serveSink}.Run()
	os.Exit(command())
}

// command returns the exit code: 0 done, 1 failed, 2 wrong usage.
func command() int {
	o, err := parseOptions(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		return 2
	case runtime.GOOS != "linux":
		fmt.Fprintln(os.Stderr, "peers: only Linux tells the processor time of other processes")
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		return 1
	}
	return 0
}

// run measures the entrants in each round, and prints the tables of what it has, also when
// some runs failed.
func run(ctx context.Context, out io.Writer, o options) error {
	var all []result
	var failed []error
	for round := range o.rounds {
		for _, e := range inTurn(o.entrants, round) {
			r, err := measure(ctx, o, e)
			if ctx.Err() != nil {
				return errors.Join(printTables(out, all), context.Cause(ctx))
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("round %d, %s: %w", round+1, e.name, err))
				fmt.Fprintln(out, failed[len(failed)-1])
				continue
			}
			r.Round = round + 1
			all = append(all, r)
			fmt.Fprintln(out, &r)
			if err := figures.AppendLine(o.out, r); err != nil {
				return err
			}
		}
	}
	return errors.Join(append(failed, printTables(out, all))...)
}

// inTurn is the order of a round: forwards, then backwards, so that what changes on the
// machine meanwhile meets each entrant at both ends.
func inTurn(all []entrant, round int) []entrant {
	order := slices.Clone(all)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// measure takes one entrant through one run on servers of its own; a backlog is preceded
// by a run of few mutations.
func measure(ctx context.Context, o options, e entrant) (result, error) {
	if o.latency > 0 {
		return measureLatency(ctx, o, e)
	}
	var few result
	if o.few > 0 {
		var err error
		if few, err = measureBacklog(ctx, o, e, o.few); err != nil {
			return result{}, fmt.Errorf("%d mutations: %w", o.few, err)
		}
	}
	r, err := measureBacklog(ctx, o, e, o.mutations)
	if err == nil && o.few > 0 {
		r.started(few)
	}
	return r, err
}
