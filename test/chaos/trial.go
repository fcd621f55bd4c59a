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
)

// options are what a trial is told.
type options struct {
	seed     uint64
	duration time.Duration
	rate     int    // messages a second
	worker   string // the worker program
	clock    string // the worker program with a clock that can be wrong
	report   string // the file to write
	out      io.Writer
}

// strike is a fault that happened.
type strike struct {
	kind   string
	lane   lane
	began  time.Time
	ended  time.Time
	detail string
}

// trial is one run with everything it needs.
type trial struct {
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
	strikes    []strike
	violations []violation
	spreads    []time.Duration // until partitions were even after a worker joined
	handOvers  []time.Duration // until they had other owners after it left
	rewound    bool
	restored   time.Time
}

// regulars are the workers that are there all the time.
var regulars = []string{"a", "b", "c"}

func (t *trial) path(name string) string { return filepath.Join(t.folder, name) }

func (t *trial) sayf(format string, arguments ...any) {
	since := 0.0
	if !t.began.IsZero() {
		since = time.Since(t.began).Seconds()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.out, "%7.1f s  %s\n", since, fmt.Sprintf(format, arguments...))
}

func (t *trial) violatef(rule, format string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.violations = append(t.violations, violation{rule, fmt.Sprintf(format, arguments...)})
}

func (t *trial) noteSpread(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spreads = append(t.spreads, took)
}

func (t *trial) noteHandOver(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handOvers = append(t.handOvers, took)
}

func (t *trial) noteRewound() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rewound = true
}

func (t *trial) noteRestored() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restored = time.Now()
}

func (t *trial) later(end func() error) { t.closers = append(t.closers, end) }

// close ends everything, the last thing started first.
func (t *trial) close() error {
	var err error
	for _, end := range slices.Backward(t.closers) {
		err = errors.Join(err, end())
	}
	t.closers = nil
	return err
}

// start starts everything but the load.
func (t *trial) start(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "courier-chaos-*")
	if err != nil {
		return err
	}
	t.folder = folder
	//nolint:gosec // Postgres runs as another user than root and has to get through
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	if err := t.startStores(ctx); err != nil {
		return err
	}
	if t.platforms, err = servePlatforms(ctx, newSites(t.seed, tokens())); err != nil {
		return err
	}
	t.later(t.platforms.close)
	if err := t.seatWorkers(ctx); err != nil {
		return err
	}
	if err := t.openStream(ctx); err != nil {
		return err
	}
	if err := t.fleet.revive(); err != nil {
		return err
	}
	if _, ok := awaitSpread(ctx, t.database.pool, time.Minute, func(count map[string]int) bool { return count[""] == 0 && len(count) > 0 }); !ok {
		return errors.New("the workers did not take the partitions")
	}
	return nil
}

func (t *trial) startStores(ctx context.Context) error {
	disks := map[string]*disk{}
	for _, name := range []string{"postgres-disk", "nats-disk"} {
		made, err := makeDisk(ctx, t.path(name))
		if err != nil {
			return err
		}
		t.later(func() error { return made.remove(context.WithoutCancel(ctx)) })
		disks[name] = made
	}
	t.database = &database{disk: disks["postgres-disk"], copy: t.path("postgres-copy"), place: t.path("postgres-in-use")}
	t.later(func() error { return t.database.close() })
	if err := t.database.start(ctx); err != nil {
		return err
	}
	log, err := os.Create(t.path("nats.log"))
	if err != nil {
		return err
	}
	t.later(log.Close)
	t.broker = &broker{disk: disks["nats-disk"], log: log}
	t.later(t.broker.kill)
	return nil
}

// seatWorkers makes the places of the workers; none runs yet.
func (t *trial) seatWorkers(ctx context.Context) (err error) {
	t.fleet = &fleet{program: t.worker, clock: t.clock}
	t.later(t.fleet.close)
	for _, name := range regulars {
		seat, err := newSeat(ctx, t.folder, name, t.broker, t.database, t.platforms)
		t.fleet.seats = append(t.fleet.seats, seat)
		if err != nil {
			return err
		}
	}
	if t.fleet.guest, err = newSeat(ctx, t.folder, "guest", t.broker, t.database, t.platforms); err != nil {
		return err
	}
	t.settings, err = config.Load(t.fleet.guest.settings, config.Options{Platforms: platform.Configs(builtin.Platforms())})
	return err
}

// openStream starts NATS and makes the stream, with a door of the producer's own.
func (t *trial) openStream(ctx context.Context) error {
	door, err := proxy.Start(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t.later(door.Close)
	t.broker.doors = append(t.broker.doors, door)
	if err := t.broker.start(ctx); err != nil {
		return err
	}
	if t.producer, err = newProducer(t.settings.NATS, door.Address(), t.seed, t.rate); err != nil {
		return err
	}
	t.later(func() error { t.producer.close(); return nil })
	_, err = queue.Ensure(ctx, t.producer.js, service.StreamConfig(t.settings.NATS))
	return err
}

// full reports that there are disks which can be filled up.
func (t *trial) full() bool { return t.database.disk.mounted && t.broker.disk.mounted }

// run publishes and breaks things until the time is up. The error says that the
// trial itself went wrong.
func (t *trial) run(ctx context.Context, schedule [laneCount][]planned) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.began = time.Now()
	t.calm = span{t.began, t.began.Add(calmTime(t.duration) - calmLatency)}
	for _, s := range t.platforms.sites {
		if !s.quiet {
			s.SetPlan(everyday())
		}
	}
	publishing, stopPublishing := context.WithTimeout(ctx, t.duration)
	defer stopPublishing()
	var work sync.WaitGroup
	work.Go(func() {
		if err := t.producer.run(publishing); err != nil {
			cancel(err)
		}
	})
	for _, faults := range schedule {
		work.Go(func() {
			if err := t.strikeAll(ctx, faults); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	for _, s := range t.platforms.sites {
		s.SetPlan(nil)
	}
	return context.Cause(ctx)
}

// strikeAll runs the faults of one lane, each at its time or when the one before is
// repaired.
func (t *trial) strikeAll(ctx context.Context, faults []planned) error {
	for _, fault := range faults {
		timer := time.NewTimer(time.Until(t.began.Add(fault.at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		if time.Since(t.began) > t.duration {
			return nil // a slow machine: the rest does not fit in
		}
		began := time.Now()
		random := rand.New(rand.NewPCG(fault.seed, 11)) //nolint:gosec // repeatable on purpose
		detail, err := fault.kind.strike(&striker{trial: t, ctx: ctx, random: random})
		if err != nil {
			return fmt.Errorf("%s: %w", fault.kind.name, err)
		}
		ended := time.Now()
		t.mu.Lock()
		t.strikes = append(t.strikes, strike{fault.kind.name, fault.kind.lane, began, ended, detail})
		t.mu.Unlock()
		t.sayf("%s (%.1f s) %s", fault.kind.name, ended.Sub(began).Seconds(), detail)
	}
	return nil
}
