package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// findings are broken promises, each with the invariant that it breaks.
type findings []string

func (f *findings) addf(invariant, format string, values ...any) {
	const enough = 20
	if len(*f) < enough {
		*f = append(*f, invariant+": "+fmt.Sprintf(format, values...))
	}
}

func final(status ledgermodel.Status) bool {
	switch status {
	case ledgermodel.Succeeded, ledgermodel.Failed, ledgermodel.Invalid, ledgermodel.Unconfirmed, ledgermodel.Superseded:
		return true
	default:
		return false
	}
}

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

// check compares the end of a history with what must always hold.
func (w *world) check() findings {
	var found findings
	if err := w.ledger.Check(); err != nil {
		found.addf("I1", "the ledger was used against its rules: %v", err)
	}
	rows := w.checkRows(&found)
	w.checkPlatforms(&found)
	w.checkSuccess(&found, rows)
	w.checkVersions(&found, rows)
	w.checkRefusals(&found, rows)
	w.checkState(&found, rows)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.pushy {
		found.addf("I6", "%s", call)
	}
	return found
}

// checkRows: each mutation has one row, dead ones one letter, and a merged one names
// the one that stands for it.
func (w *world) checkRows(found *findings) map[string]ledgermodel.Mutation {
	rows := map[string]ledgermodel.Mutation{}
	for _, row := range w.ledger.Mutations() {
		if isForeign(row.ID) {
			found.addf("I1", "%s of another stream was recorded", row.ID)
		}
		if _, twice := rows[row.ID]; twice {
			found.addf("I1", "%s has two rows", row.ID)
		}
		rows[row.ID] = row
	}
	letters := map[string]int{}
	for _, letter := range w.ledger.DeadLetters() {
		letters[letter.Mutation.ID]++
	}
	for _, c := range w.published {
		id := c.mutation.ID
		row, recorded := rows[id]
		if !recorded {
			if !c.vanished {
				found.addf("I1", "%s has no row", id)
			}
			continue
		}
		dead := row.Status == ledgermodel.Failed || row.Status == ledgermodel.Invalid || row.Status == ledgermodel.Unconfirmed
		if want := map[bool]int{true: 1}[dead]; letters[id] != want {
			found.addf("I1", "%s is %s and has %d dead letters", id, row.Status, letters[id])
		}
		if row.Status == ledgermodel.Superseded {
			by, there := rows[row.SupersededBy]
			if !there || by.Status == ledgermodel.Superseded && !row.Overtaken || by.Key != row.Key {
				found.addf("I1", "%s is superseded by %q, which does not stand for it", id, row.SupersededBy)
			}
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
	return rows
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

// checkPlatforms: I3 and I4, as the platforms see them.
func (w *world) checkPlatforms(found *findings) {
	most, bytes := 0, 0
	for _, account := range w.config.Accounts {
		most, bytes = max(most, account.Batch.MaxItems), max(bytes, account.Batch.MaxBytes)
	}
	for name, site := range w.sites() {
		counters := site.Counters()
		if counters.Overlaps > 0 {
			found.addf("I3", "%s had %d records of items with other content under way", name, counters.Overlaps)
		}
		if counters.DuplicateItems > 0 {
			found.addf("I4", "%s had %d records of items that stood in the same body", name, counters.DuplicateItems)
		}
		if counters.MaxItems > most || counters.MaxBytes > bytes {
			found.addf("I4", "%s had a body of %d records or %d bytes", name, counters.MaxItems, counters.MaxBytes)
		}
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

// truth is what the platforms come to that get the mutations one at a time, in
// order.
type truth struct {
	w         *world
	pinterest *pinterestsim.Platform
	meta      *metasim.Platform
}

func (w *world) newTruth() *truth {
	honest := sandbox.Options{Existing: w.plan.platform.Existing, AllowIncomplete: true}
	return &truth{w: w, pinterest: pinterestsim.New(honest), meta: metasim.New(honest)}
}

func (t *truth) close() {
	t.pinterest.Close()
	t.meta.Close()
}

// isMeta reports whose account it is.
func (w *world) isMeta(account string) bool {
	return w.config.Accounts[account].Platform == "meta"
}

func (t *truth) apply(m *catalog.Mutation) error {
	return t.siteOf(m.Lane.Account).Apply(t.w.catalogKey(m.Lane.Account), m.Lane.Type, m)
}

// items are what both have of an account.
func (t *truth) items(account string) (want, have map[string]string) {
	key, itemType := t.w.catalogKey(account), t.w.typeOf(account)
	return t.siteOf(account).Items(key, itemType), t.w.siteOf(account).Items(key, itemType)
}

func (t *truth) siteOf(account string) site {
	if t.w.isMeta(account) {
		return t.meta
	}
	return t.pinterest
}

// checkState: I2. Mutations that ended failed or unconfirmed are left out, and items
// of which one is unconfirmed: nobody knows.
func (w *world) checkState(found *findings, rows map[string]ledgermodel.Mutation) {
	t := w.newTruth()
	defer t.close()
	unsure := doubts{}
	for _, c := range w.inOrder(rows) {
		row := rows[c.mutation.ID]
		carrier := row
		if row.Status == ledgermodel.Superseded {
			carrier = rows[row.SupersededBy]
		}
		m := c.asRead()
		switch {
		case row.Overtaken: // see checkVersions
		case carrier.Status == ledgermodel.Unconfirmed:
			unsure.add(c)
		case row.Status == ledgermodel.Failed && !c.bad && (w.plan.lied() || w.plan.restoresLedger):
			unsure.add(c) // perhaps it was applied all the same
		case row.Status == ledgermodel.Failed, row.Status == ledgermodel.Invalid, c.bad && row.Status == ledgermodel.Superseded:
		case c.bad:
			found.addf("I5", "%s is %s, and no platform takes it", c.mutation.ID, row.Status)
		default:
			err := t.apply(m)
			switch {
			case err == nil:
			case !errors.Is(err, sandbox.ErrNotApplied):
				found.addf("I2", "%s cannot be applied: %v", c.mutation.ID, err)
			case w.plan.restoresLedger:
				// It was refused then, and worked when it was applied again after newer ones.
				unsure.add(c)
			}
		}
	}
	for _, account := range slices.Sorted(maps.Keys(w.config.Accounts)) {
		want, have := t.items(account)
		all := maps.Clone(want)
		maps.Copy(all, have)
		for _, item := range slices.Sorted(maps.Keys(all)) {
			if want[item] != have[item] && !unsure.of(account, item) {
				found.addf("I2", "%s/%s is %q and should be %q\n%s", account, item, have[item], want[item], w.story(account, item, rows))
			}
		}
	}
}

// doubts are the items of which nobody knows, and so their localizations.
type doubts map[string]bool

func (d doubts) add(c *change) { d[c.mutation.Account+"/"+c.item()] = true }

func (d doubts) of(account, item string) bool {
	base, _, _ := strings.Cut(item, " ")
	return d[account+"/"+item] || d[account+"/"+base]
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

// story tells of an item's mutations.
func (w *world) story(account, item string, rows map[string]ledgermodel.Mutation) string {
	var text strings.Builder
	for _, c := range w.published {
		if c.mutation.Account == account && strings.HasPrefix(item+" ", c.mutation.ItemID+" ") {
			row := rows[c.mutation.ID]
			fmt.Fprintf(&text, "  %s of %s at %v: %v %s %s is %s %s\n", c.mutation.ID, c.item(), row.Position, c.mutation.Operation, c.mutation.Attributes, c.version(), row.Status, row.SupersededBy)
		}
	}
	return text.String()
}
