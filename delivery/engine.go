package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Engine works one partition for as long as its lease holds. Run's goroutine, the loop,
// owns its state; other goroutines hand the loop functions through calls.events. Only
// resolver, recorder and calls are used by other goroutines too: each says by whom.
type Engine struct {
	cfg *Config
	log *slog.Logger

	tracker      *tracker
	batcher      *batcher.Batcher
	lanes        lanes
	accounts     accounts
	unconfigured unconfiguredLanes
	versions     versions
	batches      openBatches
	jobs         jobs
	memory       memory
	reading      reading
	life         life

	resolver *resolver
	recorder *recorder
	calls    *calls
}

// life is how far the engine is between New and the end of Run.
type life struct {
	began    time.Time
	left     *ledger.Resumption // what the last owner left; nil once taken over
	quiet    bool               // nothing is sent, see Config.LostTail
	draining bool
	failure  error
	// slowest is how long the slowest recent batch took: what an ambiguous POST waits for
	// follows from it.
	slowest   time.Duration
	lastGauge time.Time
}

// New makes an engine that goes on where resumption says.
func New(cfg Config, resumption *ledger.Resumption) *Engine {
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	log := cfg.Logger.With(slog.Int("partition", cfg.Lease.Partition))
	calls := newCalls()
	resolver := &resolver{accounts: cfg.Accounts, names: cfg.AccountNames, log: log, known: map[catalog.Lane]laneInfo{}}
	began := time.Now()
	return &Engine{
		cfg:          &cfg,
		log:          log,
		batcher:      batcher.New(batcher.Config{}),
		tracker:      newTracker(resumption.Anchor),
		lanes:        lanes{byKey: map[catalog.Lane]*lane{}, senders: map[string]*sender{}, resting: map[*sender]struct{}{}},
		accounts:     accounts{byName: map[string]*accountState{}},
		unconfigured: newUnconfigured(),
		versions:     newVersions(),
		batches:      openBatches{byID: map[uuid.UUID]*openBatch{}, slotWaiters: map[string][]*openBatch{}},
		jobs:         jobs{next: &job{}, lastProof: began},
		memory:       memory{budget: cfg.Budget},
		reading:      reading{arrivals: make(chan admission, 2)},
		life:         life{began: began, quiet: cfg.LostTail, left: resumption},
		resolver:     resolver,
		recorder:     newRecorder(&cfg, log, resolver, calls, resumption),
		calls:        calls,
	}
}

// Run works until drain is closed and what was under way is settled (nil), the
// lease is lost (ledger.ErrLeaseLost), ctx ends (its error), or the source fails.
// Every goroutine it started has ended when it returns.
func (e *Engine) Run(ctx context.Context, drain <-chan struct{}) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	e.calls.ctx = ctx
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "the delivery engine panicked; the partition is given up and resumed",
				slog.String("panic", fmt.Sprint(r)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
		cancel()
		e.calls.running.Wait()
		e.releaseAll()
	}()
	e.resume(ctx, e.life.left)
	e.life.left = nil
	readCtx, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var deadline <-chan time.Time
	beginDrain := func() {
		drain = nil
		e.life.draining = true
		stopReading()
		deadline = time.After(e.cfg.DrainTimeout)
	}
	select {
	case <-drain: // it is draining from its start: nothing is read or begun
		beginDrain()
	default:
	}
	e.spawn(func(ctx context.Context) { e.read(ctx, readCtx) })
	e.spawn(e.keepMirror)

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		arrivals := e.reading.arrivals
		if !e.admits() {
			arrivals = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-drain:
			beginDrain()
		case <-deadline:
			e.log.WarnContext(ctx, "drain timeout exceeded with requests under way; the next owner finds out what became of them",
				slog.Int("open_batches", len(e.batches.byID)))
			return nil
		case admission := <-arrivals:
			e.admit(admission)
		case event := <-e.calls.events:
			event()
		case <-e.calls.wake:
			e.wakeSlotWaiters()
		case <-timer.C:
		}
		e.runEvents()
		if e.life.failure != nil {
			return e.life.failure
		}
		e.advance(ctx, timer)
		if e.life.draining && e.settled() {
			return nil
		}
	}
}

// runEvents takes what else has been reported, so that one pass of advance serves
// all of it.
func (e *Engine) runEvents() {
	for range cap(e.calls.events) {
		select {
		case event := <-e.calls.events:
			event()
		default:
			return
		}
	}
}

// advance does everything that is due and sets the timer for the next.
func (e *Engine) advance(ctx context.Context, timer *time.Timer) {
	now := time.Now()
	e.recordOld(now)
	e.expireUnconfigured(now)
	// Open batches are served before new ones, or resends and polls would find no slot
	// as long as there is something to cut.
	select {
	case <-e.calls.wake:
		e.wakeSlotWaiters()
	default:
	}
	e.stepDue(now)
	e.probeStopped(now)
	e.cut(ctx, now)
	e.spill(now)
	e.writeLeaving()
	e.loadSpilled(now)
	e.refreshAccounts(now)
	e.removeAsked(now)
	e.showHealth(now)
	e.followStream()
	e.proveHistory(now)
	e.handOver()
	e.gauges(now)
	timer.Reset(max(time.Until(e.nextWake(now)), 0))
}

// nextWake is when advance has something to do at the latest. Nothing that waits
// for a report needs a time: reports wake the loop.
func (e *Engine) nextWake(now time.Time) time.Time {
	next := now.Add(idleWake)
	if e.tracker.unrecorded() > 0 {
		next = earlier(next, now.Add(takeInterval))
	}
	if len(e.batches.timed) > 0 {
		next = earlier(next, e.batches.timed[0].wakeAt)
	}
	if due, ok := e.batcher.NextDue(); ok && due.After(now) {
		next = earlier(next, due)
	}
	for _, l := range e.lanes.watched {
		if l.breaker.until.After(now) {
			next = earlier(next, l.breaker.until)
		}
	}
	for s := range e.lanes.resting {
		if !s.again.After(now) {
			delete(e.lanes.resting, s)
			continue
		}
		next = earlier(next, s.again)
	}
	return next
}

const (
	// idleWake is how often an engine looks round without any reason.
	idleWake = time.Second
	// takeInterval is how often messages that were alone in memory for RecordWithin
	// are looked for.
	takeInterval = 200 * time.Millisecond
	// takeMutations is how many of them one transaction takes: the batches of other
	// accounts wait for its end, and a row with a payload takes a while to write.
	takeMutations = 4_000
	// idleFollow is how long a partition must be idle for its position to follow
	// the stream.
	idleFollow = 10 * time.Second
	// idleLongest is how long that becomes while fewer than slowStream messages come in
	// between. What is not trimmed for that time is bounded by what comes in it.
	idleLongest = 30 * time.Second
	slowStream  = 10_000
	// gaugeInterval is how often the observer is given the gauges.
	gaugeInterval = time.Second
	// accountWatch is how often account states are read for pauses by hand: so long a worker
	// may go on sending, as the command and the console tell.
	accountWatch = 5 * time.Second
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// settled reports that nothing is under way that a drain waits for: a POST or a
// transaction. Handles are followed by the next owner.
func (e *Engine) settled() bool {
	if e.jobs.recording || !e.jobs.next.empty() {
		return false
	}
	for _, f := range e.batches.byID {
		if f.phase == phaseRecording || f.phase == phaseAnnouncing || f.phase == phaseSending || f.phase == phaseConcluding {
			return false
		}
	}
	return true
}

// releaseAll gives back what an engine shares with others.
func (e *Engine) releaseAll() {
	e.memory.release()
	for _, o := range e.unconfigured.open {
		e.cfg.Budget.open.Add(-openBytes(o))
	}
	for _, f := range e.batches.byID {
		e.cfg.Budget.open.Add(-int64(f.bytes))
		if f.slot != nil {
			f.slot.Cancel()
			e.endSlot(f)
		}
		for _, h := range f.handles {
			if h.slot != nil { // its poll came to an end that nobody heard of
				h.slot.Cancel()
			}
		}
		if f.span != nil {
			f.span.End()
		}
	}
}

// spawn runs a call beside the engine; Run waits for it.
func (e *Engine) spawn(call func(ctx context.Context)) {
	ctx := e.calls.ctx
	e.calls.running.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				e.log.ErrorContext(ctx, "a call of the delivery engine panicked; the partition is given up and resumed",
					slog.String("panic", fmt.Sprint(r)))
				e.calls.report(ctx, func() { e.fail(fmt.Errorf("%w: %v", errPanic, r)) })
			}
		}()
		call(ctx)
	})
}

var errPanic = errors.New("panic in a delivery call")

// fail ends Run with err.
func (e *Engine) fail(err error) {
	if e.life.failure == nil && err != nil {
		e.life.failure = err
	}
}

// stepDue steps the batches whose time has come.
func (e *Engine) stepDue(now time.Time) {
	for f := e.batches.due(now); f != nil; f = e.batches.due(now) {
		e.step(f, now)
	}
}
