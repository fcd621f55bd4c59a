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
	"io"
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

	decision difference.Decision
}

// Sample is a change as it would be sent.
type Sample struct {
	Kind       string          `json:"kind"`
	ItemID     string          `json:"item_id"`
	Operation  string          `json:"operation"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
}

// Plan is what a run would send. It holds the source until it is closed or applied.
type Plan struct {
	Source      string      `json:"source"`
	Run         int64       `json:"run"`
	SnapshotAt  time.Time   `json:"snapshot_at"`
	Fingerprint string      `json:"fingerprint"`
	Read        int64       `json:"read"`
	Bytes       int64       `json:"bytes"`
	Routes      []RoutePlan `json:"routes"`
	Findings    []KindCount `json:"findings"`
	// Unchanged says that the source is what it was at the last run, and was not read.
	Unchanged bool `json:"unchanged"`
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
	// Trigger says what asks for it: schedule, command, approval.
	Trigger string
	// Approved is how many removals of each route somebody approved; 0 for none.
	Approved int
	// MigrateIDs changes the ids of all items: the template of the configuration takes the
	// place of that of the first run, and the guard does not stop when most ids are new.
	MigrateIDs bool
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
		p.Unchanged = true
		return nil
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
	comparison := comparison{plan: p, at: snapshot.At().UTC(), ids: newSeen()}
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
		p.decide(&p.Routes[i], p.source.Routes[i].Guard, snapshot.Unreadable(), comparison.nameless)
		fmt.Fprintf(p.digest, "%s %s\n", p.Routes[i].Route, p.Routes[i].Decision)
	}
	p.Digest = hex.EncodeToString(p.digest.Sum(nil)[:16])
	p.Findings = p.findings.list()
	return p.save(ctx)
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

// settled reports whether the same snapshot would find nothing to do in another run. It
// does not while items wait to be missing once more.
func (p *Plan) settled() bool {
	return !slices.ContainsFunc(p.Routes, func(route RoutePlan) bool { return route.Counts.Awaited > 0 })
}

// decide asks the guard about a route.
func (p *Plan) decide(route *RoutePlan, guard difference.Guard, unreadable, nameless int64) {
	guard.NewIDs, guard.LeftOut = p.request.MigrateIDs, p.Read > nameless
	route.decision, route.Reason = guard.Check(route.Counts, p.request.Approved)
	unknown := unreadable + nameless
	most := cmp.Or(p.source.MaxDuplicates, maxDuplicates)
	switch {
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
	route.Decision = route.decision.String()
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

// comparison reads a snapshot once and compares it with what was sent.
type comparison struct {
	plan     *Plan
	at       time.Time
	ids      *seen
	read     int64
	nameless int64 // records whose id cannot be made
	told     time.Time
}

// entry is one item on its way through the comparison.
type entry struct {
	item     difference.Item
	repeated bool
}

func (c *comparison) records(ctx context.Context, snapshot Snapshot) error {
	chunks := make([][]entry, len(c.plan.source.Routes))
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		record, err := snapshot.Next()
		c.plan.findings.add(snapshot.Findings()...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c.read++
		named := false
		for i, route := range c.plan.source.Routes {
			mapped := route.Map(record.Item)
			c.plan.findings.addOf(route, record, mapped)
			if mapped.Skipped || mapped.Item.ID != "" {
				named = true // what a filter leaves out needs no id
			}
			if mapped.Item.ID == "" {
				continue
			}
			if entry, ok := c.place(i, record, mapped); ok {
				chunks[i] = append(chunks[i], entry)
			}
			if len(chunks[i]) >= chunk {
				if err := c.compare(ctx, i, chunks[i]); err != nil {
					return err
				}
				chunks[i] = chunks[i][:0]
			}
		}
		if !named && len(c.plan.source.Routes) > 0 {
			c.nameless++
		}
		if err := c.tell(ctx, snapshot); err != nil {
			return err
		}
	}
	for i := range chunks {
		if err := c.compare(ctx, i, chunks[i]); err != nil {
			return err
		}
	}
	return nil
}

func placeOf(record Record) string {
	if record.Place == nil {
		return ""
	}
	return record.Place.String()
}

// place notes that a route's item is there, and reports whether it can be compared.
func (c *comparison) place(i int, record Record, mapped Mapped) (entry, bool) {
	route := &c.plan.Routes[i]
	if mapped.Skipped {
		return entry{}, false
	}
	first, repeated := c.ids.add(i, mapped.Item.ID, c.read)
	if repeated {
		route.Duplicates++
		c.plan.findings.add(Finding{
			Kind: "DUPLICATE_ID", Severity: "warning", Place: placeOf(record), Route: route.Route, ItemID: mapped.Item.ID, Field: "item_id",
			Rule: fmt.Sprintf("record %d has the id already; the last one counts", first),
		})
	} else {
		route.Counts.Read++
	}
	if mapped.Invalid || record.Damaged {
		route.Counts.Invalid++
		return entry{}, false
	}
	return entry{item: mapped.Item, repeated: repeated}, true
}

// compare compares a chunk of a route's items and keeps those that change something.
func (c *comparison) compare(ctx context.Context, i int, entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	ids := make([]string, len(entries))
	for j, entry := range entries {
		ids[j] = entry.item.ID
	}
	known, err := c.plan.runner.Store.Items(ctx, c.plan.row.Routes[i].ID, ids)
	if err != nil {
		return err
	}
	destination, route := c.plan.source.difference(c.plan.source.Routes[i], c.plan.began), &c.plan.Routes[i]
	for _, entry := range entries {
		state := stateOf(known[entry.item.ID])
		change, err := destination.Compare(entry.item, state, c.at)
		if err != nil {
			route.Counts.Invalid++
			c.plan.findings.add(Finding{Kind: "ATTRIBUTES", Severity: "error", Route: route.Route, ItemID: entry.item.ID, Rule: err.Error()})
			continue
		}
		if !entry.repeated {
			route.Counts.Count(change.Kind)
		}
		// The last of several with one id is kept in any case: those before it may change
		// what it is compared with.
		if !change.Keeps(state) && !entry.repeated {
			continue
		}
		if change.Publishes() && len(route.Samples) < samplesOfRoute {
			route.Samples = append(route.Samples, sampleOf(change))
		}
		for _, name := range change.Left {
			c.plan.findings.add(Finding{
				Kind: "NOT_CLEARED", Severity: "warning", Route: route.Route, ItemID: change.ItemID, Field: name,
				Rule: "the source no longer has it, and the platform keeps it: nothing clears it there. Give it a value, or delete the item and add it again",
			})
		}
		fmt.Fprintf(c.plan.digest, "%d %s\n", i, change.MutationID)
		if err := c.plan.changes.add(i, entry.item); err != nil {
			return err
		}
	}
	return nil
}

func sampleOf(change difference.Change) Sample {
	return Sample{Kind: change.Kind.String(), ItemID: change.ItemID, Operation: change.Operation.String(), Attributes: change.Attributes}
}

// missing looks for items that the destinations have and the snapshot lacks.
func (c *comparison) missing(ctx context.Context) error {
	for i := range c.plan.source.Routes {
		destination, route := c.plan.source.difference(c.plan.source.Routes[i], c.plan.began), &c.plan.Routes[i]
		for after := ""; ; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			rows, err := c.plan.runner.Store.ItemsAfter(ctx, c.plan.row.Routes[i].ID, after, page)
			if err != nil {
				return err
			}
			route.Counts.Known += len(rows)
			for _, row := range rows {
				if c.ids.has(i, row.ItemID) {
					continue
				}
				change := destination.Absent(row.ItemID, stateOf(row), c.at)
				route.Counts.Count(change.Kind)
				if !change.Keeps(stateOf(row)) {
					continue
				}
				if change.Publishes() && len(route.Samples) < 2*samplesOfRoute {
					route.Samples = append(route.Samples, sampleOf(change))
				}
				fmt.Fprintf(c.plan.digest, "%d %s\n", i, change.MutationID)
				if err := c.plan.removals.add(i, difference.Item{ID: row.ItemID}); err != nil {
					return err
				}
			}
			if len(rows) < page {
				break
			}
			after = rows[len(rows)-1].ItemID
		}
	}
	return nil
}

// tell reports progress, at most a few times a second.
func (c *comparison) tell(ctx context.Context, snapshot Snapshot) error {
	const often, every = 512, 2 * time.Second
	if c.read%often != 0 {
		return nil
	}
	if c.plan.runner.Progress != nil {
		c.plan.runner.Progress(Progress{State: persistence.RunReading, Read: c.read, Bytes: snapshot.Bytes()})
	}
	now := time.Now()
	if now.Sub(c.told) < every {
		return nil
	}
	c.told = now
	c.plan.run.ItemsRead, c.plan.run.BytesRead = c.read, snapshot.Bytes()
	return c.plan.runner.Store.SaveRun(ctx, c.plan.run)
}
