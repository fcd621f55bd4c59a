// Command scale measures what a worker needs and holds back, with workers in
// processes of their own beside a broker, a Postgres and simulated platforms:
//
//	bounded    memory while millions of mutations wait on a paused account
//	drain      how quickly a backlog is worked off, with how much memory
//	accounts   what workers with very many accounts need, working and idle
//	join       how partitions move when workers join, leave and are killed under load
//	isolation  what the trouble of some accounts does to the others
//	soak       whether anything grows over a long time
//
// Its figures are in docs/reliability.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options of all measurements; each uses some.
type options struct {
	worker    string // path of the program
	mutations int
	paused    int
	accounts  int
	workers   int
	pairs     int
	trouble   []string // accounts
	flood     int      // changes a second
	// floodPosts are how many requests a platform takes of the account that floods in
	// each floodWindow; 0 any number.
	floodPosts int
	during     time.Duration
	csv        string // path
	verbose    bool
}

// measurements by name.
var measurements = map[string]func(ctx context.Context, out io.Writer, o options) error{
	"bounded":   bounded,
	"drain":     drain,
	"accounts":  accounts,
	"join":      join,
	"isolation": isolation,
	"soak":      soak,
}

func main() { os.Exit(command()) }

// command returns the exit code: 0 done, 1 failed or a bound broken, 2 wrong usage.
func command() int {
	var o options
	flag.StringVar(&o.worker, "worker", "../bin/worker", "the worker program")
	flag.IntVar(&o.mutations, "mutations", 5_000_000, "bounded, drain: how many mutations")
	flag.IntVar(&o.paused, "paused", 1, "bounded: how many accounts are paused")
	flag.IntVar(&o.accounts, "accounts", 10_000, "accounts: how many accounts")
	flag.IntVar(&o.workers, "workers", 4, "accounts: how many workers")
	flag.IntVar(&o.pairs, "pairs", 5, "isolation: how many quiet and troubled runs")
	o.trouble = inTrouble
	flag.Func("trouble", "isolation: which of "+strings.Join(inTrouble, ", ")+"; all of them by default", func(names string) error {
		o.trouble = strings.Split(names, ",")
		for _, name := range o.trouble {
			if !slices.Contains(inTrouble, name) {
				return fmt.Errorf("there is no account %q to be in trouble", name)
			}
		}
		return nil
	})
	flag.IntVar(&o.flood, "flood", 2000, "isolation: changes a second of the account that floods")
	flag.IntVar(&o.floodPosts, "flood-posts", 0, "isolation: a quota of the account that floods, in requests each "+floodWindow.String()+"; 0 none")
	flag.DurationVar(&o.during, "during", time.Hour, "soak: how long")
	flag.StringVar(&o.csv, "csv", "soak.csv", "soak: where the samples go")
	flag.BoolVar(&o.verbose, "v", false, "show what the workers log")
	flag.Parse()
	measure, ok := measurements[flag.Arg(0)]
	if !ok || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "scale: name one after the flags: "+strings.Join(slices.Sorted(maps.Keys(measurements)), ", "))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(os.Stdout, "%s, %d CPUs, %s\n", flag.Arg(0), runtime.NumCPU(), runtime.Version())
	if err := measure(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		return 1
	}
	return 0
}
