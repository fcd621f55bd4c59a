// Package process runs programs as child processes that do not outlive this one:
// a Postgres or NATS server, and workers.
package process

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// ErrStays is returned for a child that has not ended in time.
var ErrStays = errors.New("the process did not exit in time")

// Options say how a child is bound to this process.
type Options struct {
	// Orphaned is sent to the child when this process ends first. Defaults to SIGKILL.
	Orphaned syscall.Signal
	// Watched has a shell watch over the child, as on systems whose kernel does not end
	// orphans. The child then has no standard input.
	Watched bool
}

// Child is a process that was started here.
type Child struct {
	Began time.Time

	signal func(syscall.Signal) error
	orders io.Closer     // the pipe to a watching shell; nil without one
	pid    int           // of the child, or of the shell that watches over it
	done   chan struct{} // closed once the process is gone and was waited for
	err    error         // how it ended; read after done
}

// Start starts cmd, which must not have been started and needs no context.
func Start(cmd *exec.Cmd, options Options) (*Child, error) {
	if options.Orphaned == 0 {
		options.Orphaned = syscall.SIGKILL
	}
	if kernelEndsOrphans && !options.Watched {
		return startBound(cmd, options.Orphaned)
	}
	return startWatched(cmd, options.Orphaned)
}

// startBound leaves it to the kernel to signal the child when its parent dies. The
// parent, for the kernel, is the thread that forked: so one goroutine keeps its
// thread from before the fork until the child is gone.
func startBound(cmd *exec.Cmd, orphaned syscall.Signal) (*Child, error) {
	c := &Child{Began: time.Now(), done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(c.done)
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		bindToParent(cmd, orphaned)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		<-c.done
		return nil, err
	}
	c.pid = cmd.Process.Pid
	c.signal = func(s syscall.Signal) error { return cmd.Process.Signal(s) }
	return c, nil
}

// PID is the child's process ID; of a watched one, that of its shell.
func (c *Child) PID() int { return c.pid }

// Done is closed once the child is gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended reports whether the child is gone.
func (c *Child) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Err is how the child ended: nil for exit code 0. It waits for that.
func (c *Child) Err() error {
	<-c.done
	return c.err
}

// Signal sends a signal. A child that is gone already gives os.ErrProcessDone.
func (c *Child) Signal(s syscall.Signal) error {
	if c.Ended() {
		return os.ErrProcessDone
	}
	return c.signal(s)
}

// Await waits until the child has ended and returns how, or ErrStays.
func (c *Child) Await(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timer.C:
		return ErrStays
	}
}

// Kill ends the child without any warning and waits until it is gone. Killing twice is
// harmless.
func (c *Child) Kill() {
	_ = c.Signal(syscall.SIGKILL) // it may be gone
	<-c.done
	c.closeOrders()
}

// Step is one way to have a child end, and how long it may take then.
type Step struct {
	Signal syscall.Signal
	Within time.Duration
}

// Stop asks the child to end, in each way after the other, and waits for it. It returns
// ErrStays when it is there after the last one. Once ctx ends it does not wait any more
// between them.
func (c *Child) Stop(ctx context.Context, steps ...Step) error {
	for _, step := range steps {
		_ = c.Signal(step.Signal) // it may be gone: done says so
		timer := time.NewTimer(step.Within)
		select {
		case <-c.done:
			timer.Stop()
			c.closeOrders()
			return nil
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ErrStays
}

func (c *Child) closeOrders() {
	if c.orders != nil {
		_ = c.orders.Close() // the shell has ended
	}
}
