package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/test/chaos/clock"
	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// workerSlot is the place of one worker: its name, its settings, and proxies of its own to
// everything it talks to. Processes come and go on it.
type workerSlot struct {
	name     string
	settings string // the file's path
	log      string
	proxies  map[string]*proxy.Proxy // by what is behind: nats, postgres, platforms

	process *worker
}

// The names of what is behind a slot's proxies.
const (
	toNATS      = "NATS"
	toPostgres  = "Postgres"
	toPlatforms = "the platforms"
)

// fleet are the workers.
type fleet struct {
	program string
	clock   string        // the same program with a clock that can be wrong, see chaos/clock
	slots   []*workerSlot // the regular ones
	guest   *workerSlot   // joins and leaves

	mu sync.Mutex // guards the processes of slots: one is killed from a handler
	// ended by themselves, with the reason.
	surprises []string
}

// newSlot makes a worker's proxies and settings.
func newSlot(ctx context.Context, folder, name string, b *broker, d *database, p *platforms) (*workerSlot, error) {
	s := &workerSlot{name: name, log: filepath.Join(folder, name+".log"), proxies: map[string]*proxy.Proxy{}}
	for behind, target := range map[string][2]string{
		toNATS: {"tcp", "127.0.0.1:0"}, toPostgres: {"unix", d.socket()}, toPlatforms: {"tcp", p.address},
	} {
		started, err := proxy.Start(ctx, target[0], target[1])
		if err != nil {
			return s, err
		}
		s.proxies[behind] = started
	}
	b.proxies = append(b.proxies, s.proxies[toNATS])
	var err error
	s.settings, err = writeSettings(folder, name, addresses{
		nats: s.proxies[toNATS].Address(), database: d.address(s.proxies[toPostgres].Address()), platforms: s.proxies[toPlatforms].Address(), oauth: p.address,
	})
	return s, err
}

func (s *workerSlot) close() error {
	var err error
	for _, p := range s.proxies {
		err = errors.Join(err, p.Close())
	}
	return err
}

// start runs a worker on the slot, unless one runs there.
func (f *fleet) start(s *workerSlot) error { return f.startAs(s, f.program) }

// startWithClock runs a worker whose wall clock is wrong by the offset.
func (f *fleet) startWithClock(s *workerSlot, offset time.Duration) error {
	return f.startAs(s, f.clock, clock.Environment(offset))
}

func (f *fleet) startAs(s *workerSlot, program string, environment ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.process != nil && !s.process.Ended() {
		return nil
	}
	f.examine(s)
	var err error
	s.process, err = startWorker(program, s.settings, s.name, s.log, environment...)
	return err
}

// examine notes a process that ended although nobody here ended it.
func (f *fleet) examine(s *workerSlot) {
	if s.process == nil || !s.process.Ended() || s.process.wanted.Load() {
		return
	}
	s.process.wanted.Store(true) // told once
	reason := "exit code 0"
	if s.process.Err() != nil {
		reason = s.process.Err().Error()
	}
	f.surprises = append(f.surprises, "worker "+s.name+" ended unexpectedly: "+reason+"; its log is "+s.log)
}

// restartAll starts workers where none runs.
func (f *fleet) restartAll() error {
	var err error
	for _, s := range f.slots {
		f.mu.Lock()
		f.examine(s)
		f.mu.Unlock()
		err = errors.Join(err, f.start(s))
	}
	return err
}

// kill ends the process of the slot.
func (f *fleet) kill(s *workerSlot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.process != nil {
		s.process.kill()
	}
}

// everybody are the regular workers and the guest.
func (f *fleet) everybody() []*workerSlot { return append(slices.Clip(f.slots), f.guest) }

func (f *fleet) slot(name string) *workerSlot {
	for _, s := range f.everybody() {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (f *fleet) close() error {
	var err error
	for _, s := range f.everybody() {
		if s != nil {
			f.kill(s)
			err = errors.Join(err, s.close())
		}
	}
	return err
}

// awaitSpread waits until the partitions are spread as wanted and returns how long
// that took.
func awaitSpread(ctx context.Context, pool *pgxpool.Pool, within time.Duration, wanted func(map[string]int) bool) (time.Duration, bool) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if leases, err := evidence.Leases(ctx, pool); err == nil && wanted(evidence.Owned(leases)) {
			return time.Since(began), true
		}
		select {
		case <-ctx.Done():
			return time.Since(began), false
		case <-ticker.C:
		}
	}
}
