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
		return a.arrivals[len(a.arrivals)-1].Mutation.Position.Sequence
	case a.idle != nil:
		return a.idle.Position.Sequence
	default:
		return 0
	}
}

// intake reads the source and checks each arrival against its endpoint, until
// ctx ends.
func (e *Engine) intake(ctx context.Context) {
	var pending uint64
	var asked time.Time
	for {
		next, err := e.nextAdmission(ctx)
		if err != nil {
			if ctx.Err() == nil {
				e.report(ctx, func() { e.fail(fmt.Errorf("read the stream: %w", err)) })
			}
			return
		}
		if now := time.Now(); now.Sub(asked) > lagInterval {
			asked = now // also when it fails: a stream in trouble is not asked each time
			if lag, err := e.lag(ctx); err == nil {
				pending = lag
			}
		}
		next.pending = pending
		if ctx.Err() != nil {
			return // the messages are read again by the next owner
		}
		select {
		case e.arrivals <- next:
		case <-ctx.Done():
			return
		}
	}
}

// nextAdmission waits for arrivals, or finds the stream's end when none came for
// a while.
func (e *Engine) nextAdmission(ctx context.Context) (admission, error) {
	var next admission
	waiting, cancel := context.WithTimeout(ctx, idleFollow)
	arrivals, err := e.cfg.Source.Next(waiting)
	cancel()
	switch {
	case err == nil:
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		next.idle = e.findIdle(ctx)
		return next, nil
	default:
		return next, err
	}
	next.arrivals = arrivals
	for i := range arrivals {
		if arrivals[i].Problem == nil {
			arrivals[i].Problem = e.check(ctx, arrivals[i].Mutation)
		}
	}
	next.versions, next.asked, err = e.lookUpVersions(ctx, arrivals)
	return next, err
}

// findIdle asks the source whether everything up to the stream's end was read.
// It is asked by the reading goroutine, between two reads: asked beside it, a
// chunk that was read and not admitted yet would be overlooked and lost.
func (e *Engine) findIdle(ctx context.Context) *ledger.Anchor {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	anchor, idle, err := e.cfg.Source.Idle(ctx)
	if err != nil {
		e.log.DebugContext(ctx, "the stream did not say whether the partition is idle", slog.Any("error", err))
		return nil
	}
	if !idle {
		return nil
	}
	return &anchor
}

// lagInterval is how often the source is asked for its lag.
const lagInterval = 5 * time.Second

func (e *Engine) lag(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, lagInterval)
	defer cancel()
	return e.cfg.Source.Pending(ctx)
}

// check validates a decoded mutation. A panic is that message's problem alone.
func (e *Engine) check(ctx context.Context, m *catalog.Mutation) (problem *catalog.Problem) {
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "checking a mutation panicked; it becomes a dead letter",
				slog.String("mutation_id", m.ID), slog.String("panic", fmt.Sprint(r)))
			problem = &catalog.Problem{Reason: catalog.InternalError, Text: "Courier could not check this message; please report it"}
		}
	}()
	info := e.resolve(m.Lane)
	switch {
	case info.endpoint != nil:
		if !m.Checked {
			if problem, m.Warnings = info.endpoint.Validate(m); problem != nil {
				return problem
			}
			m.Checked = true
		}
		// What the engine's own goroutine is going to ask of the endpoint is asked here
		// first, where a panic does no harm.
		first, rest := info.endpoint.Split(m.Change())
		info.endpoint.RecordSize(m.Key(), first)
		if rest != nil {
			info.endpoint.RecordSize(m.Key(), *rest)
		}
		return nil
	case info.configured:
		return info.problem
	default:
		return nil // a stray: it waits for a newer configuration
	}
}

// admits reports whether the engine may take in more messages.
func (e *Engine) admits() bool {
	return !e.draining && !e.full() &&
		!e.cfg.Budget.intakeFull(e.ownBytes+e.ownLeaving) && !e.ahead(time.Now())
}

// admit takes a chunk of arrivals in.
func (e *Engine) admit(a admission) {
	now := time.Now()
	e.version.learn(a.versions, now)
	for _, arrival := range a.arrivals {
		m := arrival.Mutation
		e.tracker.saw(m)
		if arrival.Problem != nil {
			e.refuse(m, arrival.Problem)
			continue
		}
		e.add(m, now)
	}
	e.version.asked = later(e.version.asked, a.asked)
	e.readTo = max(e.readTo, a.last())
	if len(a.arrivals) > 0 || a.idle != nil {
		e.idle = a.idle
	}
	if len(a.arrivals) > 0 {
		e.flow.arrivals(now)
	}
	e.cfg.Observer.Received(e.cfg.Lease.Partition, len(a.arrivals), a.pending)
	e.updateBudget()
}

// followStream moves the position of an idle partition to the stream's end, once all
// that was read is recorded. The source tells of an end only once.
func (e *Engine) followStream() {
	if e.idle != nil && !e.draining && e.tracker.follow(*e.idle) {
		e.next.tx.Anchor, e.idle = e.idle, nil
	}
}

// updateBudget brings this engine's share of the budget up to date.
func (e *Engine) updateBudget() {
	bytes := int64(e.batcher.Bytes()) + e.version.heldBytes
	e.cfg.Budget.waiting.Add(bytes - e.ownBytes)
	e.ownBytes = bytes
	flow := int64(e.flow.perSecond(time.Now()))
	e.cfg.Budget.changeFlow(e.ownFlow, flow)
	e.ownFlow = flow
}

func (e *Engine) refuse(m *catalog.Mutation, problem *catalog.Problem) {
	e.next.tx.Invalid = append(e.next.tx.Invalid, ledger.InvalidMutation{Mutation: m, Problem: *problem})
	e.next.note(m)
	e.leaveNow(m)
	e.cfg.Observer.Refused(m.Lane, problem.Reason, 1)
}

// add puts a valid mutation where it waits, unless it is overtaken. Of one that waits
// for a configuration nobody knows yet whether it is valid: its version counts when it
// is read back.
func (e *Engine) add(m *catalog.Mutation, now time.Time) {
	lane := e.laneOf(m.Lane)
	if lane == nil {
		e.parkUnconfigured(m, now)
		return
	}
	own := m.HasVersion
	if by, ok := e.overtakes(m); ok {
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

// store writes a waiting row for the mutation in the next transaction.
func (e *Engine) store(ms ...*catalog.Mutation) {
	for _, m := range ms {
		m.Stored = true
	}
	e.next.tx.Waiting = append(e.next.tx.Waiting, ms...)
	e.next.note(ms...)
	e.leaveNow(ms...)
}

// leaveNow counts the memory of what is nowhere but in the job that is being collected.
func (e *Engine) leaveNow(ms ...*catalog.Mutation) {
	for _, m := range ms {
		bytes := messageBytes(m)
		e.next.leaving += bytes
		e.addLeaving(bytes)
	}
}
