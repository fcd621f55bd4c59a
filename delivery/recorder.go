package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
)

// job is what the recorder does in one go: one fenced transaction, then reads
// that must see it. While one job runs the engine collects the next, so under
// load transactions grow instead of queueing up.
type job struct {
	tx        ledger.Transaction
	positions []catalog.Position // recorded by tx
	mutations int                // in tx, to bound it
	done      []func()           // run by the engine after the commit
	loads     []*load
	accounts  []ledger.AccountState
	verify    bool // look whether the last commit is still there
}

// load reads a page of a spilled lane.
type load struct {
	lane  catalog.Lane
	after catalog.Position
	limit int
	// check has the mutations checked as arrivals are: some may have waited for a
	// configuration that knows their account.
	check   bool
	page    ledger.Page // without those refused
	refused []ledger.Refusal
	// unweighed are those of page that waited for a configuration: their versions have
	// not been compared. versions are what the store knows of their items.
	unweighed map[*catalog.Mutation]bool
	versions  map[catalog.ItemKey]ledger.ItemVersion
	then      func(*load)
}

// jobMutations bounds a transaction; beyond it the engine stops cutting and
// reading until the recorder has caught up.
const jobMutations = 20_000

func (j *job) empty() bool {
	return j.tx.Anchor == nil && !j.verify && len(j.done) == 0 && len(j.loads) == 0 && len(j.accounts) == 0 &&
		len(j.positions) == 0 && len(j.tx.Versions) == 0
}

// needsCommit tells a job that writes from one that only reads.
func (j *job) needsCommit() bool {
	tx := &j.tx
	return len(tx.Batches)+len(tx.Waiting)+len(tx.Refused)+len(tx.Overtaken)+len(tx.Versions)+
		len(tx.Intents)+len(tx.Outcomes)+len(tx.Recorded) > 0 || tx.Anchor != nil || tx.Claims
}

// note adds the mutations' positions to what the job records.
func (j *job) note(ms ...*catalog.Mutation) {
	for _, m := range ms {
		j.positions = append(j.positions, m.Position)
	}
	j.mutations += len(ms)
}

// dropSentFromWaiting leaves out of Waiting what the same job puts into a batch, or
// records as overtaken.
func (j *job) dropSentFromWaiting() {
	if len(j.tx.Waiting) == 0 || len(j.tx.Batches)+len(j.tx.Overtaken) == 0 {
		return
	}
	sent := map[*catalog.Mutation]struct{}{}
	for i := range j.tx.Overtaken {
		sent[j.tx.Overtaken[i].Mutation] = struct{}{}
	}
	for b := range j.tx.Batches {
		for r := range j.tx.Batches[b].Records {
			for _, m := range j.tx.Batches[b].Records[r].Constituents {
				sent[m] = struct{}{}
			}
		}
	}
	j.tx.Waiting = slices.DeleteFunc(j.tx.Waiting, func(m *catalog.Mutation) bool {
		_, both := sent[m]
		if both {
			m.Stored = false // it never got its waiting row
		}
		return both
	})
}

// handOver gives the collected job to the recorder when it is free.
func (e *Engine) handOver() {
	if e.recording || e.next.empty() {
		return
	}
	current := e.next
	e.next = &job{}
	e.writeVersions(current)
	current.dropSentFromWaiting()
	current.tx.ID = uuid.New()
	current.tx.Partition = e.cfg.Lease.Partition
	current.tx.Slowest = e.slowest
	current.tx.Noted = e.noted()
	ranges, anchor := e.tracker.record(current.positions)
	current.tx.Recorded = ranges
	if anchor != nil {
		current.tx.Anchor = anchor
	}
	e.recording = true
	e.goDo(func(ctx context.Context) { e.runJob(ctx, current) })
}

// runJob runs on its own goroutine; at most one does at a time.
func (e *Engine) runJob(ctx context.Context, j *job) {
	if j.needsCommit() {
		if err := e.commit(ctx, &j.tx); err != nil {
			e.report(ctx, func() { e.fail(err) })
			return
		}
		e.commits++
		if j.tx.Sends() {
			if err := e.noteSent(ctx, j.tx.ID, j.tx.Slowest, j.tx.Claims); err != nil {
				e.report(ctx, func() { e.fail(err) })
				return
			}
		}
	} else if j.verify {
		err := e.persistently(ctx, "look for the last commit", func(ctx context.Context) error {
			return e.cfg.Store.Verify(ctx, e.cfg.Lease)
		})
		if err != nil {
			e.report(ctx, func() { e.fail(err) })
			return
		}
	}
	for _, state := range j.accounts {
		err := e.persistently(ctx, "save account state", func(ctx context.Context) error {
			_, err := e.cfg.Store.SaveAccount(ctx, state)
			return err
		})
		if err != nil {
			e.report(ctx, func() { e.fail(err) })
			return
		}
	}
	for _, l := range j.loads {
		err := e.persistently(ctx, "read waiting mutations", func(ctx context.Context) error {
			page, err := e.cfg.Store.Waiting(ctx, l.lane, l.after, l.limit)
			l.page = page
			return err
		})
		if err != nil {
			e.report(ctx, func() { e.fail(err) })
			return
		}
		if err := e.prepare(ctx, l); err != nil {
			e.report(ctx, func() { e.fail(err) })
			return
		}
	}
	e.report(ctx, func() {
		e.recording = false
		if j.verify || j.needsCommit() {
			e.lastProof = time.Now()
		}
		for _, done := range j.done {
			done()
		}
		for _, l := range j.loads {
			l.then(l)
		}
	})
}

// prepare looks through a page that was read.
func (e *Engine) prepare(ctx context.Context, l *load) (err error) {
	var keys []catalog.ItemKey
	l.page.Mutations = slices.DeleteFunc(l.page.Mutations, func(m *catalog.Mutation) bool {
		m.Stored = true
		if !l.check {
			return false
		}
		waited := !m.Checked
		problem := e.check(ctx, m)
		switch {
		case problem != nil:
			l.refused = append(l.refused, ledger.Refusal{Mutation: m, Problem: *problem})
		case waited && weighed(m):
			if l.unweighed == nil {
				l.unweighed = map[*catalog.Mutation]bool{}
			}
			l.unweighed[m] = true
			keys = append(keys, m.Key())
		}
		return problem != nil
	})
	l.versions, _, err = e.versionsOf(ctx, keys)
	return err
}

func (e *Engine) commit(ctx context.Context, tx *ledger.Transaction) error {
	return e.persistently(ctx, "commit", func(ctx context.Context) error {
		began, fresh := time.Now(), freshRows(tx)
		err := e.cfg.Store.Commit(ctx, e.cfg.Lease, tx)
		if err == nil {
			e.cfg.Observer.Committed(e.cfg.Lease.Partition, fresh, time.Since(began))
		}
		return err
	})
}

// freshRows counts the mutations that the transaction records for the first time.
func freshRows(tx *ledger.Transaction) (fresh int) {
	count := func(m *catalog.Mutation) {
		if m.RecordedOn.IsZero() {
			fresh++
		}
	}
	for b := range tx.Batches {
		for r := range tx.Batches[b].Records {
			for _, m := range tx.Batches[b].Records[r].Constituents {
				count(m)
			}
		}
	}
	for _, m := range tx.Waiting {
		count(m)
	}
	for i := range tx.Refused {
		count(tx.Refused[i].Mutation)
	}
	for i := range tx.Overtaken {
		count(tx.Overtaken[i].Mutation)
	}
	return fresh
}

// storeTimeout bounds one call to the store.
const storeTimeout = 30 * time.Second

// rejectedTries is how often a call is made that the store refuses for good. More
// than once, as what refuses it may pass after all: a day whose partition another
// process has just dropped, a migration that is being made.
const rejectedTries = 6

// persistently repeats a call to the store until it works, the lease is lost or
// ctx ends: without the store there is nothing else to do. Repeating is safe, see
// ledger.Store. What the store refuses for good is given up after rejectedTries in a
// row: the partition stops with that error instead of standing still for ever.
func (e *Engine) persistently(ctx context.Context, what string, call func(context.Context) error) error {
	policy := e.backOff(50*time.Millisecond, 5*time.Second) // until ctx ends: the lease bounds it
	refused := 0
	operation := func() error {
		call1, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		err := call(call1)
		if errors.Is(err, ledger.ErrLeaseLost) {
			return backoff.Permanent(err)
		}
		if !errors.Is(err, ledger.ErrRejected) {
			refused = 0
			return err
		}
		if refused++; refused == rejectedTries {
			e.log.ErrorContext(ctx, "the database refuses a call for good: the partition stops and is resumed from what is recorded",
				slog.String("call", what), slog.Any("error", err))
			return backoff.Permanent(fmt.Errorf("%s: %w", what, err))
		}
		return err
	}
	return backoff.RetryNotify(operation, backoff.WithContext(policy, ctx), func(err error, wait time.Duration) {
		e.log.WarnContext(ctx, "the database call failed, trying again",
			slog.String("call", what), slog.Duration("wait", wait), slog.Any("error", err))
	})
}
