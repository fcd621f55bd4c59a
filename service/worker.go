package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/notice"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/quota"
)

// Options are what a worker runs with.
type Options struct {
	// Config, as config.Load returns it. Required.
	Config *config.Config
	// Reload, when not nil, has the worker take accounts over that change while it works.
	Reload *Reload
	// Platforms are those that accounts can be of; the same as the configuration was
	// read with. Defaults to builtin.Platforms.
	Platforms []platform.Descriptor
	// Telemetry takes logs, spans and measurements; nil takes none.
	Telemetry *telemetry.Telemetry
	// Health, when not nil, learns when the worker is ready and when it drains.
	Health *telemetry.Health
	// Name is shown to people in the worker table; it need not be unique.
	Name string
	// NATSOptions are added to the connection, such as nats.InProcessServer.
	NATSOptions []nats.Option
	// OwnProcess says that the process does nothing else: its soft limit of memory
	// follows what the worker delivers.
	OwnProcess bool
	// Working, when not nil, is called once: when the worker has its first partitions and
	// gets no more for a moment.
	Working func()
}

func (o *Options) platforms() []platform.Descriptor {
	if o.Platforms == nil {
		return builtin.Platforms()
	}
	return o.Platforms
}

// worker is one running worker.
type worker struct {
	// config is what the worker was started with. Of the accounts, serving knows more.
	config    *config.Config
	platforms []platform.Descriptor
	log       *slog.Logger
	tracer    trace.Tracer
	observer  *observer
	deps      Dependencies
	leases    *lease.Manager
	scopes    *quota.Scopes
	together  *together
	budget    *delivery.Budget
	health    *telemetry.Health
	clocks    *clocks // nil: there is no other clock
	// ownProcess is Options.OwnProcess.
	ownProcess bool

	serving atomic.Pointer[serving]
	reload  *Reload // nil: never

	consumers consumers
	// identity is what the stream and the database say of each other; the zero value
	// where nothing is recorded (RunWith).
	identity ledger.StreamIdentity
	// connected says where the worker is connected, for its first log line.
	connected []slog.Attr
	// end stops the worker with an error.
	end context.CancelCauseFunc
}

// Run works until ctx ends: then it stops reading, settles what is under way
// within Worker.DrainTimeout, hands its partitions over and returns nil. Until
// NATS and Postgres can be reached it waits, saying so. It returns an error when
// it cannot work at all: settings that no account can be made of, a stream that
// breaks the rules, another number of partitions than the recorded one, a database
// of another encoding (precondition.Failures); and when the stream is not the one
// that the database knows, or no more (queue.ErrForeignStream, queue.ErrStreamGone).
func Run(ctx context.Context, options Options) error {
	return run(ctx, options, func(ctx context.Context, w *worker) (closeParts func(), err error) {
		s := &surroundings{config: options.Config, log: w.log, nats: options.NATSOptions}
		if err = w.openDatabase(ctx, s); err == nil {
			err = w.openStream(ctx, s)
		}
		if err != nil {
			s.close()
			return nil, err
		}
		if err := w.openOutcomes(ctx, s); err != nil {
			s.close()
			return nil, err
		}
		w.openItemIndex(s)
		w.connected = []slog.Attr{
			slog.String("nats", natsconn.Address(options.Config, s.conn)), slog.String("database", DatabaseAddress(options.Config)),
			slog.String("stream_id", w.identity.Stream), slog.String("installation", w.identity.Installation),
		}
		return s.close, nil
	})
}

// run works with the dependencies that open gives the worker.
func run(ctx context.Context, options Options, open func(context.Context, *worker) (closeParts func(), err error)) error {
	platforms := options.platforms()
	if err := CheckAccounts(options.Config, platforms); err != nil {
		return err // nothing starts half
	}
	w := &worker{config: options.Config, platforms: platforms, log: slog.New(slog.DiscardHandler), health: options.Health, ownProcess: options.OwnProcess, reload: options.Reload}
	w.tracer = noop.NewTracerProvider().Tracer("")
	var instruments *telemetry.Instruments
	if t := options.Telemetry; t != nil {
		instruments = t.Instruments
		if t.Logger != nil {
			w.log = t.Logger
		}
		if t.Tracers != nil {
			w.tracer = t.Tracers.Tracer("github.com/catalog-courier/catalog-courier/delivery")
		}
	}
	w.observer = newObserver(options.Config, instruments)
	w.observer.committed = w.consumers.committed
	stopObserving, err := instruments.Observe(w.observer.snapshot)
	if err != nil {
		return fmt.Errorf("register gauges: %w", err)
	}
	defer func() { _ = stopObserving() }()

	closeParts, err := open(ctx, w)
	if err != nil {
		return stopped(ctx, err)
	}
	defer closeParts()
	w.deps = w.deps.withDefaults()
	return w.run(ctx, options)
}

// stopped turns the end of ctx during start-up into a clean stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// run works the partitions until ctx ends and everything has been handed over.
func (w *worker) run(ctx context.Context, options Options) error {
	ctx, w.end = context.WithCancelCause(ctx)
	defer w.end(nil)
	// What the engines stand on outlives ctx by the drain.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	w.assemble(options.Name)
	defer w.together.close(base)
	var services sync.WaitGroup
	defer services.Wait()
	defer stop()
	w.startServices(ctx, base, &services)
	leasesEnded := make(chan error, 1)
	services.Go(func() { leasesEnded <- w.leases.Run(ctx) })

	beat := w.startHealth(ctx)
	w.log.LogAttrs(ctx, slog.LevelInfo, "worker started", append([]slog.Attr{
		slog.String("name", options.Name), slog.Int("partitions", w.config.NATS.Partitions), slog.Int("accounts", len(w.config.Accounts)),
	}, w.connected...)...)
	err := w.workPartitions(ctx, base, leasesEnded, options.Working, beat)
	if err != nil {
		w.log.WarnContext(ctx, "the worker could not be deregistered; its partitions are taken over when their leases expire",
			slog.Any("error", err))
	}
	w.log.InfoContext(ctx, "worker stopped")
	if cause := context.Cause(ctx); errors.Is(cause, queue.ErrForeignStream) || errors.Is(cause, queue.ErrStreamGone) {
		return cause
	}
	return nil
}

// assemble makes what all partitions of the worker share.
func (w *worker) assemble(name string) {
	w.scopes = quota.NewScopes(w.deps.Store, w.log)
	w.observer.watch(w.scopes)
	w.budget = delivery.NewBudget(w.config.Worker.MemoryLimit)
	w.together = newTogether(w.log)
	if w.clocks == nil && w.deps.Clock != nil {
		w.clocks = newClocks(w.deps.Clock, w.log)
	}
	w.leases = lease.New(w.deps.Leases, lease.Config{
		Worker: w.deps.Worker, Name: name, Partitions: w.config.NATS.Partitions, TTL: w.config.Worker.LeaseTTL,
		DrainTimeout: w.config.Worker.DrainTimeout + 2*releaseTimeout, Fit: w.clocks.fit, Logger: w.log,
	})
}

// startServices starts what works beside the partitions: until base ends, or ctx where
// nothing is left to do in a drain.
func (w *worker) startServices(ctx, base context.Context, services *sync.WaitGroup) {
	if w.clocks != nil {
		w.observer.compare(w.clocks)
		services.Go(func() { w.clocks.run(base) })
	}
	services.Go(func() { w.scopes.Run(base) })
	services.Go(func() { w.keepRenewed(base) })
	if w.reload != nil {
		services.Go(func() { w.keepReloading(ctx, w.reload) })
	}
	services.Go(func() { w.keepRegistered(base) })
	services.Go(func() { w.watchStream(base) })
	if len(w.consumers.all) > 0 {
		services.Go(func() { w.watchOutbox(base) })
	}
	for _, send := range w.consumers.senders {
		services.Go(func() { send(base) })
	}
	if w.consumers.ensure != nil {
		services.Go(func() { w.keepOutcomes(base) })
	}
	if w.deps.Notices != nil {
		services.Go(func() { w.notify(base) })
	}
	if w.ownProcess {
		services.Go(func() { limitMemory(base) })
	}
}

// workPartitions works each partition that is acquired, until every one is released, or lost
// because it took too long. It returns how the leases ended.
func (w *worker) workPartitions(ctx, base context.Context, leasesEnded <-chan error, working, beat func()) error {
	var partitions sync.WaitGroup
	stopping := ctx.Done()
	alive := time.NewTicker(heartbeatLimit / 10)
	defer alive.Stop()
	acquired := w.newAcquired(working)
	defer acquired.settled.Stop()
	for {
		select {
		case <-alive.C:
			beat()
		case holding := <-w.leases.Acquired():
			acquired.one()
			partitions.Go(func() {
				defer acquired.held.Add(-1)
				w.work(base, holding)
			})
		case <-acquired.settled.C:
			acquired.tell(ctx)
		case <-stopping:
			stopping = nil
			w.log.InfoContext(ctx, "draining: finishing requests under way and releasing partitions")
			if w.health != nil {
				w.health.Draining()
			}
		case err := <-leasesEnded:
			partitions.Wait()
			return err
		}
	}
}

// notify tells people of changes of state, where this worker is the one that does.
func (w *worker) notify(ctx context.Context) {
	notice.Run(ctx, notice.Options{
		Config: w.config.Notices, Store: w.deps.Notices, Installation: w.identity.Installation, Logger: w.log,
	})
}

// heartbeatLimit is how long the worker's main loop may be silent before the
// process counts as hung.
const heartbeatLimit = time.Minute

// startHealth says that the start is over, and what readiness looks at from now
// on: NATS and Postgres. It returns the heartbeat of liveness.
func (w *worker) startHealth(ctx context.Context) (beat func()) {
	if w.health == nil {
		return func() {}
	}
	w.ready("leases", func(context.Context) error { return w.leases.Healthy() })
	for name, ready := range w.deps.Ready {
		w.health.AddCheck(name, func(ctx context.Context) error {
			if err := ready(ctx); err != nil {
				w.log.DebugContext(ctx, "readiness: a part cannot be used", slog.String("part", name), slog.Any("error", err))
				return withoutDetails(err)
			}
			return nil
		})
	}
	if w.clocks != nil {
		w.health.AddCheck("clock", w.clocks.check)
	}
	w.health.AddCheck("partitions", func(context.Context) error { return w.observer.stuck(time.Now()) })
	w.health.Started()
	w.log.DebugContext(ctx, "probes answer from now on")
	return w.health.AddHeartbeat("worker", heartbeatLimit)
}

// withoutDetails is what a probe, which has no log-in, tells of an error.
func withoutDetails(err error) error {
	for _, kind := range []error{queue.ErrForeignStream, queue.ErrStreamGone, lease.ErrTooSlow} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return errors.New("does not answer")
}

// waitFor repeats connect until it works, ctx ends, or it fails permanently.
func (w *worker) waitFor(ctx context.Context, what string, connect func(context.Context) error) error {
	return retryWithNotice(ctx, connect, func(err error, wait time.Duration) {
		w.log.WarnContext(ctx, what+" cannot be used yet, trying again", //nolint:sloglint // one of two fixed texts
			slog.Duration("wait", wait), slog.Any("error", err))
	})
}

func (w *worker) openDatabase(ctx context.Context, s *surroundings) error {
	c := s.config
	// The watch is asked by the store, and asks the store.
	w.clocks = newClocks(func(ctx context.Context) (time.Time, error) { return s.store.Clock(ctx) }, w.log)
	s.writes = persistence.Config{Clock: w.clocks.watch, DeadLetterBytes: c.Worker.DeadLetters.MaxBytes, Dropped: w.observer.dropped}
	if err := s.openLedger(ctx); err != nil {
		return err
	}
	credentials, err := newCredentials(c, w.platforms, s.store, w.log)
	if err != nil {
		return err
	}
	registered, err := registrations(c, w.platforms, credentials)
	if err != nil {
		return err
	}
	w.serving.Store(newServing(c, credentials, registered))
	leases := persistence.NewLeaseTableWith(s.pool, s.leases)
	w.deps.Register = func(ctx context.Context) error {
		if err := s.store.EnsurePartitions(ctx, c.NATS.Partitions); err != nil {
			return err
		}
		registered := w.serving.Load().registered
		leases.Configure(registered)
		return s.store.RegisterAccounts(ctx, registered)
	}
	var looked []Finding
	err = w.waitFor(ctx, "the database", func(ctx context.Context) error {
		if looked = s.lookAtDatabase(ctx); failed(looked) != nil {
			return permanent(failed(looked))
		}
		if err := w.deps.Register(ctx); err != nil {
			return permanent(err)
		}
		_, err := w.clocks.watch.Look(ctx)
		return err
	})
	if err != nil {
		return err
	}
	warn(ctx, w.log, looked)
	w.deps.Clock, w.deps.MarkStream = s.store.Clock, s.store.MarkStream
	w.deps.Store, w.deps.Leases = s.store, leases
	w.deps.Retain = func(ctx context.Context) error {
		_, err := s.store.Retain(ctx, persistence.RetentionPolicy{Keep: c.Worker.Retention})
		return err
	}
	w.deps.Resolve = func(ctx context.Context, before int64) (int64, error) {
		_, next, err := s.store.ResolveDeadLetters(ctx, before, resolvePage)
		return next, err
	}
	w.deps.Notices = persistence.NewNotices(s.pool, 0)
	w.ready("database", s.pool.Ping)
	return nil
}

// ready has readiness look at a part.
func (w *worker) ready(name string, check func(context.Context) error) {
	if w.deps.Ready == nil {
		w.deps.Ready = map[string]func(context.Context) error{}
	}
	w.deps.Ready[name] = check
}

func (w *worker) openStream(ctx context.Context, s *surroundings) error {
	var looked []Finding
	err := w.waitFor(ctx, "NATS", func(ctx context.Context) (err error) {
		if looked = s.lookAtNATS(ctx); failed(looked) != nil {
			return permanent(failed(looked))
		}
		w.identity, err = s.bind(ctx)
		err = s.located(err)
		return permanent(err)
	})
	if err != nil {
		return err
	}
	warn(ctx, w.log, looked)
	w.deps.Queue = stream{Stream: s.stream, mirror: s.mirror}
	w.clocks.broker = func(ctx context.Context) (time.Time, error) {
		state, err := s.stream.State(ctx)
		return state.Now, err
	}
	w.ready("stream", w.compareStream)
	return nil
}
