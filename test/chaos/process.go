package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// worker is one life of a worker.
type worker struct {
	*process.Child

	wanted atomic.Bool // the run ended it
}

// startWorker runs the worker program; its log is appended to the file.
func startWorker(program, settings, name, log string, environment ...string) (*worker, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }() // the child has its own descriptor
	//nolint:gosec,noctx // the program that the caller named; kill and terminate end it
	command := exec.Command(program, "run", "--config", settings, "--name", name, "--log-format", "json")
	command.Env = append(os.Environ(), environment...)
	command.Stdout, command.Stderr = output, output
	child, err := process.Start(command, process.Options{})
	if err != nil {
		return nil, fmt.Errorf("starting worker %s: %w", name, err)
	}
	return &worker{Child: child}, nil
}

// kill ends the process without any warning.
func (w *worker) kill() {
	w.wanted.Store(true)
	w.Kill()
}
