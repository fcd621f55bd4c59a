package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// removedWords is what people read of what a removed account left.
func removedWords(account string) string {
	return "account \"" + account + "\" was removed by an operator"
}

// removeAccount ends what is open of an account that an operator wants removed and that
// nobody has configured: what may have been sent ends unconfirmed, what certainly was not
// becomes invalid. All of it through this owner's transactions, as any other end.
func (e *Engine) removeAccount(name string, now time.Time) {
	u := &e.unconfigured
	problem := &catalog.Problem{Reason: catalog.AccountRemoved, Field: "subject", Text: removedWords(name)}
	open := false
	for id, o := range u.open {
		if o.Lane.Account != name {
			continue
		}
		open = true
		if !u.ending[id] && !e.full() {
			u.ending[id] = true
			e.endUnconfigured(o, now)
		}
	}
	for key, s := range u.lanes {
		if key.Account == name {
			s.removed, open = problem, true
		}
	}
	if open || u.removing {
		return
	}
	u.removing = true
	e.spawn(func(ctx context.Context) {
		var removed bool
		err := e.recorder.retryStore(ctx, "end the removal of an account", func(ctx context.Context) (err error) {
			removed, err = e.cfg.Store.EndRemoval(ctx, name)
			return err
		})
		e.calls.report(ctx, func() {
			e.unconfigured.removing = false
			if err == nil && removed {
				delete(e.unconfigured.asked, name)
				e.log.InfoContext(ctx, "an account was removed, as an operator asked", slog.String("account", name))
			}
		})
	})
}

// endUnconfigured writes the end of an open batch that nobody can follow any more.
func (e *Engine) endUnconfigured(o *ledger.OpenBatch, now time.Time) {
	outcome := ledger.BatchOutcome{
		BatchID: o.ID, Lane: o.Lane, CreatedAt: o.CreatedAt, FinishedAt: now, State: ledger.BatchAbandoned, Error: removedWords(o.Lane.Account),
	}
	sent := maybeSent(o.Attempts)
	for i := range o.Records {
		end := ledger.RecordOutcome{Index: i, Result: ledger.Returned, Constituents: o.Records[i].Constituents}
		if sent {
			end.Result, end.Reason = ledger.Unconfirmed, catalog.AccountRemoved
			end.Errors = []ledger.Issue{{
				Code:    string(catalog.AccountRemoved),
				Message: removedWords(o.Lane.Account) + ": the change was sent, and nobody asked the platform any more what became of it",
			}}
		}
		outcome.Exceptions = append(outcome.Exceptions, end)
	}
	next := e.jobs.next
	next.tx.Outcomes = append(next.tx.Outcomes, outcome)
	next.mutations += len(outcome.Exceptions)
	next.bytes += outcomeBytes(&outcome)
	next.after(func() {
		delete(e.unconfigured.ending, o.ID)
		if e.jobs.isolated != nil && e.jobs.isolated.outcomes[o.ID] {
			return // it could not be recorded yet, and is written again
		}
		delete(e.unconfigured.open, o.ID)
		e.cfg.Budget.open.Add(-openBytes(o))
		e.unconfigured.changed = true
		if sent || e.unconfigured.lanes[o.Lane] != nil {
			return
		}
		// What it gave back waits now, and is read from there.
		e.unconfigured.lanes[o.Lane] = &unconfiguredLane{since: now, words: removedWords(o.Lane.Account)}
	})
}

// maybeSent reports that a copy of the batch may have arrived at the platform.
func maybeSent(attempts []ledger.Attempt) bool {
	for i := range attempts {
		if attempts[i].Result != ledger.NotTaken && attempts[i].Result != ledger.Unsent {
			return true
		}
	}
	return len(attempts) == 0
}

// openBytes is what the messages of an open batch that nobody can follow take.
func openBytes(o *ledger.OpenBatch) (bytes int64) {
	for i := range o.Records {
		for _, m := range o.Records[i].Constituents {
			bytes += int64(m.Size())
		}
	}
	return bytes
}
