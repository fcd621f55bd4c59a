package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

const hangupText = "SIGHUP is ignored: nothing is reloaded and nothing ends; SIGTERM stops"

// hangups is what happens when a SIGHUP comes.
type hangups struct {
	mu  sync.Mutex
	say func()
}

type hangupsKey struct{}

// OnHangup has say tell of each SIGHUP from now on, in place of a line on standard
// error: a command that logs says it in its log.
func OnHangup(ctx context.Context, say func()) {
	h, listened := ctx.Value(hangupsKey{}).(*hangups)
	if !listened {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.say = say
}

// survivingHangups has SIGHUP end nothing until the returned function is called: the
// terminal or the ssh session is gone, or somebody means "reload". Each is told. Where
// SIGHUP was ignored at the start, as under nohup, it stays so and nothing is told.
func survivingHangups(ctx context.Context, name string, stderr io.Writer) (context.Context, func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	stderr = legible.NewWriter(stderr)
	h := &hangups{say: func() { _, _ = fmt.Fprintf(stderr, "%s: %s\n", name, hangupText) }}
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-signals:
				// Whoever read the output may be gone with the terminal. Go ends a process
				// that writes to a closed pipe on standard output or error, unless this
				// signal is ignored: the write fails then, and that is all.
				signal.Ignore(syscall.SIGPIPE)
				h.mu.Lock()
				say := h.say
				h.mu.Unlock()
				say()
			case <-done:
				return
			}
		}
	})
	return context.WithValue(ctx, hangupsKey{}, h), func() {
		signal.Stop(signals)
		close(done)
		listening.Wait()
	}
}
