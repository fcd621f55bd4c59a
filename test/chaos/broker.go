package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
)

// brokerVariable names the variable that makes this program a NATS server on the
// folder in it, until its standard input ends.
const brokerVariable = "COURIER_CHAOS_NATS"

// serveBroker is the whole of such a process.
func serveBroker(folder string) error {
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
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
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

	command *exec.Cmd
	stdin   io.Closer
	ended   chan struct{}
	log     io.Writer
}

// start runs the server on its folder and waits until it is ready.
func (b *broker) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.command = exec.CommandContext(context.WithoutCancel(ctx), self) //nolint:gosec // this very program
	b.command.Env = append(os.Environ(), brokerVariable+"="+b.disk.path("nats"))
	b.command.Stderr = b.log
	stdin, err := b.command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := b.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.command.Start(); err != nil {
		return fmt.Errorf("starting NATS: %w", err)
	}
	b.stdin, b.ended = stdin, make(chan struct{})
	first := make(chan string, 1)
	go func(command *exec.Cmd, ended chan struct{}) { // ends with the process; kill and stop wait for it
		defer close(ended)
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		first <- strings.TrimSpace(line)
		_ = command.Wait()
	}(b.command, b.ended)
	return b.point(ctx, first)
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
	case <-timer.C:
		return errors.Join(errors.New("NATS did not become ready in time"), b.kill())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), b.kill())
	}
}

// kill ends the server without a word.
func (b *broker) kill() error {
	if b.command == nil {
		return nil
	}
	_ = b.command.Process.Kill() // it may be gone
	<-b.ended
	b.command = nil
	_ = b.stdin.Close() // stop may have closed it
	return nil
}

// stop has the server close its files and end.
func (b *broker) stop() error {
	if b.command == nil {
		return nil
	}
	_ = b.stdin.Close()
	timer := time.NewTimer(brokerPatience)
	defer timer.Stop()
	select {
	case <-b.ended:
		b.command = nil
		return nil
	case <-timer.C:
		_ = b.kill()
		return errors.New("NATS did not stop in time")
	}
}
