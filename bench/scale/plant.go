package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/platform/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"

	"github.com/catalog-courier/catalog-courier/bench/rig"
)

// plant is the rig, and what its workers are told.
type plant struct {
	*rig.Rig
	options options
	folder  string
	config  string // path
	log     io.Writer
}

// startPlant starts the servers and writes down the settings. Its Close ends them.
func startPlant(ctx context.Context, o options, configuration string) (*plant, error) {
	p := &plant{options: o, log: io.Discard}
	if o.verbose {
		p.log = os.Stderr
	}
	worker, err := filepath.Abs(o.worker)
	if err != nil {
		return nil, err
	}
	p.options.worker = worker
	if p.folder, err = os.MkdirTemp("", "courier-scale-"); err != nil {
		return nil, err
	}
	p.config = filepath.Join(p.folder, "courier.yaml")
	if err := os.WriteFile(p.config, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	quick := sandbox.Options{SkipValidation: true, Delay: 50 * time.Millisecond}
	p.Rig, err = rig.Start(ctx, rig.Options{
		Config: configuration, Log: p.log, Meta: quick, Pinterest: quick,
		Postgres: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"},
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.folder))
	}
	return p, nil
}

// Close ends the servers and removes what they kept.
func (p *plant) Close() error { return errors.Join(p.Rig.Close(), os.RemoveAll(p.folder)) }

// process is a worker in a process of its own.
type process struct {
	name    string
	address string // of its metrics
	command *exec.Cmd
	ended   chan struct{}
	err     error // set when ended is closed
}

// startWorker runs "worker run". End it with stop.
func (p *plant) startWorker(ctx context.Context, name string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	w := &process{name: name, address: address, ended: make(chan struct{})}
	w.command = exec.CommandContext(ctx, p.options.worker, "run", "--config", p.config, "--name", name, "--log-level", "warn")
	w.command.Env = append(p.environment(), "COURIER_HTTP_LISTEN="+address)
	w.command.Stderr = p.log
	if err := w.command.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, and that with ctx at the latest
		defer close(w.ended)
		w.err = w.command.Wait()
	}()
	return w, nil
}

func (p *plant) environment() []string {
	environment := os.Environ()
	for name, value := range p.Variables() {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// operate runs another command of the worker program, such as "accounts pause".
func (p *plant) operate(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, p.options.worker, append(arguments, "--config", p.config)...)
	command.Env = p.environment()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("worker %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
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
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
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

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// publish publishes mutations from to to of an account, in atomic batches.
func (p *plant) publish(ctx context.Context, account string, from, to int) error {
	publisher := p.Publisher()
	subject := "catalog.mutations." + account + ".main.PRODUCT_ITEM"
	batch := make([]queue.Publication, 0, queue.MaxBatch)
	for from < to {
		batch = batch[:0]
		for ; from < to && len(batch) < queue.MaxBatch; from++ {
			batch = append(batch, queue.Publication{Subject: subject, ID: account + "-" + strconv.Itoa(from), Data: message(from)})
		}
		results, err := publisher.Publish(ctx, batch)
		if err != nil {
			return err
		}
		if sum := queue.Summarize(results); sum.Stored != len(batch) {
			return fmt.Errorf("not all messages were stored: %+v", sum)
		}
	}
	return nil
}

// message is a change of a product of its own, of about 600 bytes.
func message(number int) []byte {
	const filler = "Sturdy, light and made to last; comes in many colours and is shipped the same day. "
	n := strconv.Itoa(number)
	return []byte(`{"item_id":"SKU-` + n + `","operation":"UPSERT","attributes":{"title":"Product number ` + n +
		`","link":"https://shop.example.com/products/` + n + `","image_link":"https://img.example.com/products/` + n +
		`.jpg","price":"24.99 USD","availability":"in stock","condition":"new","brand":"Example","description":"` +
		strings.Repeat(filler, 3) + `"}}`)
}

// await looks twice a second until the query, of one boolean, says true.
func (p *plant) await(ctx context.Context, within time.Duration, query string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		var done bool
		if err := p.Database.QueryRow(ctx, query, arguments...).Scan(&done); err != nil {
			return fmt.Errorf("waiting for %s: %w", query, err)
		}
		if done {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %s", within, query)
		}
	}
}

const allOwned = `SELECT count(*) > 0 AND bool_and(owner IS NOT NULL) FROM courier.lease`

func megabytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
