package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a worker in a process of its own.
type process struct {
	name    string
	address string // of its metrics
	command *exec.Cmd
	ended   chan struct{}
	err     error // set when ended is closed
}

// startWorker runs "worker run". End it with stop, else the cluster's Close does.
func (c *cluster) startWorker(ctx context.Context, name string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	w := &process{name: name, address: address, ended: make(chan struct{})}
	// It outlives ctx, which may be that of a step only: the cluster's Close ends it.
	//nolint:gosec // the program that the caller named
	w.command = exec.CommandContext(context.WithoutCancel(ctx), c.options.worker, "run", "--config", c.config, "--name", name, "--log-level", "warn")
	w.command.Env = append(c.environment(), "COURIER_HTTP_LISTEN="+address)
	w.command.Stderr = c.log
	if err := w.command.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, and that with the cluster at the latest
		defer close(w.ended)
		w.err = w.command.Wait()
	}()
	c.workers = append(c.workers, w)
	return w, nil
}

// stop has the worker drain, and tells how long that took.
func (w *process) stop() (took time.Duration, err error) {
	began := time.Now()
	if err := w.command.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	<-w.ended
	return time.Since(began), w.err
}

// kill ends the process without any warning.
func (w *process) kill() {
	_ = w.command.Process.Kill() // it may be gone
	<-w.ended
}

// gone is an error when the process has ended unexpectedly.
func (w *process) gone() error {
	select {
	case <-w.ended:
		return fmt.Errorf("worker %s ended: %w", w.name, w.err)
	default:
		return nil
	}
}

// memory is the resident memory of the process, in bytes.
func (w *process) memory() (int64, error) { return w.status("VmRSS:") }

func (w *process) status(field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("only Linux tells the memory of another process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("there is no %s in the status of the process", field)
}

// processorTime is what the process has used so far.
func (w *process) processorTime() (time.Duration, error) {
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	// After the command's name in brackets; utime and stime are fields 14 and 15 of
	// proc_pid_stat(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
