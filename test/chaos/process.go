package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one life of a worker.
type process struct {
	began   time.Time
	command *exec.Cmd
	ended   chan struct{}
	err     error       // how it ended; read after ended
	wanted  atomic.Bool // somebody here ended it
}

// startProcess runs the worker program; its log is appended to the file.
func startProcess(program, settings, name, log string, environment ...string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	//nolint:gosec,noctx // the program that the caller named; kill and terminate end it
	p := &process{command: exec.Command(program, "run", "--config", settings, "--name", name, "--log-format", "json"), began: time.Now()}
	p.command.Env = append(os.Environ(), environment...)
	p.ended = make(chan struct{})
	p.command.Stdout, p.command.Stderr = output, output
	started := make(chan error, 1)
	go func() { // ends with the process; kill and terminate wait for it
		defer close(p.ended)
		defer func() { _ = output.Close() }()
		// The parent, for the kernel, is the thread that forked; it ends with the
		// goroutine.
		runtime.LockOSThread()
		bindToParent(p.command)
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.ended
		return nil, fmt.Errorf("starting worker %s: %w", name, err)
	}
	return p, nil
}

// gone reports that the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill ends the process without any warning.
func (p *process) kill() {
	p.wanted.Store(true)
	_ = p.command.Process.Kill() // it may be gone
	<-p.ended
}

// signal sends a signal; a process that is gone does not mind.
func (p *process) signal(s syscall.Signal) {
	_ = p.command.Process.Signal(s)
}

var errStays = errors.New("it did not end in time")

// await waits until the process has ended and returns how: nil for exit code 0.
func (p *process) await(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-timer.C:
		return errStays
	}
}
