package oracle

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// checkRows is I1: each message has one row, which is final and says why it failed.
func (v *Verdict) checkRows(h *History) {
	messages := make(map[Key]bool, len(h.Messages))
	for _, m := range h.Messages {
		messages[m.Key] = true
	}
	seen := make(map[Key]bool, len(h.Rows))
	for _, r := range h.Rows {
		v.Statuses[r.Status]++
		switch {
		case !messages[r.Key]:
			v.addf(EveryMessageEnds, "a row of no message: %+v", r)
		case seen[r.Key]:
			v.addf(EveryMessageEnds, "a message has two rows: %+v", r)
		}
		seen[r.Key] = true
		if !Final(r.Status) {
			v.addf(EveryMessageEnds, "a mutation is not final: %+v", r)
		}
		if r.Silent {
			v.addf(EveryMessageEnds, "a mutation has no reason: %+v", r)
		}
	}
	for _, m := range h.Messages {
		switch {
		case m.Lost && !h.Rewound:
			v.addf(EveryMessageEnds, "the stream lost a message that it had acknowledged: %+v", m.Key)
		case seen[m.Key]:
		case m.Lost:
			v.Unrecorded++
		default:
			v.addf(EveryMessageEnds, "a message has no row: %+v of %s", m.Key, m.Mutation.ItemID)
		}
	}
}

// rowName is what a row is called by another that it supersedes.
type rowName struct {
	lane catalog.Lane
	id   string
}

func byName(rows []Row) map[rowName][]Row {
	named := make(map[rowName][]Row, len(rows))
	for _, r := range rows {
		name := rowName{r.Item.Lane, r.ID}
		named[name] = append(named[name], r)
	}
	return named
}

// supersedes finds the row by which another is superseded. Two messages may have the same id: then
// it is the one that became final at the same time, or else one that is not superseded itself.
func supersedes(named map[rowName][]Row, r Row) (by Row, ok bool) {
	found := named[rowName{r.Item.Lane, r.SupersededBy}]
	for _, fits := range []func(Row) bool{
		func(by Row) bool { return by.FinishedAt.Equal(r.FinishedAt) && by.Status != "superseded" },
		func(by Row) bool { return by.Status != "superseded" },
		func(Row) bool { return true },
	} {
		for _, by := range found {
			if by.Item == r.Item && fits(by) {
				return by, true
			}
		}
	}
	return Row{}, false
}

// checkSuperseded is the other half of I1: a superseded mutation names another of its
// item. Of one that was merged, that is the newest of its record, with a status of its own.
func (v *Verdict) checkSuperseded(rows []Row) {
	named := byName(rows)
	for _, r := range rows {
		if r.Status != "superseded" {
			continue
		}
		by, ok := supersedes(named, r)
		if !ok || r.InBatch && by.Status == "superseded" {
			v.addf(EveryMessageEnds, "superseded by a mutation that is not the newest of its record: %+v by %+v", r, by)
		}
	}
}

// checkIsolation is I6, in the time in which only other accounts were in trouble.
func (v *Verdict) checkIsolation(h *History) {
	for _, r := range h.Rows {
		if h.Calm.Accounts[r.Item.Lane.Account] && h.Calm.holds(r.PublishedAt) && Final(r.Status) && r.Latency() > h.Calm.Most {
			v.addf(AccountsAreIsolated, "took %s while only other accounts were in trouble: %+v", r.Latency().Round(time.Millisecond), r)
		}
	}
}
