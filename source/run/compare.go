package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// comparison reads a snapshot once and compares it with what was sent. Of several records
// with one id the last counts: which one that is, is known at the end only. So whatever is
// not plainly unchanged goes to the spool, and is counted from there.
type comparison struct {
	plan     *Plan
	at       time.Time
	ids      *seen
	read     int64
	nameless int64 // records whose id cannot be made
	told     time.Time
	samples  [][]sampled // by route: candidates, of which the last records count
}

// entry is one item on its way through the comparison.
type entry struct {
	item   difference.Item
	number int64
	status status
	// repeated says that the route had the id before.
	repeated bool
}

// sampled is a sample with the number of its record.
type sampled struct {
	Sample

	number int64
}

func (c *comparison) records(ctx context.Context, snapshot Snapshot) error {
	chunks := make([][]entry, len(c.plan.source.Routes))
	c.samples = make([][]sampled, len(c.plan.source.Routes))
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
			leftOut := mapped.Skipped && !record.Damaged     // a filter cannot rely on damaged values
			named = named || leftOut || mapped.Item.ID != "" // what a filter leaves out needs no id
			if mapped.Item.ID == "" {
				if leftOut {
					c.plan.Routes[i].Counts.FilteredOut++
				}
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
	return c.count()
}

func placeOf(record Record) string {
	if record.Place == nil {
		return ""
	}
	return record.Place.String()
}

// place notes that a route's item is there, and reports whether there is anything to do
// about it.
func (c *comparison) place(i int, record Record, mapped Mapped) (entry, bool) {
	route := &c.plan.Routes[i]
	made := entry{item: mapped.Item, number: c.read}
	switch {
	case record.Damaged: // whatever its values say
	case mapped.Foreign:
		route.Counts.FilteredOut++
		return made, false
	case mapped.Skipped:
		route.Counts.FilteredOut++
		made.status = leftOut
		return made, c.ids.again(i, mapped.Item.ID, c.read)
	}
	var first int64
	if first, made.repeated = c.ids.add(i, mapped.Item.ID, c.read); made.repeated {
		route.Duplicates++
		c.plan.findings.add(Finding{
			Kind: "DUPLICATE_ID", Severity: "warning", Place: placeOf(record), Route: route.Route, ItemID: mapped.Item.ID, Field: "item_id",
			Rule: fmt.Sprintf("record %d has the id already; the last one counts", first),
		})
	}
	if mapped.Invalid || record.Damaged {
		made.status = invalid
	}
	return made, true
}

// compare compares a chunk of a route's items and keeps those that change something, or may
// count instead of one that does.
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
		kept := spooled{route: i, number: entry.number, status: entry.status, item: difference.Item{ID: entry.item.ID}}
		state := stateOf(known[entry.item.ID])
		if entry.status == valid {
			change, err := destination.Compare(entry.item, state, c.at)
			switch {
			case err != nil:
				c.plan.findings.add(Finding{Kind: "ATTRIBUTES", Severity: "error", Route: route.Route, ItemID: entry.item.ID, Rule: err.Error()})
				kept.status = invalid
			case !change.Keeps(state) && change.Kind == difference.Unchanged && !entry.repeated:
				continue
			default:
				kept.kind, kept.item, kept.keeps, kept.mutation = change.Kind, entry.item, change.Keeps(state), change.MutationID
				c.sample(i, entry.number, change)
				c.left(route.Route, change)
			}
		}
		if kept.status == invalid {
			kept.keeps = difference.Present(entry.item.ID, state, c.at).Keeps(state)
		}
		if err := c.plan.changes.add(kept); err != nil {
			return err
		}
	}
	return nil
}

// sample keeps one of the first changes of a route.
func (c *comparison) sample(i int, number int64, change difference.Change) {
	const candidates = 4 * samplesOfRoute // some may not be the last records of their ids
	if change.Publishes() && len(c.samples[i]) < candidates {
		c.samples[i] = append(c.samples[i], sampled{sampleOf(change), number})
	}
}

// left says which attributes stay on the platform.
func (c *comparison) left(route string, change difference.Change) {
	for _, name := range change.Left {
		c.plan.findings.add(Finding{
			Kind: "NOT_CLEARED", Severity: "warning", Route: route, ItemID: change.ItemID, Field: name,
			Rule: "the source no longer has it, and the platform keeps it: nothing clears it there. Give it a value, or delete the item and add it again",
		})
	}
}

// count counts what the last record of each id changes.
func (c *comparison) count() error {
	counted := make([]int, len(c.plan.Routes)) // all but unchanged ones
	err := c.plan.changes.each(func(kept spooled) error {
		if !c.ids.last(kept) {
			return nil
		}
		counts := &c.plan.Routes[kept.route].Counts
		switch {
		case kept.status == leftOut:
			c.ids.drop(kept.route, kept.item.ID)
		case kept.status == invalid:
			counts.Invalid++
			counted[kept.route]++
		case kept.kind != difference.Unchanged:
			counts.Count(kept.kind)
			counted[kept.route]++
		}
		if kept.mutation != "" {
			c.plan.note(kept.route, kept.mutation)
		}
		return nil
	})
	for i := range c.plan.Routes {
		route := &c.plan.Routes[i]
		route.Counts.Read = c.ids.count(i)
		route.Counts.Unchanged = route.Counts.Read - counted[i]
		for _, candidate := range c.samples[i] {
			if len(route.Samples) < samplesOfRoute && c.ids.last(spooled{route: i, number: candidate.number, item: difference.Item{ID: candidate.ItemID}}) {
				route.Samples = append(route.Samples, candidate.Sample)
			}
		}
	}
	return err
}

func sampleOf(change difference.Change) Sample {
	return Sample{
		Kind: change.Kind.String(), ItemID: change.ItemID, Operation: change.Operation.String(), Attributes: change.Attributes,
		Added: change.Added, Gone: change.Gone,
	}
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
				c.plan.note(i, change.MutationID)
				if err := c.plan.removals.add(spooled{route: i, kind: change.Kind, item: difference.Item{ID: row.ItemID}}); err != nil {
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
