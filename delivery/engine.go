package delivery

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/quota"
)

// Config is what an Engine works with. All fields are required unless said.
type Config struct {
	Lease  ledger.Lease
	Store  ledger.Store
	Source Source
	// Accounts finds an account by name. Its client's transport must be guarded by
	// this lease (lease.GuardedTransport).
	Accounts func(name string) (*Account, bool)
	Scopes   *quota.Scopes
	Budget   *Budget
	Observer Observer // NopObserver{} for none
	Tracer   trace.Tracer
	Logger   *slog.Logger

	// RecordWithin is how long a message may be in memory alone before it gets a
	// row that people can see (the contract says 10 s; leave room).
	RecordWithin time.Duration
	// UnknownAccountGrace is how long mutations of unknown accounts and catalogs
	// wait before they are invalid: workers may be between two configurations.
	UnknownAccountGrace time.Duration
	// LostTail says that the database lost its last commits, so that batches may be
	// under way that nobody knows of: nothing is sent until Quiet has passed.
	LostTail bool
	// Quiet is how long that is: the longest Settle of the partition's accounts, and no
	// less than ShortestQuiet. Owners of the partition show that they are alive in a
	// quarter of it.
	Quiet time.Duration
	// Mirror, when not nil, notes outside the database what was sent, before it is. One
	// that cannot be reached for a minute stops the sending.
	Mirror Mirror
	// Noted is what the mirror has, where the database knows it.
	Noted ledger.Sent
	// Random draws from [0, 1) to spread what would happen at the same time; many
	// goroutines call it. Defaults to math/rand/v2's Float64.
	Random func() float64
	// DrainTimeout bounds how long Run goes on after drain for POSTs under way.
	DrainTimeout time.Duration
}

// Engine works one partition for as long as its lease holds. Run's goroutine owns
// every field below; other goroutines hand it functions through events.
type Engine struct {
	cfg Config
	log *slog.Logger

	batcher      *batcher.Batcher
	tracker      *tracker
	lanes        map[catalog.Lane]*lane
	senders      map[string]*sender // by batcher scope
	resting      map[*sender]struct{}
	watched      []*lane // those that are stopped or have suspects, see laneBreaker
	moment       int64   // counts POSTs that began and refusals that were heard, in their order
	turn         int     // of the sender that had the last slot
	account      map[string]*accountState
	unconfigured map[catalog.Lane]*unconfiguredLane
	version      versions
	// unweighed are mutations of the page that is being taken in whose versions nobody has
	// compared yet.
	unweighed map[*catalog.Mutation]bool

	batches     map[uuid.UUID]*openBatch
	timed       batchHeap
	slotWaiters map[string][]*openBatch // wait for a slot, by scopes, first come first served

	left      *ledger.Resumption // what the last owner left; nil once taken over
	next      *job
	recording bool
	flow      flow // what is being sent
	// largestBatch is the most records that a batch of any lane takes.
	largestBatch int
	commits      int64 // of the partition; the recorder's own
	trouble      trouble
	refusedAt    atomic.Int64 // when the store refused a row last, in nanoseconds
	isolated     *isolation   // of the job whose done functions run; nil: nothing was refused
	began        time.Time
	witness      witness
	quiet        bool      // nothing is sent, see Config.LostTail
	lastProof    time.Time // when the history was last found to be the one it was

	events   chan func()
	wake     chan struct{}
	arrivals chan admission
	calls    sync.WaitGroup
	callsCtx context.Context //nolint:containedctx // the life of the engine's own goroutines, set once by Run

	lanesMu  sync.Mutex
	resolved map[catalog.Lane]laneInfo

	draining         bool
	failure          error
	lastTake         time.Time
	lastGauge        time.Time
	lastLook         time.Time // at the accounts' states
	lastUnconfigured time.Time // at lanes that are not configured
	looking          bool
	// recordedTo is how far the last owner recorded above its position, readTo how far
	// the stream was read since.
	recordedTo, readTo uint64
	// idle is the stream's end as found when nothing was left to read; nil when the
	// position stands there or something was read since.
	idle *ledger.Anchor
	// leaving are mutations that the batcher has let go and that no job has yet.
	leaving    []*catalog.Mutation
	ownBytes   int64 // this engine's share of the budget's waiting bytes
	ownLeaving int64 // of those that leave
	ownFlow    int64 // and of its flow
	slowest    time.Duration
}

// New makes an engine that goes on where resumption says.
func New(cfg Config, resumption *ledger.Resumption) *Engine {
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	e := &Engine{
		cfg:          cfg,
		log:          cfg.Logger.With(slog.Int("partition", cfg.Lease.Partition)),
		batcher:      batcher.New(batcher.Config{}),
		tracker:      newTracker(resumption.Anchor),
		lanes:        map[catalog.Lane]*lane{},
		senders:      map[string]*sender{},
		resting:      map[*sender]struct{}{},
		account:      map[string]*accountState{},
		unconfigured: map[catalog.Lane]*unconfiguredLane{},
		version:      newVersions(),
		batches:      map[uuid.UUID]*openBatch{},
		slotWaiters:  map[string][]*openBatch{},
		next:         &job{},
		events:       make(chan func(), 64),
		wake:         make(chan struct{}, 1),
		arrivals:     make(chan admission, 2),
		resolved:     map[catalog.Lane]laneInfo{},
		commits:      resumption.Commits,
		quiet:        cfg.LostTail,
		left:         resumption,
		began:        time.Now(),
	}
	e.lastProof = e.began
	e.witness.turn = make(chan struct{}, 1)
	e.witness.sent = cfg.Noted
	if cfg.Noted.Transaction != uuid.Nil {
		// The owner before may still be late with a note of its own.
		e.witness.noted = append([]uuid.UUID{cfg.Noted.Transaction, resumption.Sent}, resumption.Noted...)
		e.witness.noted = e.witness.noted[:min(len(e.witness.noted), maxTries)]
	}
	return e
}

// Run works until drain is closed and what was under way is settled (nil), the
// lease is lost (ledger.ErrLeaseLost), ctx ends (its error), or the source fails.
// Every goroutine it started has ended when it returns.
func (e *Engine) Run(ctx context.Context, drain <-chan struct{}) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	e.callsCtx = ctx
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "the delivery engine panicked; the partition is given up and resumed",
				slog.String("panic", fmt.Sprint(r)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
		cancel()
		e.calls.Wait()
		e.releaseAll()
	}()
	e.resume(ctx, e.left)
	e.left = nil
	readCtx, stopReading := context.WithCancel(ctx)
	defer stopReading()
	e.spawn(func(context.Context) { e.intake(readCtx) })
	e.spawn(e.keepMirror)

	timer := time.NewTimer(0)
	defer timer.Stop()
	var deadline <-chan time.Time
	for {
		arrivals := e.arrivals
		if !e.admits() {
			arrivals = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-drain:
			drain = nil
			e.draining = true
			stopReading()
			limit := time.NewTimer(e.cfg.DrainTimeout)
			defer limit.Stop()
			deadline = limit.C
		case <-deadline:
			e.log.WarnContext(ctx, "drain timeout exceeded with requests under way; the next owner finds out what became of them",
				slog.Int("open_batches", len(e.batches)))
			return nil
		case admission := <-arrivals:
			e.admit(admission)
		case event := <-e.events:
			event()
		case <-e.wake:
			e.wakeSlotWaiters()
		case <-timer.C:
		}
		e.runEvents()
		if e.failure != nil {
			return e.failure
		}
		e.advance(ctx, timer)
		if e.draining && e.settled() {
			return nil
		}
	}
}

// runEvents takes what else has been reported, so that one pass of advance serves
// all of it.
func (e *Engine) runEvents() {
	for range cap(e.events) {
		select {
		case event := <-e.events:
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
	case <-e.wake:
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
	if len(e.timed) > 0 {
		next = earlier(next, e.timed[0].wakeAt)
	}
	if due, ok := e.batcher.NextDue(); ok && due.After(now) {
		next = earlier(next, due)
	}
	for _, l := range e.watched {
		if l.breaker.until.After(now) {
			next = earlier(next, l.breaker.until)
		}
	}
	for s := range e.resting {
		if !s.again.After(now) {
			delete(e.resting, s)
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
	// gaugeInterval is how often the observer is given the gauges.
	gaugeInterval = time.Second
	// accountWatch is how often account states are read for pauses by hand.
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
	if e.recording || !e.next.empty() {
		return false
	}
	for _, f := range e.batches {
		if f.phase == phaseRecording || f.phase == phaseAnnouncing || f.phase == phaseSending || f.phase == phaseConcluding {
			return false
		}
	}
	return true
}

// releaseAll gives back what an engine shares with others.
func (e *Engine) releaseAll() {
	e.cfg.Budget.waiting.Add(-e.ownBytes)
	e.cfg.Budget.leaving.Add(-e.ownLeaving)
	e.cfg.Budget.changeFlow(e.ownFlow, 0)
	e.ownBytes, e.ownLeaving, e.ownFlow = 0, 0, 0
	for _, f := range e.batches {
		e.cfg.Budget.open.Add(-int64(f.bytes))
		if f.slot != nil {
			f.slot.Cancel()
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
	ctx := e.callsCtx
	e.calls.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				e.log.ErrorContext(ctx, "a call of the delivery engine panicked; the partition is given up and resumed",
					slog.String("panic", fmt.Sprint(r)))
				e.report(ctx, func() { e.fail(fmt.Errorf("%w: %v", errPanic, r)) })
			}
		}()
		call(ctx)
	})
}

var errPanic = errors.New("panic in a delivery call")

// report hands the engine a function to run on its own goroutine.
func (e *Engine) report(ctx context.Context, event func()) {
	select {
	case e.events <- event:
	case <-ctx.Done():
	}
}

// fail ends Run with err.
func (e *Engine) fail(err error) {
	if e.failure == nil && err != nil {
		e.failure = err
	}
}

// schedule puts the open batch into the heap for at.
func (e *Engine) schedule(f *openBatch, at time.Time) {
	f.wakeAt = at
	if f.heapIndex >= 0 {
		heap.Fix(&e.timed, f.heapIndex)
		return
	}
	heap.Push(&e.timed, f)
}

func (e *Engine) unschedule(f *openBatch) {
	if f.heapIndex >= 0 {
		heap.Remove(&e.timed, f.heapIndex)
	}
	f.slotScopes = ""
}

// stepDue steps the batches whose time has come.
func (e *Engine) stepDue(now time.Time) {
	for len(e.timed) > 0 && !e.timed[0].wakeAt.After(now) {
		f := e.timed[0]
		heap.Pop(&e.timed)
		e.step(f, now)
	}
}
