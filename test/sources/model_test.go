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
	shown map[string]any // nil: the item is not there
	said  map[string]any // nil: the shop said that it is gone
	at    time.Time      // of what it said last
	sent  bool           // something was sent of it once
	away  int            // snapshots without it, since it was last there and valid
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
	s.shown, s.said, s.sent, s.away = shown, attributes, true, 0
}

// end has the destination lose the item, or say that it cannot be bought.
func (s *standing) end(d *destination) {
	if d.missing == difference.OutOfStock {
		s.shown = maps.Clone(s.shown)
		maps.Copy(s.shown, d.outOfStock)
	} else {
		s.shown = nil
	}
	s.said, s.away = nil, 0
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
		s.away = 0
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
	known, added, removed, awaited, duplicates, nameless := 0, 0, 0, 0, 0, 0
	seen := make(map[string]bool)
	for _, r := range records {
		switch {
		case r.id == "":
			nameless++
		case d.skips(r):
		case seen[r.id]:
			duplicates++
		default:
			seen[r.id] = true
			s := d.of(r.id)
			back := s.said == nil && !s.at.After(at)
			if !r.invalid && !s.there() && (back || !s.at.After(timeOf(r))) {
				added++
			}
		}
	}
	for id, s := range d.items {
		if !s.there() {
			continue
		}
		known++
		switch {
		case seen[id] || d.missing == difference.Keep || s.at.After(at):
		case s.away+1 < d.runs:
			awaited++
		default:
			removed++
		}
	}
	read := len(seen)
	switch {
	case 2*nameless > len(records) && nameless > 0, 5*duplicates > len(records),
		read == 0 && known > 0 && !d.guard.AllowEmpty,
		known > 0 && 2*added > read && 2*(removed+awaited) > known:
		return difference.Stopped
	}
	for _, r := range records {
		if r.id != "" && !d.skips(r) && !r.invalid {
			d.says(r.id, d.mapped(r), timeOf(r), at)
		}
	}
	if removed > d.guard.Items && float64(removed) > d.guard.Percent/100*float64(known) && removed > approved || removed > 0 && nameless > 0 {
		return difference.Withheld
	}
	for id, s := range d.items {
		if !s.there() || seen[id] || d.missing == difference.Keep || s.at.After(at) {
			continue
		}
		if s.away+1 < d.runs {
			s.away++
			continue
		}
		s.end(d)
		s.at = at
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
