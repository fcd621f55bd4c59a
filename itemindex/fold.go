package itemindex

import (
	"cmp"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// fold makes of outcomes what they change in the index: of each item its newest final
// change and its newest success, of each lane the counts of five minutes. counted says
// which outcomes the series count.
func fold(outcomes []ledger.Outcome, counted func(*ledger.Outcome) bool) persistence.ItemUpdate {
	f := folding{
		changes: make([]persistence.ItemChange, 0, len(outcomes)), successes: make([]persistence.ItemSuccess, len(outcomes)),
		items: make(map[catalog.Lane]map[itemName]int, 1), counts: map[laneTime]*persistence.LaneCount{},
	}
	for i := range outcomes {
		o := &outcomes[i]
		if counted(o) {
			f.count(o)
		}
		status, ok := statuses[o.Status]
		if !ok || o.ItemID == "" || len(o.ItemID) > message.MaxItemID {
			continue // superseded: another change says what became of the item; or no item can have the id
		}
		change := f.change(o, outcomes[i:])
		if o.Position.Compare(change.Position) > 0 {
			change.Position, change.MutationID, change.Operation, change.Status = o.Position, o.MutationID, o.Operation, status
			change.ChangedAt, change.ErrorCount, change.Error = o.FinishedAt, len(o.Errors), reasonOf(o, status)
		}
		if status == persistence.ItemSucceeded && (change.Succeeded == nil || o.Position.Compare(change.Succeeded.Position) > 0) {
			change.Succeeded = &f.successes[i]
			*change.Succeeded = persistence.ItemSuccess{Position: o.Position, MutationID: o.MutationID, Operation: o.Operation, At: o.FinishedAt}
		}
	}
	return f.update()
}

// folding is what the outcomes change so far. Outcomes come batch by batch, and all of a batch
// are of one lane: the lane and the point of the series are looked up where they are others
// than before.
//
// There is room for all changes and successes at first: so many small pieces of memory cost more than
// all else here.
type folding struct {
	changes   []persistence.ItemChange
	successes []persistence.ItemSuccess         // that of each outcome
	items     map[catalog.Lane]map[itemName]int // the number of the item's change
	counts    map[laneTime]*persistence.LaneCount

	lane     catalog.Lane
	ofLane   map[itemName]int
	received point
	finished point
}

// itemName is an item in its lane.
type itemName struct {
	id           string
	localization catalog.Localization
}

// laneTime is a point of the series.
type laneTime struct {
	lane catalog.Lane
	at   time.Time
}

// point is one of them with its counts; nil before the first one.
type point struct {
	laneTime

	counts *persistence.LaneCount
}

// change is that of the item of the first outcome; the others are those that follow.
func (f *folding) change(o *ledger.Outcome, following []ledger.Outcome) *persistence.ItemChange {
	if f.ofLane == nil || f.lane != o.Lane {
		f.lane, f.ofLane = o.Lane, f.items[o.Lane]
		if f.ofLane == nil {
			f.ofLane = make(map[itemName]int, run(following))
			f.items[o.Lane] = f.ofLane
		}
	}
	name := itemName{o.ItemID, o.Localization}
	number, known := f.ofLane[name]
	if !known {
		number = len(f.changes)
		f.changes = append(f.changes, persistence.ItemChange{
			Key: catalog.ItemKey{Lane: o.Lane, ItemID: o.ItemID, Localization: o.Localization}, Position: catalog.Position{Generation: -1},
		})
		f.ofLane[name] = number
	}
	return &f.changes[number]
}

// run is how many outcomes of one lane there are until another comes.
func run(outcomes []ledger.Outcome) int {
	for i := range outcomes {
		if outcomes[i].Lane != outcomes[0].Lane {
			return i
		}
	}
	return len(outcomes)
}

// update is all of it, in order.
func (f *folding) update() persistence.ItemUpdate {
	changes := make([]*persistence.ItemChange, len(f.changes))
	for i := range f.changes {
		changes[i] = &f.changes[i]
	}
	slices.SortFunc(changes, func(a, b *persistence.ItemChange) int { return compareKeys(&a.Key, &b.Key) })
	update := persistence.ItemUpdate{Items: make([]persistence.ItemChange, len(changes)), Counts: make([]persistence.LaneCount, 0, len(f.counts))}
	for i, change := range changes {
		update.Items[i] = *change
	}
	for _, c := range f.counts {
		update.Counts = append(update.Counts, *c)
	}
	slices.SortFunc(update.Counts, func(a, b persistence.LaneCount) int {
		return cmp.Or(a.Lane.Compare(b.Lane), a.At.Compare(b.At))
	})
	return update
}

var statuses = map[ledger.OutcomeStatus]persistence.ItemStatus{
	ledger.OutcomeSucceeded: persistence.ItemSucceeded, ledger.OutcomeFailed: persistence.ItemFailed,
	ledger.OutcomeUnconfirmed: persistence.ItemUnconfirmed, ledger.OutcomeInvalid: persistence.ItemInvalid,
}

// reasonOf is the first error, with a code always: where the platform gave none it is that
// of the dead letter, or the status.
func reasonOf(o *ledger.Outcome, status persistence.ItemStatus) ledger.Issue {
	if status == persistence.ItemSucceeded {
		return ledger.Issue{}
	}
	var first ledger.Issue
	if len(o.Errors) > 0 {
		first = o.Errors[0]
	}
	first.Code = cmp.Or(first.Code, string(o.Reason), string(o.Status))
	return first
}

func (f *folding) count(o *ledger.Outcome) {
	f.at(&f.received, o.Lane, o.ReceivedAt).Arrived++
	switch o.Status {
	case ledger.OutcomeSucceeded:
		f.at(&f.finished, o.Lane, o.FinishedAt).Succeeded++
	case ledger.OutcomeFailed, ledger.OutcomeUnconfirmed, ledger.OutcomeInvalid:
		f.at(&f.finished, o.Lane, o.FinishedAt).Failed++
	case ledger.OutcomeSuperseded:
	}
}

// at is the point of the series that has the time; last is the one before.
func (f *folding) at(last *point, lane catalog.Lane, t time.Time) *persistence.LaneCount {
	at := t.UTC().Truncate(persistence.SeriesStep)
	if last.counts != nil && last.at.Equal(at) && last.lane == lane {
		return last.counts
	}
	last.laneTime = laneTime{lane, at}
	if f.counts[last.laneTime] == nil {
		f.counts[last.laneTime] = &persistence.LaneCount{Lane: lane, At: at}
	}
	last.counts = f.counts[last.laneTime]
	return last.counts
}

func compareKeys(a, b *catalog.ItemKey) int {
	if by := cmp.Compare(a.ItemID, b.ItemID); by != 0 {
		return by
	}
	return cmp.Or(a.Lane.Compare(b.Lane),
		cmp.Compare(a.Localization.Type, b.Localization.Type), cmp.Compare(a.Localization.Value, b.Localization.Value))
}
