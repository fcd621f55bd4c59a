// Build builds the worker with a wall clock that can be set from outside, see the
// package clock.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/catalog-courier/catalog-courier/test/chaos/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	out := flag.String("out", "bin/worker-clock", "the program to write")
	source := flag.String("package", "./cmd/worker", "the package to build")
	flag.Parse()
	err := build(ctx, *source, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func build(ctx context.Context, source, out string) error {
	scratch, err := os.MkdirTemp("", "courier-clock-")
	if err != nil {
		return err
	}
	return errors.Join(clock.Build(ctx, ".", source, out, scratch), os.RemoveAll(scratch))
}
