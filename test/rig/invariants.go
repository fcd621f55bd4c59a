package rig

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// final are the statuses that a mutation can end in.
var final = map[string]bool{
	"succeeded": true, "failed": true, "superseded": true, "invalid": true, "unconfirmed": true,
}

// CheckInvariants checks I1 to I5 of docs/design.md after everything published is
// final. It returns how many mutations ended in each status.
func (b *Bed) CheckInvariants() map[string]int {
	b.tb.Helper()
	arrivals, statuses := b.Published(), b.Statuses()
	counts := b.checkRows(arrivals, statuses)
	b.checkSuperseded(statuses)

	bySequence := make(map[uint64]Status, len(statuses))
	for _, s := range statuses {
		bySequence[s.Position.Sequence] = s
	}
	e, apart := b.newExpectation(), map[catalog.ItemKey]bool{}
	for _, arrival := range arrivals {
		m := arrival.Mutation
		switch s := bySequence[m.Position.Sequence]; {
		case s.Status == "invalid", s.Status == "superseded" && !s.InBatch: // never sent
		case refusedByRule(b.rulesOf(e, m.Lane), m.ItemID):
			// Its rule refuses it on the bed's platforms, whatever it says.
			assert.NotEqual(b.tb, "succeeded", s.Status, "I5: the platform refuses %s", m.ItemID)
			apart[m.Key()] = true
		default:
			apart[m.Key()] = apart[m.Key()] || s.Status == "unconfirmed"
			require.NoError(b.tb, e.apply(m))
			if s.Status == "failed" && !e.refused[m.Position.Sequence] {
				assert.Fail(b.tb, "a mutation failed that the platform takes", "%+v", s)
			}
		}
	}
	b.checkState(e, apart)
	b.checkCounters()
	b.CheckReasons()
	return counts
}

// CheckReasons looks that whatever is failed, unconfirmed or invalid says why in words, as
// a mutation and as an item.
func (b *Bed) CheckReasons() {
	b.tb.Helper()
	const silent = ` status IN ('failed', 'unconfirmed', 'invalid') AND NOT courier.has_words(errors)`
	assert.Zero(b.tb, b.Count(`SELECT count(*) FROM courier.mutation_status WHERE`+silent), "mutations without a reason")
	assert.Zero(b.tb, b.Count(`SELECT count(*) FROM courier.item_status WHERE`+silent+` OR status IN ('failed', 'unconfirmed', 'invalid') AND NOT courier.has_words(last_error)`),
		"items without a reason")
}

// checkRows is I1: one row for each message, each of them final.
func (b *Bed) checkRows(arrivals []catalog.Arrival, statuses []Status) map[string]int {
	b.tb.Helper()
	counts, rows := map[string]int{}, make(map[uint64]int, len(statuses))
	for _, s := range statuses {
		counts[s.Status]++
		rows[s.Position.Sequence]++
		if !final[s.Status] {
			assert.Fail(b.tb, "I1: a mutation is not final", "%+v", s)
		}
		if rows[s.Position.Sequence] > 1 {
			assert.Fail(b.tb, "I1: a message has two rows", "%+v", s)
		}
	}
	for _, arrival := range arrivals {
		if rows[arrival.Mutation.Position.Sequence] == 0 {
			assert.Fail(b.tb, "I1: a message has no row", "sequence %d, item %s", arrival.Mutation.Position.Sequence, arrival.Mutation.ItemID)
		}
	}
	require.Len(b.tb, statuses, len(arrivals), "I1: rows and messages")
	return counts
}

// checkSuperseded: a merged mutation names the newest constituent of its record,
// which has a status of its own.
func (b *Bed) checkSuperseded(statuses []Status) {
	b.tb.Helper()
	byID := make(map[string]Status, len(statuses))
	for _, s := range statuses {
		byID[s.MutationID] = s
	}
	for _, s := range statuses {
		if s.Status != "superseded" || !s.InBatch {
			continue
		}
		by, ok := byID[s.SupersededBy]
		if !ok || by.Status == "superseded" || by.ItemID != s.ItemID || by.Lane != s.Lane {
			assert.Fail(b.tb, "a superseded mutation names another that does not stand for it", "%+v by %+v", s, by)
		}
	}
}

// checkCounters is what the platforms saw of I3 and I4.
func (b *Bed) checkCounters() {
	b.tb.Helper()
	c := b.Config("", nil)
	for name, counters := range map[string]sandbox.Counters{
		PinterestAccount: b.Pinterest.Counters(), MetaAccount: b.Meta.Counters(),
	} {
		assert.Zero(b.tb, counters.Overlaps, "I3: %s had two batches with different content of one item", name)
		assert.Zero(b.tb, counters.DuplicateItems, "I4: %s had two records of one item in a batch", name)
		account, configured := c.Accounts[name]
		if configured {
			assert.LessOrEqual(b.tb, counters.MaxItems, account.Batch.MaxItems, "I4: records")
			assert.LessOrEqual(b.tb, counters.MaxBytes, account.Batch.MaxBytes, "I4: bytes")
		}
	}
}

func (b *Bed) rulesOf(e *expectation, lane catalog.Lane) []sandbox.ItemRule {
	if e.config.Accounts[lane.Account].Platform == "pinterest" {
		return b.options.Pinterest.Rules
	}
	return b.options.Meta.Rules
}

// refusedByRule reports a rule that rejects the item permanently.
func refusedByRule(rules []sandbox.ItemRule, itemID string) bool {
	for _, rule := range rules {
		if rule.Action == sandbox.RefuseItem && rule.Times == 0 && rule.Rate == 0 && strings.Contains(itemID, rule.Contains) {
			return true
		}
	}
	return false
}

// Describe is a line about the platforms' work.
func (b *Bed) Describe() string {
	p, m := b.Pinterest.Counters(), b.Meta.Counters()
	return fmt.Sprintf("Pinterest: %d POSTs, %d taken, %d late, faults %v; Meta: %d POSTs, %d taken, %d late, faults %v",
		p.Posts, p.Accepted, p.Late, p.Faults, m.Posts, m.Accepted, m.Late, m.Faults)
}
