// Chaos runs real workers, NATS and Postgres against simulated platforms, breaks
// them in every way it knows, at random by a seed, and then checks the invariants
// of docs/design.md. It exits with 1 when one does not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if folder := os.Getenv(brokerVariable); folder != "" {
		if err := serveBroker(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errViolated = errors.New("an invariant does not hold")

func run(ctx context.Context, arguments []string, out io.Writer) error {
	t := &trial{options: options{out: out}}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Uint64Var(&t.seed, "seed", 0, "repeats a trial's schedule and load (default: a new one)")
	flags.DurationVar(&t.duration, "duration", 3*time.Minute, "how long things break")
	flags.IntVar(&t.rate, "rate", 300, "messages published a second")
	flags.StringVar(&t.worker, "worker", "bin/worker", "the worker program")
	flags.StringVar(&t.clock, "clock-worker", "bin/worker-clock", "the worker program as chaos/clock builds it")
	flags.StringVar(&t.report, "report", "", "also write the report to this file, and a picture beside it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if t.seed == 0 {
		t.seed = uint64(time.Now().UnixNano())
	}
	program, err := exec.LookPath(t.worker)
	if err != nil {
		return err
	}
	t.worker = program
	if t.clock, err = exec.LookPath(t.clock); err != nil {
		return err
	}
	return t.whole(ctx)
}

// whole is a trial from its start to its report.
func (t *trial) whole(ctx context.Context) (err error) {
	_, _ = fmt.Fprintf(t.out, "seed %d, %s: repeat it with make chaos SEED=%d MINUTES=%g\n", t.seed, t.duration, t.seed, t.duration.Minutes())
	keep := false
	defer func() {
		err = errors.Join(err, t.close())
		if t.folder == "" {
			return
		}
		if keep || err != nil {
			_, _ = fmt.Fprintf(t.out, "the logs are in %s\n", t.folder)
			return
		}
		err = os.RemoveAll(t.folder)
	}()
	if err := t.start(ctx); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	schedule := plan(t.seed, t.duration, t.full())
	printSchedule(t.out, schedule)
	if err := t.run(ctx, schedule); err != nil {
		return fmt.Errorf("the trial went wrong: %w", err)
	}
	t.sayf("all faults are over")
	if err := t.drain(ctx); err != nil {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	if len(t.violations) > 0 {
		if err := t.keepState(ctx); err != nil {
			return err
		}
	}
	drained := time.Since(t.began) - t.duration
	t.sayf("everything is final")
	h, err := t.finish(ctx)
	if err != nil {
		return fmt.Errorf("reading the end: %w", err)
	}
	judged := judge(h)
	judged.violations = append(t.violations, judged.violations...)
	keep = len(judged.violations) > 0
	if err := t.tell(ctx, h, judged, drained); err != nil {
		return err
	}
	if keep {
		return fmt.Errorf("%w: seed %d", errViolated, t.seed)
	}
	return nil
}
