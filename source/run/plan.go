package run

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// RoutePlan is what a plan found for one destination.
type RoutePlan struct {
	Route  string            `json:"route"`
	Lane   catalog.Lane      `json:"-"`
	Counts difference.Counts `json:"counts"`
	// Duplicates counts records that repeat an id of the snapshot: the last one counts.
	Duplicates int `json:"duplicates"`
	// Decision and Reason are the guard's.
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
	// MappingChanged says that the mapping is not that of the last run.
	MappingChanged bool `json:"mapping_changed"`
	// Samples are the first changes.
	Samples []Sample `json:"samples"`

	decision    difference.Decision
	mostInvalid bool
}

// Sample is a change as it would be sent.
type Sample struct {
	Kind       string          `json:"kind"`
	ItemID     string          `json:"item_id"`
	Operation  string          `json:"operation"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Added and Gone are names of attributes that the item did not have, or no longer has.
	// Former values are not kept, only a digest of them.
	Added []string `json:"added,omitempty"`
	Gone  []string `json:"gone,omitempty"`
}

// Plan is what a run would send. It holds the source until it is closed or applied.
type Plan struct {
	Source      string      `json:"source"`
	Run         int64       `json:"run"`
	SnapshotAt  time.Time   `json:"snapshot_at,omitzero"`
	Fingerprint string      `json:"fingerprint,omitempty"`
	Read        int64       `json:"read"`
	Bytes       int64       `json:"bytes"`
	Routes      []RoutePlan `json:"routes"`
	Findings    []KindCount `json:"findings"`
	// Unchanged says that the source is what it was at the last run, and was not read.
	// Counts and findings are then those of LastRead, the run that read it; 0 where it is not
	// kept any more, and there are none.
	Unchanged bool  `json:"unchanged"`
	LastRead  int64 `json:"last_read_run,omitempty"`
	// Digest is equal for plans that would send the same.
	Digest string `json:"digest"`

	runner   *Runner
	source   Source
	began    time.Time
	request  Request
	row      persistence.Source
	context  context.Context //nolint:containedctx // the hold's, which ends with it
	token    int64
	release  func()
	run      persistence.SourceRun
	changes  *spool
	removals *spool
	digest   hash.Hash
	ids      *seen
	findings findings
}

// Changes counts what would be sent, without what the guard withholds.
func (p *Plan) Changes() (sent, withheld int) {
	for _, route := range p.Routes {
		if route.decision == difference.Stopped {
			withheld += route.Counts.Added + route.Counts.Changed + route.Counts.Refreshed + route.Counts.Removed
			continue
		}
		sent += route.Counts.Added + route.Counts.Changed + route.Counts.Refreshed
		if route.decision == difference.Withheld {
			withheld += route.Counts.Removed
		} else {
			sent += route.Counts.Removed
		}
	}
	return sent, withheld
}

// Stopped reports that the guard lets nothing go of a route.
func (p *Plan) Stopped() bool {
	return slices.ContainsFunc(p.Routes, func(route RoutePlan) bool { return route.decision == difference.Stopped })
}

// MostInvalid reports that most items of a route have errors.
func (p *Plan) MostInvalid() bool {
	return slices.ContainsFunc(p.Routes, func(route RoutePlan) bool { return route.mostInvalid })
}

// Deletes counts the removals that would be sent.
func (p *Plan) Deletes() (count int) {
	for _, route := range p.Routes {
		if route.decision == difference.Allowed {
			count += route.Counts.Removed
		}
	}
	return count
}

// Request says what a run is for.
type Request struct {
	// Trigger says what asks for it, such as schedule, apply or persistence.TriggerPlan.
	Trigger string
	// Approved is how many removals of each route somebody approved; 0 for none.
	Approved int
	// MigrateIDs changes the ids of all items: the template of the configuration takes the
	// place of that of the first run, and the guard does not stop when most ids are new.
	MigrateIDs bool
	// Resend sends every item again, changed or not: for a stream or a platform that lost
	// what it had.
	Resend bool
}

// Plan reads the source and says what a run would send. The caller applies or closes the
// plan.
func (r *Runner) Plan(ctx context.Context, source Source, request Request) (_ *Plan, err error) {
	row, err := r.Store.Open(ctx, source.Name, source.ItemID, source.Lanes())
	if err != nil && (!request.MigrateIDs || !errors.Is(err, persistence.ErrItemIDChanged)) {
		return nil, err
	}
	held, token, release, err := r.hold(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Source: source.Name, runner: r, source: source, row: row, context: held, token: token, release: release,
		request: request, began: time.Now(),
	}
	if request.Resend {
		plan.resend()
	}
	defer func() {
		if err != nil {
			err = errors.Join(plan.fail(ctx, err), plan.Close())
		}
	}()
	if plan.Run, err = r.Store.StartRun(held, row.ID, token, request.Trigger, request.Approved); err != nil {
		return nil, err
	}
	if err := r.Store.SetSilence(held, row.ID, source.SilentAfter); err != nil {
		return nil, err
	}
	plan.run = persistence.SourceRun{ID: plan.Run, State: persistence.RunReading}
	if err := plan.read(held); err != nil {
		return nil, err
	}
	return plan, nil
}

// resend has every item count as sent long ago.
func (p *Plan) resend() {
	const clocks = 24 * time.Hour // more than clocks differ
	p.began = p.began.Add(clocks)
	p.source.Routes = slices.Clone(p.source.Routes)
	for i := range p.source.Routes {
		p.source.Routes[i].Refresh = time.Nanosecond
	}
}

// note adds a mutation to the digest.
func (p *Plan) note(route int, mutation string) { fmt.Fprintf(p.digest, "%d %s\n", route, mutation) }

// fail writes why a run failed, and returns the reason.
func (p *Plan) fail(ctx context.Context, err error) error {
	if cause := context.Cause(p.context); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if p.run.ID == 0 || p.run.Finished {
		return err
	}
	p.run.State, p.run.Reason, p.run.Finished = persistence.RunFailed, err.Error(), true
	p.run.Findings = p.findings.json()
	if saved := p.runner.Store.SaveRun(context.WithoutCancel(ctx), p.run); saved != nil && !errors.Is(saved, persistence.ErrHoldLost) {
		p.runner.Logger.WarnContext(ctx, "the failed run could not be written", slog.Any("error", saved))
	}
	return err
}

// Close ends a plan that is not applied.
func (p *Plan) Close() error {
	if p.release == nil {
		return nil
	}
	if !p.run.Finished && p.run.ID != 0 {
		p.run.State, p.run.Finished = persistence.RunPlanned, true
		_ = p.runner.Store.SaveRun(context.WithoutCancel(p.context), p.run)
	}
	p.release()
	p.release = nil
	var errs []error
	for _, s := range []*spool{p.changes, p.removals} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(errs...)
}

// read reads the snapshot, compares it and asks the guard.
func (p *Plan) read(ctx context.Context) error {
	former := p.former()
	for i, route := range p.source.Routes {
		plan := RoutePlan{Route: route.String(), Lane: route.Lane}
		if p.row.Routes[i].MappingRevision != route.Revision {
			former = "" // read again, though the file is the same
			plan.MappingChanged = p.row.Routes[i].MappingRevision != ""
		}
		if route.Refresh > 0 || p.request.MigrateIDs {
			former = ""
		}
		p.Routes = append(p.Routes, plan)
	}
	snapshot, err := p.source.Open(ctx, former)
	if errors.Is(err, ErrUnchanged) {
		return p.same(ctx)
	}
	if err != nil {
		return err
	}
	defer snapshot.Close()
	limit := cmp.Or(p.runner.MaxSpool, defaultSpool)
	if p.changes, err = newSpool(p.runner.Folder, limit); err != nil {
		return err
	}
	if p.removals, err = newSpool(p.runner.Folder, limit); err != nil {
		return err
	}
	p.digest = sha256.New()
	comparison := comparison{plan: p, at: snapshot.At().UTC(), ids: newSeen(p.source.Routes)}
	p.ids = comparison.ids
	if comparison.at.Before(p.row.SnapshotAt) {
		return fmt.Errorf("the source is of %s, older than the last one, of %s: an old copy was served; nothing is sent",
			comparison.at.Format(time.RFC3339), p.row.SnapshotAt.Format(time.RFC3339))
	}
	if err := comparison.records(ctx, snapshot); err != nil {
		return err
	}
	if err := comparison.missing(ctx); err != nil {
		return err
	}
	p.SnapshotAt, p.Fingerprint, p.Read, p.Bytes = comparison.at, snapshot.Fingerprint(), comparison.read, snapshot.Bytes()
	for i := range p.Routes {
		p.decide(&p.Routes[i], p.source.Routes[i].Guard, p.row.Routes[i].GuardKnown, snapshot.Unreadable(), comparison.nameless)
		fmt.Fprintf(p.digest, "%s %s\n", p.Routes[i].Route, p.Routes[i].Decision)
	}
	p.Digest = hex.EncodeToString(p.digest.Sum(nil)[:16])
	p.Findings = p.findings.list()
	return p.save(ctx)
}

// same fills the plan of a source that is what it was with what the run found that read it:
// items that had errors have them still.
func (p *Plan) same(ctx context.Context) error {
	p.Unchanged, p.SnapshotAt = true, p.row.SnapshotAt.UTC()
	last, err := p.runner.Store.LastDone(ctx, p.Source)
	if errors.Is(err, persistence.ErrNoSuchRun) { // runs are kept for some time only
		return nil
	}
	if err != nil {
		return err
	}
	var routes []RoutePlan
	if err := json.Unmarshal(last.Counts, &routes); err != nil {
		return fmt.Errorf("read run %d: %w", last.Run, err)
	}
	if err := json.Unmarshal(last.Findings, &p.Findings); err != nil {
		return fmt.Errorf("read run %d: %w", last.Run, err)
	}
	p.LastRead, p.Read, p.Bytes = last.Run, last.ItemsRead, last.BytesRead
	for i := range p.Routes {
		route := &p.Routes[i]
		for _, found := range routes {
			if found.Route == route.Route {
				c := found.Counts
				route.Counts = difference.Counts{Read: c.Read, FilteredOut: c.FilteredOut, Invalid: c.Invalid, Older: c.Older, Unchanged: c.Read - c.Invalid - c.Older}
			}
		}
	}
	return nil
}

// former is the fingerprint of the last run, where the same source would have the same
// effect now; otherwise "".
func (p *Plan) former() string {
	effect, fingerprint, _ := strings.Cut(p.row.Fingerprint, " ")
	if effect != p.effect() {
		return ""
	}
	return fingerprint
}

// effect digests what a run does with a snapshot: where it goes and what becomes of what
// is missing. A route that was away while the source changed, or another policy, makes
// work of a source that is the same.
func (p *Plan) effect() string {
	digest := sha256.New()
	for _, route := range p.source.Routes {
		fmt.Fprintf(digest, "%s %s %d %d %s\n", route, route.Revision, route.Missing, route.MissingRuns, route.Unavailable)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}

// decide asks the guard about a route.
func (p *Plan) decide(route *RoutePlan, guard difference.Guard, known int, unreadable, nameless int64) {
	guard.NewIDs, guard.Known = p.request.MigrateIDs, known
	route.decision, route.Reason = guard.Check(route.Counts, p.request.Approved)
	unknown := unreadable + nameless
	most := cmp.Or(p.source.MaxDuplicates, maxDuplicates)
	switch {
	case route.decision == difference.Stopped && p.Read > 0 && route.Counts.Read == 0 && route.Counts.FilteredOut > 0:
		p.decideFiltered(route)
	case nameless > 0 && 2*nameless > p.Read:
		route.decision = difference.Stopped
		route.Reason = fmt.Sprintf("%d of %d records have no id by the template %q: a column of it is gone, or has another name. Nothing is sent", nameless, p.Read, p.source.ItemID)
	case float64(route.Duplicates) > most/100*float64(p.Read):
		route.decision = difference.Stopped
		route.Reason = fmt.Sprintf("%d of %d records repeat an id of another, more than %g %%: the id column is probably the wrong one. Nothing is sent", route.Duplicates, p.Read, most)
	case route.decision == difference.Allowed && unknown > 0 && route.Counts.Removed > p.request.Approved:
		route.decision = difference.Withheld
		route.Reason = fmt.Sprintf("%d records could not be read or have no id: any of them may be one of the %d items that are missing, which are not deleted "+
			"until the records are corrected, a filter leaves out those without id, or somebody approves", unknown, route.Counts.Removed)
	}
	if 2*route.Counts.Invalid > route.Counts.Read && route.decision != difference.Stopped {
		route.mostInvalid = true
		if route.Counts.Removed > p.request.Approved {
			route.decision = difference.Withheld
		}
		route.Reason = strings.TrimPrefix(fmt.Sprintf("%s; %d of %d items have errors and are not sent: see the findings", route.Reason, route.Counts.Invalid, route.Counts.Read), "; ")
	}
	route.Decision = route.decision.String()
}

// decideFiltered withholds the deletes of a route whose filter leaves nothing of a feed that
// has items: a filter with a mistake looks like one that ends the route.
func (p *Plan) decideFiltered(route *RoutePlan) {
	route.decision, route.Reason = difference.Withheld, fmt.Sprintf(
		"the filter leaves out all %d records, and %d items were sent before: they are not deleted until somebody approves", route.Counts.FilteredOut, route.Counts.Removed)
	if route.Counts.Removed <= p.request.Approved {
		route.decision, route.Reason = difference.Allowed, ""
	}
}

// save writes how far the run is.
func (p *Plan) save(ctx context.Context) error {
	sent, _ := p.Changes()
	p.run.SnapshotAt, p.run.ItemsRead, p.run.BytesRead, p.run.ToPublish = p.SnapshotAt, p.Read, p.Bytes, int64(sent)
	counts, err := json.Marshal(p.Routes)
	if err != nil {
		return fmt.Errorf("write the run: %w", err)
	}
	p.run.Counts, p.run.Findings = counts, p.findings.json()
	return p.runner.Store.SaveRun(ctx, p.run)
}
