package sources_test

import (
	"maps"
	"reflect"
	"time"

	"github.com/catalog-courier/catalog-courier/source/difference"
)

// record is an item as the shop has it.
type record struct {
	id         string // "" is a record without an id
	attributes map[string]any
	metaOnly   bool // the filter of the other route leaves it out
	invalid    bool // it cannot be mapped
	edited     time.Time
}

// standing is what a destination must show of an item, and what the shop said last.
type standing struct {
	shown  map[string]any // nil: the item is not there
	said   map[string]any // nil: the shop said that it is gone
	at     time.Time      // of what it said last
	sent   bool           // something was sent of it once
	awayAt time.Time      // the last snapshot that away counts
	away   int            // snapshots without it, since it was last there and valid
}

// there reports whether the destination has the item, as far as the shop's word goes.
func (s *standing) there() bool { return s.sent && s.said != nil }

// destination is the model of a route: the newest that the shop said of an item is what the
// platform shows.
type destination struct {
	replaces   bool
	clears     func(attribute string) bool
	outOfStock map[string]any

	missing    difference.Missing
	runs       int
	guard      difference.Guard
	mapping    string // what the mapping adds
	takesAll   bool   // it has no filter
	items      map[string]*standing
	held       int // how many items it had when deletes were withheld first; 0 while none are
	heldNow    int // what held becomes when the run ends
	mostBroken bool
	notCleared int // attributes that the last run could not clear
}

func (d *destination) of(id string) *standing {
	if d.items[id] == nil {
		d.items[id] = &standing{}
	}
	return d.items[id]
}

// mapped are the attributes of a record at the destination.
func (d *destination) mapped(r record) map[string]any {
	attributes := maps.Clone(r.attributes)
	if d.mapping != "" {
		attributes["custom_label_1"] = d.mapping
	}
	return attributes
}

func (d *destination) skips(r record) bool { return r.metaOnly && !d.takesAll }

// set has the destination show attributes. It counts those that it keeps and cannot clear.
func (s *standing) set(d *destination, attributes map[string]any) {
	shown := maps.Clone(attributes)
	for name, value := range s.shown {
		if _, again := attributes[name]; !again && !d.replaces && !d.clears(name) {
			shown[name] = value
			d.notCleared++
		}
	}
	s.shown, s.said, s.sent, s.away, s.awayAt = shown, attributes, true, 0, time.Time{}
}

// end has the destination lose the item, or say that it cannot be bought.
func (s *standing) end(d *destination) {
	if d.missing == difference.OutOfStock {
		s.shown = maps.Clone(s.shown)
		maps.Copy(s.shown, d.outOfStock)
	} else {
		s.shown = nil
	}
	s.said, s.away, s.awayAt = nil, 0, time.Time{}
}

// says is a snapshot or a webhook with an item's attributes; at is the item's own time of
// change, or that of the snapshot.
func (d *destination) says(id string, attributes map[string]any, at, snapshot time.Time) {
	s := d.of(id)
	// That an item is back is news of the snapshot, however old the item's last change is.
	back := s.said == nil && !s.at.After(snapshot)
	if s.at.After(at) && !back {
		return
	}
	s.at = at
	if s.there() && reflect.DeepEqual(s.said, attributes) {
		s.away, s.awayAt = 0, time.Time{}
		return
	}
	s.set(d, attributes)
}

// ends is a webhook that says that an item is deleted, or left the filter.
func (d *destination) ends(id string, at time.Time) {
	s := d.of(id)
	if s.at.After(at) {
		return
	}
	s.at = at
	if s.there() && d.missing != difference.Keep {
		s.end(d)
	}
}

// snapshot is a run, with the guard's verdict as docs/feeds.md describes it.
func (d *destination) snapshot(records []record, at time.Time, own bool, approved int) difference.Decision {
	d.notCleared = 0
	timeOf := func(r record) time.Time {
		if own {
			return r.edited
		}
		return at
	}
	known, added, removed, awaited, duplicates, nameless, filtered, broken := 0, 0, 0, 0, 0, 0, 0, 0
	last := make(map[string]int) // by id: the last record counts
	had := make(map[string]bool)
	for i, r := range records {
		switch {
		case r.id == "":
			nameless++
		case d.skips(r):
			filtered++
			if had[r.id] {
				last[r.id] = i
			}
		default:
			if had[r.id] {
				duplicates++
			}
			had[r.id], last[r.id] = true, i
		}
	}
	seen := make(map[string]bool)
	for id, i := range last {
		r := records[i]
		if d.skips(r) {
			continue
		}
		seen[id] = true
		if r.invalid {
			broken++
			continue
		}
		s := d.of(id)
		back := s.said == nil && !s.at.After(at)
		if !s.there() && (back || !s.at.After(timeOf(r))) {
			added++
		}
	}
	for id, s := range d.items {
		if !s.there() {
			continue
		}
		known++
		switch {
		case seen[id] || d.missing == difference.Keep || s.at.After(at):
		case s.awayAfter(at) < d.runs:
			awaited++
		default:
			removed++
		}
	}
	read := len(seen)
	decision := d.verdict(known, added, read, removed, awaited, approved)
	switch {
	case decision == difference.Stopped && read == 0 && filtered > 0:
		if decision = difference.Withheld; removed <= approved {
			decision = difference.Allowed
		}
	case 2*nameless > len(records), 5*duplicates > len(records):
		return difference.Stopped
	case decision == difference.Allowed && nameless > 0 && removed > approved:
		decision = difference.Withheld
	}
	if decision == difference.Stopped {
		return decision
	}
	if 2*broken > read && removed > approved {
		decision = difference.Withheld
	}
	d.mostBroken = 2*broken > read
	for id := range seen {
		if r := records[last[id]]; !r.invalid {
			d.says(id, d.mapped(r), timeOf(r), at)
		}
	}
	d.heldNow = 0
	if decision == difference.Withheld {
		if d.heldNow = known; d.held > 0 {
			d.heldNow = min(known, d.held)
		}
		if removed == 0 {
			d.heldNow = 0
		}
		return decision
	}
	for id, s := range d.items {
		if !s.there() || seen[id] || d.missing == difference.Keep || s.at.After(at) {
			continue
		}
		if away := s.awayAfter(at); away < d.runs {
			s.away, s.awayAt = away, at
			continue
		}
		s.end(d)
		s.at = at
	}
	return decision
}

// awayAfter is in how many snapshots in a row the item is missing, with this one: a snapshot
// that is read once more counts once.
func (s *standing) awayAfter(at time.Time) int {
	if at.After(s.awayAt) {
		return s.away + 1
	}
	return s.away
}

// verdict is the guard's, as docs/feeds.md describes it.
func (d *destination) verdict(known, added, read, removed, awaited, approved int) difference.Decision {
	switch {
	case read == 0 && known > 0 && !d.guard.AllowEmpty, known > 0 && 2*added > read && 2*(removed+awaited) > known:
		return difference.Stopped
	}
	had := known
	if d.held > 0 {
		had = min(known, d.held)
	}
	if removed > d.guard.Items && float64(removed) > d.guard.Percent/100*float64(had) && removed > approved {
		return difference.Withheld
	}
	return difference.Allowed
}

// shows are the items that the platform must have.
func (d *destination) shows() map[string]map[string]any {
	all := make(map[string]map[string]any)
	for id, s := range d.items {
		if s.shown != nil {
			all[id] = s.shown
		}
	}
	return all
}
