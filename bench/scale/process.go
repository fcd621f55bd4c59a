package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// worker is a worker in a process of its own.
type worker struct {
	*process.Child

	name    string
	address string // of its metrics
}

// startWorker runs "worker run". End it with stop, else the cluster's Close does.
func (c *cluster) startWorker(ctx context.Context, name string) (*worker, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	//nolint:gosec,noctx // the program that the caller named; the cluster's Close ends it
	command := exec.Command(c.options.worker, "run", "--config", c.config, "--name", name, "--log-level", "warn")
	command.Env = append(c.environment(), "COURIER_HTTP_LISTEN="+address)
	command.Stderr = c.log
	child, err := process.Start(command, process.Options{})
	if err != nil {
		return nil, err
	}
	w := &worker{Child: child, name: name, address: address}
	c.workers = append(c.workers, w)
	return w, nil
}

// stop has the worker drain, and tells how long that took.
func (w *worker) stop() (took time.Duration, err error) {
	began := time.Now()
	if err := w.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err = w.Err()
	return time.Since(began), err
}

// gone is an error when the process has ended unexpectedly.
func (w *worker) gone() error {
	if w.Ended() {
		return fmt.Errorf("worker %s ended: %w", w.name, w.Err())
	}
	return nil
}

// memory is the resident memory of the process, in bytes.
func (w *worker) memory() (int64, error) { return process.Memory(w.PID()) }

// processorTime is what the process has used so far.
func (w *worker) processorTime() (time.Duration, error) {
	stat, err := process.ReadStat(w.PID())
	return stat.CPU, err
}
