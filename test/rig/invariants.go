package rig

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// CheckInvariants has the oracle judge what happened after everything published is
// final. It returns how many mutations ended in each status.
func (e *Env) CheckInvariants() map[string]int {
	e.tb.Helper()
	verdict := oracle.Check(e.history())
	const show = 10
	total := len(verdict.Violations)
	assert.Zero(e.tb, total, "violations, such as: %v", verdict.Violations[:min(total, show)])
	e.CheckReasons()
	return verdict.Statuses
}

// CheckReasons looks that whatever is failed, unconfirmed or invalid says why in words, as
// a mutation and as an item.
func (e *Env) CheckReasons() {
	e.tb.Helper()
	const silent = ` status IN ('failed', 'unconfirmed', 'invalid') AND NOT courier.has_words(errors)`
	assert.Zero(e.tb, e.Count(`SELECT count(*) FROM courier.mutation_status WHERE`+silent), "mutations without a reason")
	assert.Zero(e.tb, e.Count(`SELECT count(*) FROM courier.item_status WHERE`+silent+` OR status IN ('failed', 'unconfirmed', 'invalid') AND NOT courier.has_words(last_error)`),
		"items without a reason")
}

// history is everything from the first message on.
func (e *Env) history() *oracle.History {
	e.tb.Helper()
	h, settings := &oracle.History{Restored: e.restored}, e.Config("", nil)
	arrivals := e.Published()
	lanes := make([]catalog.Lane, 0, len(arrivals))
	rules := map[string][]sandbox.ItemRule{"pinterest": e.options.Pinterest.Rules, "meta": e.options.Meta.Rules}
	for _, arrival := range arrivals {
		m := arrival.Mutation
		lanes = append(lanes, m.Lane)
		h.Messages = append(h.Messages, oracle.Message{
			Key: oracle.Key{Sequence: m.Position.Sequence, Line: m.Position.Line}, Mutation: m,
			Refused: evidence.RefusedByRule(rules[settings.Accounts[m.Lane.Account].Platform], m.ItemID),
		})
	}
	for _, s := range e.Statuses() {
		h.Rows = append(h.Rows, s.Row(oracle.Key{Sequence: s.Position.Sequence, Line: s.Position.Line}))
	}
	if h.Told = settings.Outcomes.Enabled; h.Told {
		for _, told := range e.AwaitEvents(len(h.Rows)) {
			h.Events = append(h.Events, told.Event(oracle.Key{Sequence: told.Sequence, Line: told.Line}))
		}
	}
	e.tb.Cleanup(addPlatforms(h, settings, e.simulated(), lanes))
	return h
}

// eventPatience is how long after the last row its event may come.
const eventPatience = 20 * time.Second

// AwaitEvents waits until the stream of outcome events tells of so many mutations, and
// returns all that it has by then.
func (e *Env) AwaitEvents(mutations int) (told []evidence.Told) {
	e.tb.Helper()
	e.Await(fmt.Sprintf("events of %d mutations", mutations), eventPatience, func() bool {
		var err error
		told, err = evidence.Events(e.tb.Context(), e.js)
		if err != nil {
			return false
		}
		of := map[oracle.Key]bool{}
		for _, event := range told {
			of[oracle.Key{Sequence: event.Sequence, Line: event.Line}] = true
		}
		return len(of) >= mutations
	})
	return told
}

func (e *Env) simulated() map[string]simulated {
	honest := func(o sandbox.Options) sandbox.Options {
		return sandbox.Options{Existing: o.Existing, SkipValidation: o.SkipValidation, AllowIncomplete: o.AllowIncomplete}
	}
	return map[string]simulated{
		"pinterest": {e.Pinterest, honest(e.options.Pinterest)}, "meta": {e.Meta, honest(e.options.Meta)},
	}
}

// Items are the items of a lane on the simulated platform.
func (e *Env) Items(lane catalog.Lane) map[string]string {
	e.tb.Helper()
	settings := e.Config("", nil)
	return e.simulated()[settings.Accounts[lane.Account].Platform].Items(evidence.CatalogKey(settings, lane), lane.Type)
}

// Describe is a line about the platforms' work.
func (e *Env) Describe() string {
	p, m := e.Pinterest.Counters(), e.Meta.Counters()
	return fmt.Sprintf("Pinterest: %d POSTs, %d taken, %d late, faults %v; Meta: %d POSTs, %d taken, %d late, faults %v",
		p.Posts, p.Accepted, p.Late, p.Faults, m.Posts, m.Accepted, m.Late, m.Faults)
}
