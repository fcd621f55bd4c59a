package main

import (
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// history is what a run is judged by.
type history struct {
	settings *config.Config
	// stream is what the stream holds in the end, and acks what it acknowledged.
	stream []catalog.Arrival
	acks   []published
	rows   []evidence.Status
	events []evidence.Told
	told   bool // the workers published events
	sites  []*site
	// rewound says that the stream was restored from an older copy: it may lack
	// messages that it acknowledged.
	rewound bool
	// restored is when Postgres was restored from an older copy, zero for never: what
	// was published before may have been applied twice.
	restored time.Time
	// calm is when nothing but the platforms that are not quiet was in trouble.
	calm span
}

// span is a stretch of time.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// calmLatency is how long a change of an account may take whose platform is well,
// while others are in trouble.
const calmLatency = 5 * time.Second

// keyOf names a message and its row, also after its sequence was given to another.
func keyOf(sequence uint64, line int, id string) oracle.Key {
	return oracle.Key{Sequence: sequence, Line: line, ID: id}
}

// judge has the oracle judge the run.
func judge(h *history) *oracle.Verdict {
	told := &oracle.History{
		Places: map[catalog.Lane]oracle.Place{}, Rewound: h.rewound, Restored: h.restored, Told: h.told,
		Calm: oracle.Calm{From: h.calm.from, Until: h.calm.to, Accounts: map[string]bool{}, Most: calmLatency},
	}
	bySite, rules := map[string]*oracle.Platform{}, map[string][]sandbox.ItemRule{}
	for _, s := range h.sites {
		fresh := evidence.Fresh(s.platform, sandbox.Options{})
		defer fresh.Close()
		bySite[s.name] = &oracle.Platform{
			Name: s.name, Holds: s.simulated, Fresh: fresh, Received: s.Counters(), MaxItems: maxItems, Pending: s.Pending(),
		}
		told.Platforms = append(told.Platforms, bySite[s.name])
		rules[s.name] = s.rules
	}
	siteOf := map[string]string{}
	for _, a := range accounts() {
		siteOf[a.name] = a.site
		told.Calm.Accounts[a.name] = a.site == quietPinterestSite || a.site == quietMetaSite
	}
	for _, lane := range lanes() {
		told.Places[lane] = oracle.Place{Platform: bySite[siteOf[lane.Account]], Catalog: evidence.CatalogKey(h.settings, lane)}
	}
	blamed := map[oracle.Key]bool{}
	for _, r := range h.rows {
		key := keyOf(r.Position.Sequence, r.Position.Line, r.MutationID)
		told.Rows = append(told.Rows, r.Row(key))
		blamed[key] = blamed[key] || blamedFalsely(r)
	}
	for _, e := range h.events {
		told.Events = append(told.Events, e.Event(keyOf(e.Sequence, e.Line, e.MutationID)))
	}
	held, lost := h.messages()
	for key, m := range held {
		told.Messages = append(told.Messages, oracle.Message{
			Key: key, Mutation: m, Lost: lost[key], Doubtful: blamed[key], Refused: evidence.RefusedByRule(rules[siteOf[m.Lane.Account]], m.ItemID),
		})
	}
	return oracle.Check(told)
}

// messages are all that were acknowledged, decoded, and which of them the stream lacks.
func (h *history) messages() (all map[oracle.Key]*catalog.Mutation, lost map[oracle.Key]bool) {
	all, lost = make(map[oracle.Key]*catalog.Mutation, len(h.stream)), map[oracle.Key]bool{}
	for _, arrival := range h.stream {
		all[keyOf(arrival.Mutation.Position.Sequence, arrival.Mutation.Position.Line, arrival.Mutation.ID)] = arrival.Mutation
	}
	for _, ack := range h.acks {
		key := keyOf(ack.result.Sequence, ack.result.Line, ack.ID)
		if _, found := all[key]; !found {
			all[key], lost[key] = evidence.Decode(ack.Publication, ack.result, ack.at), true
		}
	}
	return all, lost
}

// blamedFalsely reports that a change failed because a simulated platform named it in
// an answer without handles (sandbox.EmptyHandles): another copy may have been taken.
func blamedFalsely(r evidence.Status) bool {
	return r.Status == "failed" && slices.ContainsFunc(r.Errors, func(issue ledger.Issue) bool {
		return strings.Contains(issue.Message, "This item cannot be read")
	})
}
