package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// admission is a chunk of arrivals, checked beside the engine.
type admission struct {
	arrivals []catalog.Arrival
	// versions are the newest known to the store of the items in the chunk that
	// carry one.
	versions map[catalog.ItemKey]ledger.ItemVersion
	// asked is before they were read.
	asked time.Time
	// idle, when not nil, is the stream's end, found when nothing of the partition
	// was left to read. It comes behind everything that was read before.
	idle *ledger.Anchor
	// pending is the partition's lag when it was last asked for.
	pending uint64
}

// last is the sequence up to which the source has nothing left; 0 when it brought
// nothing.
func (a *admission) last() uint64 {
	switch {
	case len(a.arrivals) > 0:
		last := &a.arrivals[len(a.arrivals)-1]
		if last.More { // the rest of the pack is not read
			return last.Mutation.Position.Sequence - 1
		}
		return last.Mutation.Position.Sequence
	case a.idle != nil:
		return a.idle.Position.Sequence
	default:
		return 0
	}
}

// intake is what the goroutine that reads the source works with.
type intake struct {
	cfg      *Config
	log      *slog.Logger
	resolver *resolver
	store    *storeCalls
	arrivals chan<- admission

	idle idleness
}

// idleness is how long a partition must be idle for its position to follow the stream. A
// stream that moves slowly is followed less often: each time costs questions to the broker and
// a transaction, for each idle partition.
type idleness struct {
	wait time.Duration // 0: idleFollow
	last uint64        // where the position was put last
}

// next is how long to wait.
func (i *idleness) next() time.Duration { return max(i.wait, idleFollow) }

// found notes that the stream's end was found, nil where nothing was new.
func (i *idleness) found(end *ledger.Anchor) {
	switch {
	case end == nil:
		return
	case i.last > 0 && end.Position.Sequence-i.last < slowStream:
		i.wait = min(2*i.next(), idleLongest)
	default:
		i.wait = idleFollow
	}
	i.last = end.Position.Sequence
}

// reading is how far the stream was read.
type reading struct {
	arrivals chan admission // from the intake
	// recordedTo is how far the last owner recorded above its position, readTo how far
	// the stream was read since.
	recordedTo, readTo uint64
	// idle is the stream's end as found when nothing was left to read; nil when the
	// position stands there or something was read since.
	idle *ledger.Anchor
}

// run reads the source and checks each arrival against its endpoint, until
// ctx ends.
func (i *intake) run(ctx context.Context) error {
	var pending uint64
	var asked time.Time
	for {
		next, err := i.nextAdmission(ctx)
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if now := time.Now(); now.Sub(asked) > lagInterval {
			asked = now // also when it fails: a stream in trouble is not asked each time
			if lag, err := i.lag(ctx); err == nil {
				pending = lag
			}
		}
		next.pending = pending
		if ctx.Err() != nil {
			return ctx.Err() // the messages are read again by the next owner
		}
		select {
		case i.arrivals <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// nextAdmission waits for arrivals, or finds the stream's end when none came for
// a while.
func (i *intake) nextAdmission(ctx context.Context) (admission, error) {
	var next admission
	waiting, cancel := context.WithTimeout(ctx, i.idle.next())
	arrivals, err := i.cfg.Source.Next(waiting)
	cancel()
	switch {
	case err == nil:
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		next.idle = i.findIdle(ctx)
		i.idle.found(next.idle)
		return next, nil
	default:
		return next, err
	}
	next.arrivals = arrivals
	i.idle = idleness{}
	for n := range arrivals {
		if arrivals[n].Problem == nil {
			arrivals[n].Problem = i.resolver.check(ctx, arrivals[n].Mutation)
		}
	}
	next.versions, next.asked, err = i.store.lookUpVersions(ctx, arrivals)
	return next, err
}

// findIdle asks the source whether everything up to the stream's end was read.
// It is asked by the reading goroutine, between two reads: asked beside it, a
// chunk that was read and not admitted yet would be overlooked and lost.
func (i *intake) findIdle(ctx context.Context) *ledger.Anchor {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	anchor, idle, err := i.cfg.Source.Idle(ctx)
	if err != nil {
		i.log.DebugContext(ctx, "the stream did not say whether the partition is idle", slog.Any("error", err))
		return nil
	}
	if !idle {
		return nil
	}
	return &anchor
}

// lagInterval is how often the source is asked for its lag.
const lagInterval = 5 * time.Second

func (i *intake) lag(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, lagInterval)
	defer cancel()
	return i.cfg.Source.Pending(ctx)
}

// read has the intake work until reading ends.
func (e *Engine) read(ctx, reading context.Context) {
	in := &intake{cfg: e.cfg, log: e.log, resolver: e.resolver, store: &e.recorder.storeCalls, arrivals: e.reading.arrivals}
	if err := in.run(reading); err != nil && reading.Err() == nil {
		e.calls.report(ctx, func() { e.fail(err) })
	}
}

// admits reports whether the engine may take in more messages.
func (e *Engine) admits() bool {
	return !e.life.draining && !e.full() &&
		!e.cfg.Budget.intakeFull(e.memory.waitingBytes+e.memory.leavingBytes) && !e.ahead(time.Now())
}

// admit takes a chunk of arrivals in.
func (e *Engine) admit(a admission) {
	now := time.Now()
	e.versions.learn(a.versions, now)
	for _, arrival := range a.arrivals {
		m := arrival.Mutation
		e.tracker.saw(arrival)
		if arrival.Problem != nil {
			e.refuse(m, arrival.Problem)
			continue
		}
		e.add(m, now)
	}
	e.versions.asked = later(e.versions.asked, a.asked)
	e.reading.readTo = max(e.reading.readTo, a.last())
	if len(a.arrivals) > 0 || a.idle != nil {
		e.reading.idle = a.idle
	}
	if len(a.arrivals) > 0 {
		e.memory.flow.arrivals(now)
	}
	e.cfg.Observer.Received(e.cfg.Lease.Partition, len(a.arrivals), a.pending)
	e.updateBudget()
}

// followStream moves the position of an idle partition to the stream's end, once all
// that was read is recorded. The source tells of an end only once.
func (e *Engine) followStream() {
	if e.reading.idle != nil && !e.life.draining && e.tracker.follow(*e.reading.idle) {
		e.jobs.next.tx.Anchor, e.reading.idle = e.reading.idle, nil
	}
}

// updateBudget brings this engine's share of the budget up to date.
func (e *Engine) updateBudget() {
	e.memory.waits(int64(e.batcher.Bytes())+e.versions.heldBytes, time.Now())
}

func (e *Engine) refuse(m *catalog.Mutation, problem *catalog.Problem) {
	e.jobs.next.tx.Invalid = append(e.jobs.next.tx.Invalid, ledger.InvalidMutation{Mutation: m, Problem: *problem})
	e.jobs.next.note(m)
	e.leaveNow(m)
	e.cfg.Observer.Refused(m.Lane, problem.Reason, 1)
}

// add puts a valid mutation where it waits, unless it is overtaken. Of one that waits
// for a configuration nobody knows yet whether it is valid: its version counts when it
// is read back.
func (e *Engine) add(m *catalog.Mutation, now time.Time) {
	lane := e.laneOf(m.Lane)
	if lane == nil {
		// What overtakes it must be found now: when it is read back, the store knows of a
		// newer version only, which may be behind it.
		if m.HasVersion {
			if by, ok := e.versions.overtakes(m); ok {
				e.supersede(m, by)
				return
			}
		}
		e.parkUnconfigured(m, now)
		return
	}
	own := m.HasVersion
	if by, ok := e.versions.overtakes(m); ok {
		e.supersede(m, by)
		return
	}
	if problem := e.batcher.Add(m, now); problem != nil {
		e.refuse(m, problem) // it must not supersede good ones
		return
	}
	e.sayMore(lane, m.Key(), now)
	if own {
		e.carry(m, now)
	}
}
