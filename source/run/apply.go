package run

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// Result is how a run ended.
type Result struct {
	Run       int64                `json:"run"`
	Read      int64                `json:"read"`
	State     persistence.RunState `json:"state"`
	Published int64                `json:"published"`
	// Withheld counts what the guard held back.
	Withheld int `json:"withheld"`
	// Reason says why not everything was sent.
	Reason string `json:"reason,omitempty"`
}

// Run plans a run and applies it.
func (r *Runner) Run(ctx context.Context, source Source, request Request) (Result, error) {
	plan, err := r.Plan(ctx, source, request)
	if err != nil {
		return Result{}, err
	}
	return plan.Apply(ctx)
}

// Apply publishes a plan and closes it. What was published before an error stays so; the
// next run goes on from there.
func (p *Plan) Apply(ctx context.Context) (result Result, err error) {
	defer func() {
		if err != nil {
			err = p.fail(ctx, err)
		}
		result.Run, result.Read, result.State, result.Reason = p.Run, p.run.ItemsRead, p.run.State, p.run.Reason
		err = errors.Join(err, p.Close())
	}()
	stop := context.AfterFunc(ctx, p.release)
	defer stop()
	if p.Unchanged {
		return result, p.finish(persistence.RunUnchanged, "")
	}
	if p.request.MigrateIDs {
		if err := p.runner.Store.SetItemID(p.context, p.row.ID, p.token, p.source.ItemID); err != nil {
			return result, err
		}
	}
	p.run.State = persistence.RunPublishing
	if err := p.save(p.context); err != nil {
		return result, err
	}
	publisher := &publisher{plan: p}
	compare := func(d difference.Route, item difference.Item, state difference.State) (difference.Change, error) {
		return d.Compare(item, state, p.SnapshotAt)
	}
	present := func(_ difference.Route, item difference.Item, state difference.State) (difference.Change, error) {
		return difference.Present(item.ID, state, p.SnapshotAt), nil
	}
	goesOn := func(i int) bool { return p.Routes[i].decision != difference.Stopped }
	for _, one := range []struct {
		status status
		decide Decide
	}{{valid, compare}, {invalid, present}} {
		if err := publisher.each(p.changes, goesOn, one.status, one.decide); err != nil {
			result.Published = p.run.Published
			return result, err
		}
	}
	absent := func(d difference.Route, item difference.Item, state difference.State) (difference.Change, error) {
		return d.Absent(item.ID, state, p.SnapshotAt), nil
	}
	err = publisher.each(p.removals, func(i int) bool { return p.Routes[i].decision == difference.Allowed }, valid, absent)
	result.Published = p.run.Published
	if err != nil {
		return result, err
	}
	state, reason := persistence.RunDone, ""
	for _, route := range p.Routes {
		switch {
		case route.decision == difference.Stopped && state != persistence.RunStopped:
			state, reason = persistence.RunStopped, route.Route+": "+route.Reason
		case route.decision == difference.Withheld && state != persistence.RunStopped && state != persistence.RunWithheld:
			state, reason = persistence.RunWithheld, route.Route+": "+route.Reason
		case route.mostInvalid && state == persistence.RunDone:
			state, reason = persistence.RunInvalid, route.Route+": "+route.Reason
		}
	}
	_, result.Withheld = p.Changes()
	return result, p.finish(state, reason)
}

// finish notes the end of a run. Only a snapshot of which everything was sent is not read
// again while it stays the same.
func (p *Plan) finish(state persistence.RunState, reason string) error {
	if state != persistence.RunUnchanged {
		row := p.row
		row.Fingerprint = ""
		if state == persistence.RunDone && p.Fingerprint != "" { // the others are read again
			row.Fingerprint = p.effect() + " " + p.Fingerprint
		}
		// Of a snapshot of which a route got nothing, an older one may be the remedy.
		if state != persistence.RunStopped {
			row.SnapshotAt = p.SnapshotAt
		}
		for i := range row.Routes {
			if p.Routes[i].decision == difference.Stopped {
				continue
			}
			row.Routes[i].MappingRevision = p.source.Routes[i].Revision
			row.Routes[i].GuardKnown = p.guardKnown(i)
		}
		if err := p.runner.Store.FinishSource(p.context, row, p.token); err != nil {
			return err
		}
	}
	p.run.State, p.run.Reason, p.run.Finished = state, reason, true
	if err := p.save(p.context); err != nil {
		p.run.Finished = false
		return err
	}
	return nil
}

// guardKnown is how many items the destination of a route had when its deletes were
// withheld first; 0 where they are not.
func (p *Plan) guardKnown(i int) int {
	route := &p.Routes[i]
	if route.decision != difference.Withheld || route.Counts.Removed == 0 {
		return 0
	}
	if before := p.row.Routes[i].GuardKnown; before > 0 {
		return min(before, route.Counts.Known)
	}
	return route.Counts.Known
}

// publisher sends what a spool holds.
type publisher struct {
	plan *Plan
	told time.Time
}

// each publishes the items of a spool whose route may and that have a status, in their order: of
// each id the last.
func (p *publisher) each(from *spool, may func(route int) bool, wanted status, decide Decide) error {
	chunks := make([][]difference.Item, len(p.plan.source.Routes))
	err := from.each(func(one spooled) error {
		i := one.route
		if !may(i) || one.status != wanted || one.number > 0 && (!one.keeps || !p.plan.ids.last(one)) {
			return nil
		}
		if chunks[i] = append(chunks[i], one.item); len(chunks[i]) < chunk {
			return nil
		}
		err := p.together(i, chunks[i], decide)
		chunks[i] = chunks[i][:0]
		if err != nil {
			return err
		}
		return p.tell()
	})
	for i := range chunks {
		if err == nil && len(chunks[i]) > 0 {
			err = p.together(i, chunks[i], decide)
		}
	}
	return err
}

// together publishes a chunk of a route's items; each has another id.
func (p *publisher) together(i int, items []difference.Item, decide Decide) error {
	plan, route := p.plan, p.plan.source.Routes[i]
	made, err := plan.source.Change(plan.context, plan.runner.Store, plan.runner.Publish, route, plan.row.Routes[i].ID, plan.began, items, decide)
	if err != nil {
		return err
	}
	if made.Refused != nil {
		plan.refuse(route, made.Refused)
	}
	plan.run.Published += int64(made.Published)
	return nil
}

// tell reports progress and writes it from time to time.
func (p *publisher) tell() error {
	const every = 2 * time.Second
	run := &p.plan.run
	if p.plan.runner.Progress != nil {
		p.plan.runner.Progress(Progress{State: run.State, Read: run.ItemsRead, Bytes: run.BytesRead, Published: run.Published, ToCome: run.ToPublish - run.Published})
	}
	now := time.Now()
	if now.Sub(p.told) < every {
		return nil
	}
	p.told = now
	if err := p.plan.runner.Store.SaveRun(p.plan.context, *run); err != nil {
		p.plan.runner.Logger.WarnContext(p.plan.context, "the run's progress could not be written", slog.Any("error", err))
		if errors.Is(err, persistence.ErrHoldLost) {
			return err
		}
	}
	return nil
}
