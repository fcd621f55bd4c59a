package simulation

import (
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// ailment is the trouble of one account of a history, beside which the others must
// get on as ever (I6).
type ailment struct {
	name   string
	faults []sandbox.FaultKind // of its platform, one of them at each call
	byHand bool                // an operator has paused it
	floods bool                // it has much to say at once
	// refusesPosts and refusesPolls: see refusals.
	refusesPosts, refusesPolls bool
}

// ailments leave out what a platform does to all accounts of an app by itself, such
// as a quota of theirs that is used up.
var ailments = []ailment{
	{name: "gets no answers", faults: []sandbox.FaultKind{sandbox.Hang}},
	{name: "gets 5xx", faults: []sandbox.FaultKind{sandbox.ServerError, sandbox.ServerErrorAfter}},
	{name: "gets broken connections", faults: []sandbox.FaultKind{sandbox.Reset, sandbox.ResetAfter}},
	{name: "gets answers without sense", faults: []sandbox.FaultKind{sandbox.HTML, sandbox.Truncated, sandbox.HTMLError}},
	{name: "is refused", faults: []sandbox.FaultKind{sandbox.TokenRevoked}},
	{name: "is blocked", faults: []sandbox.FaultKind{sandbox.SpamBlocked}},
	{name: "has used up its own quota", faults: []sandbox.FaultKind{sandbox.RateLimited}},
	{name: "is paused", byHand: true},
	{name: "floods", floods: true},
	{name: "is refused with a code that no table lists", refusesPosts: true},
	{name: "is told nothing of its handles", refusesPolls: true},
}

// plan lets each of the faults have its part of all calls.
func (a *ailment) plan() (planned []sandbox.PlannedFault) {
	for i, kind := range a.faults {
		share := 1 / float64(len(a.faults)-i) // of those that the faults before left
		for _, call := range []sandbox.CallKind{sandbox.Submit, sandbox.Poll} {
			planned = append(planned, sandbox.PlannedFault{Call: call, Fault: sandbox.Fault{Kind: kind}, Rate: share})
		}
	}
	return planned
}

// makeIll gives the first account an ailment; the others' platforms are well.
func (w *world) makeIll(p *plan) {
	r := w.random
	p.accounts, p.oneApp = 2+r.IntN(3), r.IntN(2) == 0
	p.ailment = ailments[r.IntN(len(ailments))]
	p.pinterestFaults, p.metaFaults = nil, nil
}

// isIll reports that the account is the one in trouble.
func (w *world) isIll(account string) bool {
	ill, _ := w.account(0)
	return w.plan.ailment.name != "" && account == ill
}

// fallIll begins the ailment, if there is one.
func (w *world) fallIll() {
	w.ill.SetPlan(w.plan.ailment.plan())
	if name, _ := w.account(0); w.plan.ailment.byHand {
		_, err := w.ledger.SaveAccount(w.tb.Context(), ledger.AccountState{Account: name, State: "paused", Reason: "by Ann", ByHand: true})
		if err != nil {
			w.tb.Fatalf("seed %d: pausing %s: %v", w.seed, name, err)
		}
	}
}

// heal ends it.
func (w *world) heal() {
	if w.plan.ailment.name == "" {
		return
	}
	w.ill.SetPlan(nil)
	w.healed.Store(true)
	name, _ := w.account(0)
	w.log.add("world", "heals", name)
	if w.plan.ailment.byHand {
		w.ledger.ResumeAccount(name)
	}
}

// flood publishes much at once for the account that floods.
func (w *world) flood() {
	account, _ := w.account(0)
	for range 100 + w.random.IntN(300) {
		c := w.draftOf(account, fmt.Sprint("f", w.random.IntN(200)))
		w.publish(c)
	}
	w.flush()
}

// disturb notes that something was done to a worker, a connection or a lease: what
// is under way may have to be made good for first.
func (w *world) disturb() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbed = time.Now()
}

const (
	// recovery bounds how long the last disturbance may hold changes back: a lease is
	// seen to be dead and taken by a worker that is next in line for it, an earlier
	// POST settles, and what failed rests before it is tried again.
	recovery = 3*leaseTTL + settle + longestRetry
	// slowCalls bounds what the calls of one round take besides: of each hundred one
	// takes up to three seconds, on either side.
	slowCalls = 10 * time.Second
	// roundsEach is how many batches each change of an item may need in a row: a record
	// that is refused is sent again as its parts.
	roundsEach = 2
)

// round bounds one batch of an account from its mutations to their ends: it waits
// for company, is applied, and is asked about.
func (w *world) round(account string) time.Duration {
	policy := w.config.Accounts[account]
	return policy.Batch.MaxAge + w.plan.platform.Delay + w.plan.platform.Jitter + policy.Poll.Max + slowCalls
}

// inDoubt bounds what a change takes besides whose refusal may be the work of its own
// earlier copy, as when it deletes what is gone: it is sent until its attempts are used
// up, and each of them rests and takes a round in which hardly any call is slow.
func (w *world) inDoubt(account string) time.Duration {
	attempts := w.config.Accounts[account].Retry.MaxAttempts
	return time.Duration(attempts)*(longestRetry+w.round(account)-slowCalls) + slowCalls
}

// due is when a mutation of an account that is well must be final.
func (w *world) due(c *change) time.Time {
	w.mu.Lock()
	from := w.disturbed.Add(recovery)
	w.mu.Unlock()
	if c.at.After(from) {
		from = c.at
	}
	return from.Add(time.Duration(roundsEach*c.behind)*w.round(c.mutation.Account) + time.Duration(c.doubtful)*w.inDoubt(c.mutation.Account))
}

// lookEvery is between two looks at the neighbours of an account in trouble.
const lookEvery = 500 * time.Millisecond

// look finds mutations beside an account in trouble that are late. It reports
// whether all are final.
func (w *world) look() (quiet bool) {
	if w.plan.ailment.name == "" {
		return true
	}
	w.looked = time.Now()
	ended := map[string]bool{}
	for _, row := range w.ledger.Mutations() {
		ended[row.ID] = final(row.Status)
	}
	quiet = true
	for _, c := range w.published {
		c.final = ended[c.mutation.ID] || c.vanished
		if c.final || w.isIll(c.mutation.Account) {
			continue
		}
		quiet = false
		if !c.late && w.looked.After(w.due(c)) {
			c.late = true
			w.late.addf("I6", "%s of %s/%s is not final after %s, while %s %s", c.mutation.ID, c.mutation.Account, c.mutation.ItemID,
				w.looked.Sub(c.at).Round(time.Second), w.illName(), w.plan.ailment.name)
		}
	}
	return quiet
}

func (w *world) illName() string {
	name, _ := w.account(0)
	return name
}

// behind counts a change with those before it that are not final: its item and the
// localizations of that are changed one after the other. doubtful are those among them
// whose refusal may be the work of an earlier copy.
func (w *world) behind(c *change) (count, doubtful int) {
	for _, older := range append(w.published, c) {
		if older.final || older.mutation.Account != c.mutation.Account || older.mutation.ItemID != c.mutation.ItemID {
			continue
		}
		count++
		switch older.mutation.Operation {
		case catalog.Create, catalog.Delete, catalog.DeleteDiscontinued:
			doubtful++
		case catalog.Upsert, catalog.Update:
		}
	}
	return count, doubtful
}

// outlast waits until the accounts beside the one in trouble are through, while it
// still is in trouble.
func (w *world) outlast() findings {
	for waited := time.Duration(0); waited < patience && !w.look() && len(w.late) == 0; waited += time.Second {
		w.pass(time.Second)
	}
	return w.late
}
