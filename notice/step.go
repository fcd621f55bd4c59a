package notice

import (
	"maps"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// transition is what people are told of a subject.
type transition struct {
	condition

	// Before is what was last told; "" for well.
	Before string
	Since  time.Time
}

// Event names the transition, such as account.failing or account.recovered.
func (c *transition) Event() string {
	if c.State == "" {
		return c.Kind + "." + recovered
	}
	return c.Kind + "." + c.State
}

// onceIn is how often an occurrence that lasts is told again.
const onceIn = 24 * time.Hour

// step compares what is with what was told. changes are to be told; keep and gone are the
// rows to write and to drop.
//
// A state is told when it has been another one than the told for as long as After. Those of
// the same event that have been it for half as long go along, so that what fails together is
// told together. A state that goes and comes back within After is never told, nor its end.
func step(now time.Time, told map[string]persistence.NoticeState, seen []condition) (changes []transition, keep map[string]persistence.NoticeState, gone []string) {
	keep = map[string]persistence.NoticeState{}
	looked := map[string]bool{}
	var ready, half []transition
	for i := range seen {
		one := &seen[i]
		looked[one.Subject] = true
		before, known := told[one.Subject]
		switch {
		case one.Once:
			if known && now.Sub(before.ToldAt) < onceIn {
				continue
			}
			keep[one.Subject] = persistence.NoticeState{Told: one.State, ToldAt: now}
			changes = append(changes, transition{condition: *one, Since: now})
			continue
		case one.Unclear:
			continue
		case one.State == before.Told:
			switch {
			case one.State == "" && known:
				gone = append(gone, one.Subject)
			case !before.PendingSince.IsZero():
				before.PendingSince, before.Pending = time.Time{}, ""
				keep[one.Subject] = before
			}
			continue
		}
		if before.PendingSince.IsZero() {
			before.PendingSince = now
		}
		before.Pending = one.State
		keep[one.Subject] = before
		lasted := now.Sub(before.PendingSince)
		change := transition{condition: *one, Before: before.Told, Since: before.PendingSince}
		switch {
		case lasted >= one.After:
			ready = append(ready, change)
		case 2*lasted >= one.After:
			half = append(half, change)
		}
	}
	events := map[string]bool{}
	for i := range ready {
		events[ready[i].Event()] = true
	}
	for _, change := range half {
		if events[change.Event()] {
			ready = append(ready, change)
		}
	}
	for _, change := range ready {
		delete(keep, change.Subject)
		if change.State == "" {
			gone = append(gone, change.Subject)
		} else {
			keep[change.Subject] = persistence.NoticeState{Told: change.State, ToldAt: now}
		}
	}
	return append(changes, ready...), keep, append(gone, forgotten(now, told, looked)...)
}

// forgotten are subjects that are not there any more, such as an account that was removed:
// nobody is told that they are well. Occurrences are kept for a day.
func forgotten(now time.Time, told map[string]persistence.NoticeState, looked map[string]bool) (gone []string) {
	for _, subject := range slices.Sorted(maps.Keys(told)) {
		state := told[subject]
		old := state.ToldAt.IsZero() || now.Sub(state.ToldAt) >= onceIn
		if !looked[subject] && (old || kindOf(subject) != DeadLetters) {
			gone = append(gone, subject)
		}
	}
	return gone
}
