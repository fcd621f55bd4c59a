// Command bench measures mutations a second from end to end on one machine:
// broker, worker and platforms in this process, Postgres with fsync and
// synchronous_commit on as its child. A mutation counts once Postgres says that it
// is final. Beside it stand the rates that the parts reach alone: reading the same
// stream, and copying one compact row per mutation.
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
)

type options struct {
	mutations int
	bytes     int
	meta      int // accounts
	pinterest int // accounts
	scenarios []scenario
	runs      int
	profiles  string        // folder
	timeout   time.Duration // of one run
}

func parseOptions() (options, error) {
	var o options
	var names string
	flag.IntVar(&o.mutations, "mutations", 1_000_000, "mutations of one run, each of another item")
	flag.IntVar(&o.bytes, "bytes", 600, "bytes of a message, about")
	flag.IntVar(&o.meta, "meta", 2, "accounts on Meta")
	flag.IntVar(&o.pinterest, "pinterest", 1, "accounts on Pinterest")
	flag.StringVar(&names, "scenarios", "backlog,live,synced", "what to measure; also atomic, backlog-packs, live-packs and synced-packs")
	flag.IntVar(&o.runs, "runs", 3, "how often to measure each")
	flag.StringVar(&o.profiles, "cpuprofile", "", "write CPU profiles into this folder")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up a run after this time")
	flag.Parse()
	if o.mutations < 1 || o.runs < 1 || o.meta+o.pinterest < 1 || o.meta < 0 || o.pinterest < 0 {
		return o, errors.New("-mutations, -runs and the accounts must be at least one")
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return o, fmt.Errorf("there is no scenario %q", name)
		}
		o.scenarios = append(o.scenarios, scenarios[i])
	}
	return o, nil
}

func main() { os.Exit(command()) }

// command returns the exit code: 0 done, 1 failed, 2 wrong usage.
func command() int {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, out io.Writer, o options) error {
	fmt.Fprintf(out, "%d mutations of about %d bytes, %d Meta and %d Pinterest accounts, %d CPUs, %s\n",
		o.mutations, o.bytes, o.meta, o.pinterest, runtime.NumCPU(), runtime.Version())
	var results []measurement
	for round := range o.runs {
		for _, s := range o.scenarios {
			measured, err := measure(ctx, out, o, s, round)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			for _, m := range measured {
				fmt.Fprintf(out, "run %d: %s\n", round+1, m)
				results = append(results, m)
			}
		}
	}
	printTable(out, results)
	return nil
}
