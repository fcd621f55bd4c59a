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
	items := make(map[catalog.ItemKey]*persistence.ItemChange, len(outcomes))
	counts := map[laneTime]*persistence.LaneCount{}
	for i := range outcomes {
		o := &outcomes[i]
		if counted(o) {
			count(counts, o)
		}
		status, ok := statuses[o.Status]
		if !ok || o.ItemID == "" || len(o.ItemID) > message.MaxItemID {
			continue // superseded: another change says what became of the item; or no item can have the id
		}
		key := catalog.ItemKey{Lane: o.Lane, ItemID: o.ItemID, Localization: o.Localization}
		change := items[key]
		if change == nil {
			change = &persistence.ItemChange{Key: key, Position: catalog.Position{Generation: -1}}
			items[key] = change
		}
		if o.Position.Compare(change.Position) > 0 {
			change.Position, change.MutationID, change.Operation, change.Status = o.Position, o.MutationID, o.Operation, status
			change.ChangedAt, change.ErrorCount, change.Error = o.FinishedAt, len(o.Errors), reasonOf(o, status)
		}
		if status == persistence.ItemSucceeded && (change.Succeeded == nil || o.Position.Compare(change.Succeeded.Position) > 0) {
			change.Succeeded = &persistence.ItemSuccess{Position: o.Position, MutationID: o.MutationID, Operation: o.Operation, At: o.FinishedAt}
		}
	}
	update := persistence.ItemUpdate{Items: make([]persistence.ItemChange, 0, len(items)), Counts: make([]persistence.LaneCount, 0, len(counts))}
	for _, change := range items {
		update.Items = append(update.Items, *change)
	}
	slices.SortFunc(update.Items, func(a, b persistence.ItemChange) int { return compareKeys(&a.Key, &b.Key) })
	for _, c := range counts {
		update.Counts = append(update.Counts, *c)
	}
	slices.SortFunc(update.Counts, func(a, b persistence.LaneCount) int {
		return cmp.Or(compareLanes(a.Lane, b.Lane), a.At.Compare(b.At))
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

// laneTime is a point of the series.
type laneTime struct {
	lane catalog.Lane
	at   time.Time
}

func count(counts map[laneTime]*persistence.LaneCount, o *ledger.Outcome) {
	at := func(t time.Time) *persistence.LaneCount {
		key := laneTime{o.Lane, t.UTC().Truncate(persistence.SeriesStep)}
		if counts[key] == nil {
			counts[key] = &persistence.LaneCount{Lane: key.lane, At: key.at}
		}
		return counts[key]
	}
	at(o.ReceivedAt).Arrived++
	switch o.Status {
	case ledger.OutcomeSucceeded:
		at(o.FinishedAt).Succeeded++
	case ledger.OutcomeFailed, ledger.OutcomeUnconfirmed, ledger.OutcomeInvalid:
		at(o.FinishedAt).Failed++
	case ledger.OutcomeSuperseded:
	}
}

func compareKeys(a, b *catalog.ItemKey) int {
	return cmp.Or(cmp.Compare(a.ItemID, b.ItemID), compareLanes(a.Lane, b.Lane),
		cmp.Compare(a.Localization.Type, b.Localization.Type), cmp.Compare(a.Localization.Value, b.Localization.Value))
}

func compareLanes(a, b catalog.Lane) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Catalog, b.Catalog), cmp.Compare(a.Type, b.Type))
}
