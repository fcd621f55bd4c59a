package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// options are what a run is told.
type options struct {
	seed     uint64
	duration time.Duration
	rate     int    // messages a second
	worker   string // the worker program
	clock    string // the worker program with a clock that can be wrong
	report   string // the file to write
	out      io.Writer
}

// fault is one that happened.
type fault struct {
	kind   string
	track  track
	began  time.Time
	ended  time.Time
	detail string
}

// run is one run of chaos with everything it needs.
type run struct {
	options
	folder    string
	database  *database
	broker    *broker
	platforms *platforms
	fleet     *fleet
	producer  *producer
	settings  *config.Config
	closers   []func() error // in the order they were opened

	began time.Time
	calm  span

	mu         sync.Mutex
	faults     []fault
	violations []oracle.Violation
	spreads    []time.Duration // until partitions were even after a worker joined
	handOvers  []time.Duration // until they had other owners after it left
	rewound    bool
	restored   time.Time
}

// regulars are the workers that are there all the time.
var regulars = []string{"a", "b", "c"}

func (r *run) path(name string) string { return filepath.Join(r.folder, name) }

func (r *run) logf(format string, arguments ...any) {
	since := 0.0
	if !r.began.IsZero() {
		since = time.Since(r.began).Seconds()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.out, "%7.1f s  %s\n", since, fmt.Sprintf(format, arguments...))
}

func (r *run) violatef(rule, format string, arguments ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, oracle.Violation{Invariant: rule, Text: fmt.Sprintf(format, arguments...)})
}

func (r *run) noteSpread(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spreads = append(r.spreads, took)
}

func (r *run) noteHandOver(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handOvers = append(r.handOvers, took)
}

func (r *run) noteRewound() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rewound = true
}

func (r *run) noteRestored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.restored = time.Now()
}

func (r *run) onClose(end func() error) { r.closers = append(r.closers, end) }

// close ends everything, the last thing started first.
func (r *run) close() error {
	var err error
	for _, end := range slices.Backward(r.closers) {
		err = errors.Join(err, end())
	}
	r.closers = nil
	return err
}

// start starts everything but the load.
func (r *run) start(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "courier-chaos-*")
	if err != nil {
		return err
	}
	r.folder = folder
	//nolint:gosec // Postgres runs as another user than root and has to get through
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	if err := r.startStores(ctx); err != nil {
		return err
	}
	if r.platforms, err = servePlatforms(ctx, newSites(r.seed, tokens())); err != nil {
		return err
	}
	r.onClose(r.platforms.close)
	if err := r.prepareWorkers(ctx); err != nil {
		return err
	}
	if err := r.openStream(ctx); err != nil {
		return err
	}
	if err := r.fleet.restartAll(); err != nil {
		return err
	}
	if _, ok := awaitSpread(ctx, r.database.pool, time.Minute, func(count map[string]int) bool { return count[""] == 0 && len(count) > 0 }); !ok {
		return errors.New("the workers did not take the partitions")
	}
	return nil
}

func (r *run) startStores(ctx context.Context) error {
	disks := map[string]*disk{}
	for _, name := range []string{"postgres-disk", "nats-disk"} {
		made, err := makeDisk(ctx, r.path(name))
		if err != nil {
			return err
		}
		r.onClose(func() error { return made.remove(context.WithoutCancel(ctx)) })
		disks[name] = made
	}
	r.database = &database{disk: disks["postgres-disk"], copy: r.path("postgres-copy"), place: r.path("postgres-in-use")}
	r.onClose(func() error { return r.database.close() })
	if err := r.database.start(ctx); err != nil {
		return err
	}
	log, err := os.Create(r.path("nats.log"))
	if err != nil {
		return err
	}
	r.onClose(log.Close)
	r.broker = &broker{disk: disks["nats-disk"], log: log}
	r.onClose(r.broker.kill)
	return nil
}

// prepareWorkers makes the places of the workers; none runs yet.
func (r *run) prepareWorkers(ctx context.Context) (err error) {
	r.fleet = &fleet{program: r.worker, clock: r.clock}
	r.onClose(r.fleet.close)
	for _, name := range regulars {
		slot, err := newSlot(ctx, r.folder, name, r.broker, r.database, r.platforms)
		r.fleet.slots = append(r.fleet.slots, slot)
		if err != nil {
			return err
		}
	}
	if r.fleet.guest, err = newSlot(ctx, r.folder, "guest", r.broker, r.database, r.platforms); err != nil {
		return err
	}
	r.settings, err = config.Load(r.fleet.guest.settings, config.Options{Platforms: platform.Configs(builtin.Platforms())})
	return err
}

// openStream starts NATS and makes the stream, with a way of the producer's own.
func (r *run) openStream(ctx context.Context) error {
	way, err := proxy.Start(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.onClose(way.Close)
	r.broker.proxies = append(r.broker.proxies, way)
	if err := r.broker.start(ctx); err != nil {
		return err
	}
	if r.producer, err = newProducer(r.settings.NATS, way.Address(), r.seed, r.rate); err != nil {
		return err
	}
	r.onClose(func() error { r.producer.close(); return nil })
	_, err = queue.Ensure(ctx, r.producer.js, service.StreamConfig(r.settings.NATS))
	return err
}

// full reports that there are disks which can be filled up.
func (r *run) full() bool { return r.database.disk.mounted && r.broker.disk.mounted }

// execute publishes and breaks things until the time is up. The error says that the
// run itself went wrong.
func (r *run) execute(ctx context.Context, schedule [trackCount][]planned) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.began = time.Now()
	r.calm = span{r.began, r.began.Add(calmTime(r.duration) - calmLatency)}
	for _, s := range r.platforms.sites {
		if !s.quiet {
			s.SetPlan(everyday())
		}
	}
	publishing, stopPublishing := context.WithTimeout(ctx, r.duration)
	defer stopPublishing()
	var work sync.WaitGroup
	work.Go(func() {
		if err := r.producer.run(publishing); err != nil {
			cancel(err)
		}
	})
	for _, faults := range schedule {
		work.Go(func() {
			if err := r.injectAll(ctx, faults); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	for _, s := range r.platforms.sites {
		s.SetPlan(nil)
	}
	return context.Cause(ctx)
}

// injectAll runs the faults of one track, each at its time or when the one before is
// repaired.
func (r *run) injectAll(ctx context.Context, faults []planned) error {
	for _, next := range faults {
		timer := time.NewTimer(time.Until(r.began.Add(next.at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		if time.Since(r.began) > r.duration {
			return nil // a slow machine: the rest does not fit in
		}
		began := time.Now()
		random := rand.New(rand.NewPCG(next.seed, 11)) //nolint:gosec // repeatable on purpose
		detail, err := next.kind.inject(&faultContext{run: r, ctx: ctx, random: random})
		if err != nil {
			return fmt.Errorf("%s: %w", next.kind.name, err)
		}
		ended := time.Now()
		r.mu.Lock()
		r.faults = append(r.faults, fault{next.kind.name, next.kind.track, began, ended, detail})
		r.mu.Unlock()
		r.logf("%s (%.1f s) %s", next.kind.name, ended.Sub(began).Seconds(), detail)
	}
	return nil
}
