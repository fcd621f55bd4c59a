// Command bench measures what a worker does and costs: the built program in a process of its
// own, beside a broker, simulated platforms and a durable Postgres, each a process too. Beside
// each run stands what the machine does bare: reading the same messages, and copying a row for
// each. See docs/performance.md.
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
	worker    string // path
	mutations int
	runs      int
	out       string // path; "" for none
	timeout   time.Duration
	scenarios []scenario
}

const usage = `usage: bench [flags] [SCENARIO…]        measure; all scenarios without a name
       bench [flags] gate                compare the cost of a mutation with the limit in gate.go
       bench compare OLD.jsonl NEW.jsonl compare what two runs wrote with -out

scenarios:
`

func parseOptions(arguments []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.worker, "worker", "../bin/worker", "the worker program")
	flags.IntVar(&o.mutations, "mutations", 100_000, "mutations of a run")
	flags.IntVar(&o.runs, "runs", 3, "how often to measure each, by turns")
	flags.StringVar(&o.out, "out", "", "append each run to this file, as a line of JSON")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up a run after this time")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		for _, s := range scenarios {
			fmt.Fprintf(flags.Output(), "  %-14s %s\n", s.name, s.what)
		}
		fmt.Fprintln(flags.Output(), "\nflags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.mutations < leastMutations || o.runs < 1 || o.timeout <= 0 {
		return o, fmt.Errorf("-mutations must be at least %d, -runs 1, and -timeout above 0", leastMutations)
	}
	if o.scenarios = scenarios; flags.NArg() > 0 {
		o.scenarios = nil
	}
	for _, name := range flags.Args() {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return o, fmt.Errorf("there is no scenario %q; bench -h names them", name)
		}
		o.scenarios = append(o.scenarios, scenarios[i])
	}
	return o, nil
}

// leastMutations give each of 1,000 accounts one.
const leastMutations = 1000

func main() {
	apart.Services{platformsService: servePlatforms}.Run()
	os.Exit(command(os.Args[1:]))
}

// command returns the exit code: 0 done, 1 failed, 2 wrong usage.
func command(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := perform(ctx, os.Stdout, arguments)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
}

// usageError is of a call that cannot be understood.
type usageError struct{ error }

// Unwrap is what was wrong.
func (e usageError) Unwrap() error { return e.error }

func perform(ctx context.Context, out io.Writer, arguments []string) error {
	if len(arguments) > 0 && arguments[0] == "compare" {
		if len(arguments) != 3 {
			return usageError{errors.New("compare needs two files")}
		}
		return compareFiles(out, arguments[1], arguments[2])
	}
	gated := len(arguments) > 0 && arguments[len(arguments)-1] == "gate"
	if gated {
		arguments = arguments[:len(arguments)-1]
	}
	o, err := parseOptions(arguments)
	if err != nil {
		return usageError{err}
	}
	if runtime.GOOS != "linux" {
		return errors.New("only Linux tells the processor time of other processes")
	}
	if gated {
		return gate(ctx, out, o)
	}
	return measureAll(ctx, out, o)
}

func measureAll(ctx context.Context, out io.Writer, o options) error {
	fmt.Fprintf(out, "%d mutations, %d CPUs, %s, %s\n", o.mutations, runtime.NumCPU(), runtime.Version(), strings.Join(namesOf(o.scenarios), " "))
	var all []result
	for run := range o.runs {
		for _, s := range o.scenarios {
			r, err := measure(ctx, o, s)
			if err != nil {
				return errors.Join(printTables(out, all), fmt.Errorf("%s: %w", s.name, err))
			}
			r.Run = run + 1
			all = append(all, r)
			fmt.Fprintln(out, &r)
			if err := figures.AppendLine(o.out, r); err != nil {
				return err
			}
		}
	}
	return printTables(out, all)
}

func namesOf(all []scenario) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return names
}
