package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// findings are broken promises, each with the invariant that it breaks.
type findings []string

func (f *findings) addf(invariant, format string, values ...any) {
	const enough = 20
	if len(*f) < enough {
		*f = append(*f, invariant+": "+fmt.Sprintf(format, values...))
	}
}

func final(status ledgermodel.Status) bool { return oracle.Final(string(status)) }

// done reports that nothing is left to do: every message of the stream is final,
// no batch is open, and all positions have come to the stream's end.
func (w *world) done() bool {
	rows := w.ledger.Mutations()
	recorded := make(map[string]bool, len(rows))
	for _, row := range rows {
		if !final(row.Status) {
			return false
		}
		recorded[row.ID] = true
	}
	for _, c := range w.published {
		if !recorded[c.mutation.ID] && !c.vanished {
			return false
		}
	}
	return w.ledger.Open() == 0 && w.ledger.WaitingRows() == 0
}

// followed reports that the positions of all partitions stand at the stream's end.
func (w *world) followed() bool {
	state, err := w.stream.State(w.tb.Context())
	if err != nil {
		return false
	}
	for partition := range w.plan.partitions {
		if w.ledger.Anchor(partition).Position.Sequence != state.Last {
			return false
		}
	}
	return true
}

// check compares the end of a history with what must always hold: by the oracle, and by
// what only a simulation knows.
func (w *world) check() findings {
	var found findings
	if err := w.ledger.Check(); err != nil {
		found.addf("I1", "the ledger was used against its rules: %v", err)
	}
	rows := map[string]ledgermodel.Mutation{}
	for _, row := range w.ledger.Mutations() {
		rows[row.ID] = row
	}
	w.checkEnds(&found, rows)
	w.checkSuccess(&found, rows)
	w.checkVersions(&found, rows)
	w.checkRefusals(&found, rows)
	w.checkOutbox(&found)
	for _, violation := range w.judge().Violations {
		story := ""
		if violation.Item != "" {
			story = "\n" + w.story(violation.Catalog, violation.Item, rows)
		}
		found.addf(violation.Invariant, "%s%s", violation.Text, story)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.pushy {
		found.addf("I6", "%s", call)
	}
	return found
}

// checkOutbox is E1 at its root: the outbox, of which nobody has read anything, unfolds to
// one outcome of each final mutation, with its status.
func (w *world) checkOutbox(found *findings) {
	type place struct {
		id       string
		position catalog.Position
	}
	told := map[place][]ledger.OutcomeStatus{}
	for _, o := range w.ledger.Outbox() {
		at := place{o.MutationID, o.Position}
		told[at] = append(told[at], o.Status)
	}
	for _, row := range w.ledger.Mutations() {
		at := place{row.ID, row.Position}
		if final(row.Status) && !slices.Equal(told[at], []ledger.OutcomeStatus{ledger.OutcomeStatus(row.Status)}) {
			found.addf(oracle.OutcomesAreTold, "mutation %s is %s, and the outbox has of it %v", row.ID, row.Status, told[at])
		}
		delete(told, at)
	}
	for at, statuses := range told {
		found.addf(oracle.OutcomesAreTold, "the outbox has %v of %v, which has no row", statuses, at)
	}
}

// judge has the oracle judge the history.
func (w *world) judge() *oracle.Verdict {
	h := &oracle.History{Places: map[catalog.Lane]oracle.Place{}, Rewound: w.plan.restoresStream > 0}
	if w.plan.restoresLedger {
		h.Restored = time.Now().Add(time.Hour) // all of it may have been applied twice
	}
	w.addPlatforms(h)
	defer func() {
		for _, p := range h.Platforms {
			p.Fresh.(site).Close()
		}
	}()
	rows := map[string][]ledgermodel.Mutation{}
	for _, row := range w.ledger.Mutations() {
		rows[row.ID] = append(rows[row.ID], row)
	}
	// A stream that was restored has two histories, and the order is that of the generations.
	for _, c := range w.published {
		m := oracle.Message{Key: oracle.Key{ID: c.mutation.ID}, Mutation: c.asRead(), Lost: c.vanished, Refused: c.bad}
		for _, row := range rows[c.mutation.ID] {
			// Perhaps it was applied all the same.
			m.Doubtful = m.Doubtful || row.Status == ledgermodel.Failed && !c.bad && (w.plan.lied() || w.plan.restoresLedger)
			h.Rows = append(h.Rows, asSeen(row))
		}
		delete(rows, c.mutation.ID)
		h.Messages = append(h.Messages, m)
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) { // such as those of another stream
		h.Rows = append(h.Rows, asSeen(rows[id][0]))
	}
	return oracle.Check(h)
}

func asSeen(row ledgermodel.Mutation) oracle.Row {
	dead := row.Status == ledgermodel.Failed || row.Status == ledgermodel.Invalid || row.Status == ledgermodel.Unconfirmed
	return oracle.Row{
		Key: oracle.Key{ID: row.ID}, ID: row.ID, Item: row.Key, Status: string(row.Status), SupersededBy: row.SupersededBy, InBatch: !row.Overtaken,
		Silent: dead && !slices.ContainsFunc(row.Errors, func(issue ledger.Issue) bool { return strings.TrimSpace(issue.Message) != "" }),
	}
}

// addPlatforms adds each platform with a fresh one, and where the lanes are.
func (w *world) addPlatforms(h *oracle.History) {
	most, bytes := 0, 0
	for _, account := range w.config.Accounts {
		most, bytes = max(most, account.Batch.MaxItems), max(bytes, account.Batch.MaxBytes)
	}
	bySite := map[site]*oracle.Platform{}
	for _, name := range slices.Sorted(maps.Keys(w.sites())) {
		simulated := w.sites()[name]
		platform := &oracle.Platform{Name: name, Holds: simulated, Received: simulated.Counters(), MaxItems: most, MaxBytes: bytes}
		honest := sandbox.Options{Existing: w.plan.platform.Existing, AllowIncomplete: true}
		if _, isMeta := simulated.(*metasim.Platform); isMeta {
			platform.Fresh = metasim.New(honest)
		} else {
			platform.Fresh = pinterestsim.New(honest)
		}
		h.Platforms, bySite[simulated] = append(h.Platforms, platform), platform
	}
	for account, settings := range w.config.Accounts {
		for name := range settings.Catalogs {
			h.Places[catalog.Lane{Account: account, Catalog: name, Type: w.typeOf(account)}] = oracle.Place{
				Platform: bySite[w.siteOf(account)], Catalog: w.catalogKey(account),
			}
		}
	}
}

// checkEnds: what is bad ends so, nothing else does, and a dead mutation has one letter.
func (w *world) checkEnds(found *findings, rows map[string]ledgermodel.Mutation) {
	letters := map[string]int{}
	for _, letter := range w.ledger.DeadLetters() {
		letters[letter.Mutation.ID]++
	}
	for _, c := range w.published {
		id := c.mutation.ID
		row, recorded := rows[id]
		if !recorded {
			continue
		}
		dead := row.Status == ledgermodel.Failed || row.Status == ledgermodel.Invalid || row.Status == ledgermodel.Unconfirmed
		if want := map[bool]int{true: 1}[dead]; letters[id] != want {
			found.addf("I1", "%s is %s and has %d dead letters", id, row.Status, letters[id])
		}
		if c.invalid != (row.Status == ledgermodel.Invalid) {
			found.addf("I1", "%s is %s: %s", id, row.Status, row.Reason)
		}
		if row.Status == ledgermodel.Unconfirmed && w.wasTold(c) {
			found.addf("I1", "%s is unconfirmed, and the platform said what is wrong with each batch: %v", id, row.Errors)
		}
		if row.Status == ledgermodel.Failed && !c.bad && !w.mayFail(c) {
			found.addf("I1", "%s failed, and there is nothing wrong with it: %v", id, row.Errors)
		}
	}
}

// wasTold reports that Meta said of each batch with the change what is wrong with it, and
// of nothing that is not. Only a CREATE and a DELETE that are sent again can leave a doubt.
func (w *world) wasTold(c *change) bool {
	op := c.mutation.Operation
	return w.plan.drops && w.isMeta(c.mutation.Account) && (op == catalog.Upsert || op == catalog.Update)
}

// mayFail reports that the platform has a reason to refuse a good mutation: the item
// is not there, or is there already, or it lies.
func (w *world) mayFail(c *change) bool {
	switch c.mutation.Operation {
	case catalog.Update, catalog.Create, catalog.DeleteDiscontinued:
		return true
	default:
		return c.mutation.Catalog == "l" || w.plan.lied()
	}
}

// checkSuccess: what is said to have succeeded, the platform has said so.
func (w *world) checkSuccess(found *findings, rows map[string]ledgermodel.Mutation) {
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		row := rows[id]
		if row.Status != ledgermodel.Succeeded {
			continue
		}
		if !slices.ContainsFunc(w.handles[row.BatchID], func(handle string) bool { return w.confirmed(handle, row.Key.ItemID) }) {
			found.addf("I5", "%s is said to have succeeded, which the platform never said of %s", id, row.Key.ItemID)
		}
	}
}

// isMeta reports whose account it is.
func (w *world) isMeta(account string) bool {
	return w.config.Accounts[account].Platform == "meta"
}

// inOrder lists the recorded mutations as they were published. A stream that was put
// back has two histories, and the order is that of the generations.
func (w *world) inOrder(rows map[string]ledgermodel.Mutation) []*change {
	var recorded []*change
	for _, c := range w.published {
		if _, ok := rows[c.mutation.ID]; ok {
			recorded = append(recorded, c)
		}
	}
	return recorded
}

// story tells of the mutations of an item, which its platform names so.
func (w *world) story(key, item string, rows map[string]ledgermodel.Mutation) string {
	var text strings.Builder
	for _, c := range w.published {
		if w.catalogKey(c.mutation.Account) == key && strings.HasPrefix(item+" ", c.mutation.ItemID+" ") {
			row := rows[c.mutation.ID]
			fmt.Fprintf(&text, "  %s of %s at %v: %v %s %s is %s %s\n", c.mutation.ID, c.item(), row.Position, c.mutation.Operation, c.mutation.Attributes, c.version(), row.Status, row.SupersededBy)
		}
	}
	return text.String()
}
