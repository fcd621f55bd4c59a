package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Reload is how a worker reads its configuration again while it works. Accounts that
// differ from then on are served as the new configuration says; what is outside of the
// accounts is read at the start only. A configuration that no worker could start with
// changes nothing.
type Reload struct {
	// Load reads the configuration. Required.
	Load func() (*config.Config, error)
	// Asked has it read at once. Nil: nobody asks.
	Asked <-chan struct{}
	// Path is the file that is looked at every few seconds; "" for none. Its content
	// counts, not its time: links that are exchanged under it are noticed.
	Path string
	// Taken is the fingerprint of what the worker was started with, so that it is not read
	// again while the file holds nothing else. Zero: it is read once more.
	Taken [sha256.Size]byte
	// Interval is the pause between two looks. Defaults to 3 seconds.
	Interval time.Duration
}

// reloadInterval is short for people who wait, and long for what a look costs.
const reloadInterval = 3 * time.Second

// serving is the configuration that a worker's accounts are served with. It is never
// changed, only followed by another.
type serving struct {
	config      *config.Config
	credentials *credentials
	registered  []persistence.Account
	// affected are the partitions whose accounts differ from those of the one before.
	affected map[int]bool
	// replaced is closed when next is set.
	replaced chan struct{}
	next     *serving
}

func newServing(c *config.Config, credentials *credentials, registered []persistence.Account) *serving {
	return &serving{config: c, credentials: credentials, registered: registered, affected: map[int]bool{}, replaced: make(chan struct{})}
}

// newest is the last that followed.
func (s *serving) newest() *serving {
	for {
		select {
		case <-s.replaced:
			s = s.next
		default:
			return s
		}
	}
}

// errReconfigured ends an engine whose accounts are configured differently by now.
var errReconfigured = errors.New("the configuration of the partition's accounts changed")

// drain is what ends an engine that is served by s in good order: the partition is asked
// back, or its accounts are configured differently. stop ends the watch and says whether
// it was the latter.
func (s *serving) drain(partition int, handOver <-chan struct{}) (drain <-chan struct{}, stop func() (reconfigured bool)) {
	ended, stopped, watching := make(chan struct{}), make(chan struct{}), make(chan struct{})
	// What is so already is seen at once: an engine that starts draining reads nothing,
	// whichever goroutine runs first.
	now := make(chan struct{})
	close(now)
	over, reconfigured, present := s.watch(partition, handOver, now)
	if over {
		close(ended)
		return ended, func() bool { return reconfigured }
	}
	go func() { // ends with stop, which waits for it
		defer close(watching)
		if over, reconfigured, _ = present.watch(partition, handOver, stopped); over {
			close(ended)
		}
	}()
	return ended, func() bool {
		close(stopped)
		<-watching
		return reconfigured
	}
}

// watch waits until the partition is asked back, its accounts are configured differently,
// or until is closed, which counts only while neither is so. latest is the newest
// configuration that it saw.
func (s *serving) watch(partition int, handOver, until <-chan struct{}) (over, reconfigured bool, latest *serving) {
	for {
		select {
		case <-handOver: // first: whoever gets the partition has a configuration of its own
			return true, false, s
		default:
		}
		select {
		case <-s.replaced:
			if s = s.next; s.affected[partition] {
				return true, true, s
			}
			continue
		default:
		}
		select {
		case <-handOver:
		case <-s.replaced:
		case <-until:
			return false, false, s
		}
	}
}

// reloading reads the configuration again, until ctx ends.
type reloading struct {
	*Reload
	worker *worker
	// seen is what the file held at the last look, taken what it held when it was read.
	seen, taken [sha256.Size]byte
	unreadable  bool // at the last look, and it was said
	refused     bool // what was read last, and it was said
}

// keepReloading reads the configuration when somebody asks, and when the file holds
// something else at two looks in a row: what is being written is not read half.
func (w *worker) keepReloading(ctx context.Context, reload *Reload) {
	r := &reloading{Reload: reload, worker: w, taken: reload.Taken}
	if r.Path != "" {
		r.look(ctx)
	}
	interval := reload.Interval
	if interval <= 0 {
		interval = reloadInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Asked:
			r.read(ctx, true)
		case <-ticker.C:
			if r.Path != "" && r.look(ctx) {
				r.read(ctx, false)
			}
		}
	}
}

// look reports that the file is to be read.
func (r *reloading) look(ctx context.Context) bool {
	found, err := config.Fingerprint(r.Path)
	if err != nil {
		if !r.unreadable {
			r.worker.log.WarnContext(ctx, "the configuration file cannot be read; the worker goes on as it was", slog.Any("error", err))
		}
		r.unreadable = true
		return false
	}
	r.unreadable = false
	settled := found == r.seen
	r.seen = found
	return settled && found != r.taken
}

// read takes the configuration over, or says why not. asked says that somebody waits for
// an answer in the log.
func (r *reloading) read(ctx context.Context, asked bool) {
	if r.Path != "" {
		if found, err := config.Fingerprint(r.Path); err == nil {
			r.seen, r.taken = found, found
		}
	}
	w := r.worker
	read, err := r.Load()
	if err == nil {
		err = w.reconfigure(ctx, read, asked || r.refused) // who corrected it waits for an answer, too
	}
	if err == nil && r.refused {
		w.log.InfoContext(ctx, "the configuration is valid again")
	}
	r.refused = err != nil
	if err != nil {
		w.observer.reloaded(label.Refused, 0)
		w.log.ErrorContext(ctx, "the new configuration is refused; the worker goes on as it was", slog.Any("error", err))
	}
}

// reconfigure serves the accounts as the configuration says. An error changes nothing.
func (w *worker) reconfigure(ctx context.Context, read *config.Config, asked bool) error {
	present := w.serving.Load()
	change := present.config.Compare(read)
	if len(change.Accounts()) == 0 {
		w.observer.reloaded(label.Unchanged, len(change.Fixed))
		if asked || len(change.Fixed) > 0 {
			w.log.InfoContext(ctx, "the configuration was read again: no account changed", restartNeeded(change)...)
		}
		return nil
	}
	// The rest of the process goes on with what it was started with.
	next := *w.config
	next.Accounts = read.Accounts
	credentials, err := present.credentials.renewedFor(&next, w.platforms)
	if err != nil {
		return err
	}
	if credentials.store == nil && len(credentials.renewed) > 0 {
		return errRenewed
	}
	registered, err := registrations(&next, w.platforms, credentials)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	present.next = newServing(&next, credentials, registered)
	for _, account := range change.Accounts() {
		present.next.affected[queue.PartitionOf(account, w.config.NATS.Partitions)] = true
	}
	w.observer.serve(&next)
	w.serving.Store(present.next)
	close(present.replaced)
	w.observer.reloaded(label.Applied, len(change.Fixed))
	w.log.InfoContext(ctx, "the configuration was read again and is in use", append([]any{
		slog.Any("added", change.Added), slog.Any("removed", change.Removed), slog.Any("changed", change.Changed),
	}, restartNeeded(change)...)...)
	for _, warning := range read.Warnings {
		w.log.WarnContext(ctx, "the configuration may be wrong", slog.String("warning", warning.Error()))
	}
	return nil
}

// restartNeeded names the settings that hold from the next start on.
func restartNeeded(change config.Change) []any {
	if len(change.Fixed) == 0 {
		return nil
	}
	return []any{slog.Any("need_a_restart", change.Fixed)}
}
