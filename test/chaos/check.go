package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// violation is something that must not be; rule is an invariant of docs/design.md,
// or "stop" for the promises about stopping.
type violation struct {
	rule string
	text string
}

func (v violation) String() string { return v.rule + ": " + v.text }

// judgement is what the check found.
type judgement struct {
	violations []violation
	statuses   map[string]int
	// unrecorded counts messages that were gone with the stream's older copy before
	// any worker had recorded them; replayed the failures of changes that were
	// applied again after Postgres had lost them.
	unrecorded int
	replayed   int
	// blamed counts changes that a platform refused for no reason.
	blamed int
}

func (j *judgement) breakf(rule, format string, arguments ...any) {
	j.violations = append(j.violations, violation{rule, fmt.Sprintf(format, arguments...)})
}

// final are the statuses that a mutation can end in.
var final = map[string]bool{
	"succeeded": true, "failed": true, "superseded": true, "invalid": true, "unconfirmed": true,
}

// calmLatency is how long a change of an account may take whose platform is well,
// while others are in trouble.
const calmLatency = 5 * time.Second

// judge holds everything that was published against everything that was recorded,
// and the platforms' state against the changes applied one at a time.
func judge(h *history) *judgement {
	j := &judgement{statuses: map[string]int{}}
	held, gone := h.messages()
	j.rows(h, held, gone)
	j.superseded(h.rows)
	j.state(h, held, gone)
	j.counters(h.sites)
	j.isolation(h)
	return j
}

// rows is I1: one row for each message, and every one of them final.
func (j *judgement) rows(h *history, held, gone map[place]catalog.Arrival) {
	seen := make(map[place]int, len(h.rows))
	for _, r := range h.rows {
		j.statuses[r.status]++
		at := r.place()
		seen[at]++
		_, known := held[at]
		if _, lost := gone[at]; !known && !lost {
			j.breakf("I1", "a row of no message: %+v", r)
		}
		if seen[at] > 1 {
			j.breakf("I1", "a message has two rows: %+v", r)
		}
		if !final[r.status] {
			j.breakf("I1", "not final: %+v", r)
		}
	}
	for at, arrival := range held {
		if seen[at] == 0 {
			j.breakf("I1", "a message has no row: %+v, item %s", at, arrival.Mutation.ItemID)
		}
	}
	for at := range gone {
		switch {
		case !h.rewound:
			j.breakf("I1", "the stream lost a message that it had acknowledged: %+v", at)
		case seen[at] == 0:
			j.unrecorded++
		}
	}
}

// superseded: a merged mutation names the newest constituent of its record, which
// has a status of its own.
func (j *judgement) superseded(rows []row) {
	byID := make(map[string]row, len(rows))
	for _, r := range rows {
		byID[r.id] = r
	}
	for _, r := range rows {
		if r.status != "superseded" || !r.inBatch {
			continue
		}
		by, ok := byID[r.supersededBy]
		if !ok || by.status == "superseded" || by.itemID != r.itemID || by.lane != r.lane {
			j.breakf("I1", "superseded by a mutation that does not stand for it: %+v by %+v", r, by)
		}
	}
}

// expectation is what fresh platforms come to that get the changes one at a time.
type expectation struct {
	settings *config.Config
	fresh    map[string]simulated // by site
	lanes    map[catalog.Lane]*site
	apart    map[catalog.ItemKey]bool // nobody knows the platform's last word of these
}

// isApart reports that nobody knows of the item, or of the one that it localizes.
func (e *expectation) isApart(key catalog.ItemKey) bool {
	base := catalog.ItemKey{Lane: key.Lane, ItemID: key.ItemID}
	if key.Lane == localizingLane {
		base.Lane = localizedLane
	}
	return e.apart[key] || e.apart[base]
}

func newExpectation(h *history) *expectation {
	e := &expectation{settings: h.settings, fresh: map[string]simulated{}, lanes: map[catalog.Lane]*site{}, apart: map[catalog.ItemKey]bool{}}
	for _, s := range h.sites {
		if s.platform == "meta" {
			e.fresh[s.name] = metasim.New(sandbox.Options{})
		} else {
			e.fresh[s.name] = pinterestsim.New(sandbox.Options{})
		}
	}
	bySite := map[string]*site{}
	for _, s := range h.sites {
		bySite[s.name] = s
	}
	for _, a := range accounts() {
		for name, types := range a.types {
			for _, itemType := range types {
				e.lanes[catalog.Lane{Account: a.name, Catalog: name, Type: itemType}] = bySite[a.site]
			}
		}
	}
	return e
}

// apply reports whether the platform takes the change.
func (e *expectation) apply(m *catalog.Mutation) (taken bool, err error) {
	err = e.fresh[e.lanes[m.Lane].name].Apply(catalogKey(e.settings, m.Lane), m.Lane.Type, m)
	if errors.Is(err, sandbox.ErrNotApplied) {
		return false, nil
	}
	return err == nil, err
}

// state is I2 and I5. Rows are in the order in which workers read the messages;
// what no worker recorded was never sent.
func (j *judgement) state(h *history, held, gone map[place]catalog.Arrival) {
	e := newExpectation(h)
	defer func() {
		for _, s := range e.fresh {
			s.Close()
		}
	}()
	for _, r := range h.rows {
		arrival, ok := held[r.place()]
		if !ok {
			arrival, ok = gone[r.place()]
		}
		if !ok || r.status == "invalid" || e.lanes[arrival.Mutation.Lane] == nil {
			continue
		}
		m := arrival.Mutation
		if refusedByRule(e.lanes[m.Lane].rules, m.ItemID) {
			e.apart[m.Key()] = true
			if r.status == "succeeded" {
				j.breakf("I5", "the platform refuses the item: %+v", r)
			}
			continue
		}
		j.applyOne(h, e, r, m)
	}
	j.compare(e)
}

func (j *judgement) applyOne(h *history, e *expectation, r row, m *catalog.Mutation) {
	if blamedFalsely(r) {
		j.blamed++
		e.apart[m.Key()] = true // another copy may have been taken
		return
	}
	taken, err := e.apply(m)
	switch {
	case err != nil:
		j.breakf("I2", "the expected state is not known: %v", err)
	case r.status == "unconfirmed":
		e.apart[m.Key()] = true
	case r.status == "failed" && taken && r.publishedAt.Before(h.restored):
		j.replayed++ // such as an update of an item that a later change had deleted
	case r.status == "succeeded" && !taken && r.publishedAt.Before(h.restored):
		e.apart[m.Key()] = true // refused at first, and worked after newer changes
	case r.status == "failed" && taken && !e.isApart(m.Key()):
		j.breakf("I2", "failed, though the platform takes it: %+v", r)
	}
}

// blamedFalsely reports that a change failed because a simulated platform named it in
// an answer without handles (sandbox.EmptyHandles).
func blamedFalsely(r row) bool {
	return r.status == "failed" && strings.Contains(r.errors, "This item cannot be read")
}

// keyOf is the key of an item or localization that a platform has.
func keyOf(lane catalog.Lane, id string) catalog.ItemKey {
	item, localization, found := strings.Cut(id, " (")
	if !found || lane != localizedLane {
		return catalog.ItemKey{Lane: lane, ItemID: id}
	}
	kind, value, _ := strings.Cut(strings.TrimSuffix(localization, ")"), " ")
	return catalog.ItemKey{Lane: localizingLane, ItemID: item, Localization: catalog.Localization{Type: kind, Value: value}}
}

// compare holds the platforms' items against the expected ones.
func (j *judgement) compare(e *expectation) {
	lanes := slices.SortedFunc(maps.Keys(e.lanes), func(a, b catalog.Lane) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Catalog, b.Catalog), cmp.Compare(a.Type, b.Type))
	})
	for _, lane := range lanes {
		if lane == localizingLane {
			continue // its platform catalog is that of the items
		}
		site, key := e.lanes[lane], catalogKey(e.settings, lane)
		want, have := e.fresh[site.name].Items(key, lane.Type), site.Items(key, lane.Type)
		both := maps.Clone(want)
		maps.Copy(both, have)
		for _, id := range slices.Sorted(maps.Keys(both)) {
			if want[id] != have[id] && !e.isApart(keyOf(lane, id)) {
				j.breakf("I2", "%v %s: want %s, have %s", lane, id, cmp.Or(want[id], "no item"), cmp.Or(have[id], "no item"))
			}
		}
	}
}

// counters are what the platforms saw of I3 and I4.
func (j *judgement) counters(sites []*site) {
	for _, s := range sites {
		c := s.Counters()
		if c.Overlaps > 0 {
			j.breakf("I3", "%s had two batches with different content of one item, %d times", s.name, c.Overlaps)
		}
		if c.DuplicateItems > 0 {
			j.breakf("I4", "%s had two records of one item in a batch, %d times", s.name, c.DuplicateItems)
		}
		if c.MaxItems > maxItems {
			j.breakf("I4", "%s had a batch of %d records", s.name, c.MaxItems)
		}
	}
}

// isolation is I6, looked at while only the platforms of others are in trouble.
func (j *judgement) isolation(h *history) {
	quiet := map[string]bool{}
	for _, a := range accounts() {
		quiet[a.name] = a.site == quietPinterestSite || a.site == quietMetaSite
	}
	for _, r := range h.rows {
		if quiet[r.lane.Account] && h.calm.holds(r.publishedAt) && final[r.status] && r.latency() > calmLatency {
			j.breakf("I6", "took %s while only other accounts' platforms were in trouble: %+v", r.latency().Round(time.Millisecond), r)
		}
	}
}

// refusedByRule reports a rule that rejects the item permanently.
func refusedByRule(rules []sandbox.ItemRule, itemID string) bool {
	return slices.ContainsFunc(rules, func(rule sandbox.ItemRule) bool {
		return rule.Action == sandbox.RefuseItem && rule.Times == 0 && strings.Contains(itemID, rule.Contains)
	})
}
