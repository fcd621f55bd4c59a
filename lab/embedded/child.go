package embedded

import (
	"context"
	"io"
	"os/exec"
	"runtime"
	"time"
)

// child is a process that does not outlive this one.
type child struct {
	stop   func(how stopMode) error
	orders io.Closer     // the pipe to a watching shell; nil without one
	done   chan struct{} // closed once the process is gone and was waited for
	err    error         // how it ended; read after done
}

// stopMode is one of the ways Postgres may be asked to end.
type stopMode int

const (
	stopFast      stopMode = iota // roll back what is open, write a checkpoint, end
	stopImmediate                 // end at once; the next start recovers from the log
	stopKill
)

// startChild starts cmd, which must not have been started, watched by a shell
// where the kernel does not end orphans, or where the caller wants it.
func startChild(cmd *exec.Cmd, watched bool) (*child, error) {
	if kernelEndsOrphans && !watched {
		return startBoundChild(cmd)
	}
	return startWatchedChild(cmd)
}

// startBoundChild leaves it to the kernel to signal the child when its parent
// dies. The parent, for the kernel, is the thread that forked: so one goroutine
// keeps its thread from before the fork until the child is gone.
func startBoundChild(cmd *exec.Cmd) (*child, error) {
	c := &child{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(c.done)
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		bindToParent(cmd)
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
	c.stop = func(how stopMode) error { return signalChild(cmd.Process, how) }
	return c, nil
}

// end asks the child to stop, first in that way and then more firmly each time, and
// waits for it.
func (c *child) end(ctx context.Context, how stopMode) error {
	for _, step := range []struct {
		how      stopMode
		patience time.Duration
	}{
		{stopFast, 15 * time.Second},
		{stopImmediate, 5 * time.Second},
		{stopKill, 5 * time.Second},
	} {
		if step.how < how {
			continue
		}
		// A failed signal means that the child is gone already: done will tell.
		_ = c.stop(step.how)
		patience := time.NewTimer(step.patience)
		select {
		case <-c.done:
			patience.Stop()
			if c.orders != nil {
				_ = c.orders.Close()
			}
			return nil
		case <-patience.C:
		case <-ctx.Done():
			patience.Stop()
		}
	}
	return errChildStays
}
