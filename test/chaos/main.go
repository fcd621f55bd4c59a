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
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errViolated = errors.New("an invariant does not hold")

func command(ctx context.Context, arguments []string, out io.Writer) error {
	r := &run{options: options{out: out}}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Uint64Var(&r.seed, "seed", 0, "repeats a run's schedule and load (default: a new one)")
	flags.DurationVar(&r.duration, "duration", 3*time.Minute, "how long things break")
	flags.IntVar(&r.rate, "rate", 300, "messages published a second")
	flags.StringVar(&r.worker, "worker", "bin/worker", "the worker program")
	flags.StringVar(&r.clock, "clock-worker", "bin/worker-clock", "the worker program as chaos/clock builds it")
	flags.StringVar(&r.report, "report", "", "also write the report to this file, and a picture beside it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if r.seed == 0 {
		r.seed = uint64(time.Now().UnixNano())
	}
	program, err := exec.LookPath(r.worker)
	if err != nil {
		return err
	}
	r.worker = program
	if r.clock, err = exec.LookPath(r.clock); err != nil {
		return err
	}
	return r.whole(ctx)
}

// whole is a run from its start to its report.
func (r *run) whole(ctx context.Context) (err error) {
	_, _ = fmt.Fprintf(r.out, "seed %d, %s: repeat it with make chaos SEED=%d MINUTES=%g\n", r.seed, r.duration, r.seed, r.duration.Minutes())
	keep := false
	defer func() {
		err = errors.Join(err, r.close())
		if r.folder == "" {
			return
		}
		if keep || err != nil {
			_, _ = fmt.Fprintf(r.out, "the logs are in %s\n", r.folder)
			return
		}
		err = os.RemoveAll(r.folder)
	}()
	if err := r.start(ctx); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	schedule := plan(r.seed, r.duration, r.full())
	printSchedule(r.out, schedule)
	if err := r.execute(ctx, schedule); err != nil {
		return fmt.Errorf("the run went wrong: %w", err)
	}
	r.logf("all faults are over")
	if err := r.drain(ctx); err != nil {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	if len(r.violations) > 0 {
		if err := r.keepState(ctx); err != nil {
			return err
		}
	}
	drained := time.Since(r.began) - r.duration
	r.logf("everything is final")
	h, err := r.finish(ctx)
	if err != nil {
		return fmt.Errorf("reading the end: %w", err)
	}
	judged := judge(h)
	judged.Violations = append(r.violations, judged.Violations...)
	keep = len(judged.Violations) > 0
	if err := r.writeReport(ctx, h, judged, drained); err != nil {
		return err
	}
	if keep {
		return fmt.Errorf("%w: seed %d", errViolated, r.seed)
	}
	return nil
}
