package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/process"
	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
)

// brokerVariable names the variable that makes this program a NATS server on the
// folder in it, until SIGTERM.
const brokerVariable = "COURIER_CHAOS_NATS"

// serveBroker is the whole of such a process.
func serveBroker(folder string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server, err := embedded.StartNATS(embedded.NATSOptions{
		StoreDir: folder, SyncAlways: true, Port: -1, MaxStore: brokerStore,
	})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	if _, err := fmt.Fprintln(os.Stdout, server.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

const (
	// brokerStore bounds JetStream's files, streamBytes the stream: far above what a
	// run publishes, as the trimmer must leave all of it for the check.
	brokerStore = 2 << 30
	streamBytes = 1 << 30
	// brokerPatience is how long a server may take to start or end.
	brokerPatience = 30 * time.Second
)

// broker is a NATS server in a process of its own, so that it can be killed.
type broker struct {
	disk    *disk
	proxies []*proxy.Proxy // told where the server listens

	process *process.Child // nil while it is down
	log     io.Writer
}

// start runs the server on its folder and waits until it is ready.
func (b *broker) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self) //nolint:gosec,noctx // this very program; kill and stop end it
	command.Env = append(os.Environ(), brokerVariable+"="+b.disk.path("nats"))
	first := make(chan string, 1)
	command.Stdout, command.Stderr = &firstLine{line: first}, b.log
	if b.process, err = process.Start(command, process.Options{}); err != nil {
		return fmt.Errorf("starting NATS: %w", err)
	}
	return b.point(ctx, first)
}

// firstLine hands on the first line that is written to it.
type firstLine struct {
	text bytes.Buffer
	line chan string // of one line; nil once it was handed on
}

// Write implements io.Writer.
func (f *firstLine) Write(text []byte) (int, error) {
	if f.line == nil {
		return len(text), nil
	}
	f.text.Write(text)
	if line, _, found := strings.Cut(f.text.String(), "\n"); found {
		f.line <- line
		f.line = nil
	}
	return len(text), nil
}

// point leads the proxies to the address that the server says.
func (b *broker) point(ctx context.Context, first <-chan string) error {
	timer := time.NewTimer(brokerPatience)
	defer timer.Stop()
	select {
	case line := <-first:
		address, err := url.Parse(line)
		if err != nil || address.Host == "" {
			return fmt.Errorf("NATS did not become ready: it said %q", line)
		}
		for _, p := range b.proxies {
			p.Retarget("tcp", address.Host)
		}
		return nil
	case <-b.process.Done():
		return errors.New("NATS ended before it was ready")
	case <-timer.C:
		return errors.Join(errors.New("NATS did not become ready in time"), b.kill())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), b.kill())
	}
}

// kill ends the server without a word.
func (b *broker) kill() error {
	if b.process != nil {
		b.process.Kill()
		b.process = nil
	}
	return nil
}

// stop has the server close its files and end.
func (b *broker) stop() error {
	if b.process == nil {
		return nil
	}
	_ = b.process.Signal(syscall.SIGTERM) // it may be gone
	err := b.process.Await(brokerPatience)
	if err != nil {
		err = fmt.Errorf("stopping NATS: %w", err)
	}
	return errors.Join(err, b.kill())
}
