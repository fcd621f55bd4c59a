package delivery

import (
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// conclusion collects the end of a batch while its records are gone through.
type conclusion struct {
	cfg *Config
	f   *openBatch

	now     time.Time
	outcome ledger.BatchOutcome
	// halves are the indexes of records that go again in two smaller batches at once,
	// because nothing was learnt of them that would tell them apart.
	halves []int
	// returned are the mutations that go back to waiting, by record index.
	returned  map[int][]*catalog.Mutation
	suspects  map[int]bool // those of them that were refused alone, perhaps for no fault of theirs
	outcomes  map[label.Outcome]int
	retries   map[label.Retry]int
	letters   map[catalog.Reason]int // mutations
	latencies []time.Duration
}

// conclude writes the outcome of a batch of which all is known that will be.
func (e *Engine) conclude(f *openBatch, now time.Time) {
	f.to(phaseConcluding)
	c := &conclusion{
		cfg: e.cfg, f: f, now: now, returned: map[int][]*catalog.Mutation{}, suspects: map[int]bool{},
		outcomes: map[label.Outcome]int{}, retries: map[label.Retry]int{}, letters: map[catalog.Reason]int{},
		outcome: ledger.BatchOutcome{
			BatchID: f.batch.ID, Lane: f.batch.Lane, CreatedAt: f.batch.CreatedAt, FinishedAt: now,
			State: ledger.BatchCompleted, Answer: f.answer,
		},
	}
	verdicts, incomplete := f.verdicts()
	for i := range f.batch.Records {
		c.judge(i, verdicts[i], incomplete)
	}
	c.nameState(f)
	batches := e.bisect(f, c)
	e.jobs.next.tx.Outcomes = append(e.jobs.next.tx.Outcomes, c.outcome)
	e.jobs.next.mutations += len(c.outcome.Exceptions)
	e.jobs.next.bytes += outcomeBytes(&c.outcome)
	e.jobs.next.after(func() { e.onConcluded(f, c, batches) })
}

// requeue returns the record's mutations to waiting.
func (c *conclusion) requeue(i int, ms []*catalog.Mutation, v *platform.Verdict, why label.Retry) {
	c.returned[i] = ms
	c.returns(why)
	outcome := ledger.RecordOutcome{Index: i, Result: ledger.Returned, Constituents: ms}
	if v != nil {
		outcome.Errors, outcome.Warnings = v.Errors, v.Warnings
	}
	c.except(outcome)
}

// returns counts a record that goes again.
func (c *conclusion) returns(why label.Retry) {
	c.outcomes[label.Returned]++
	c.retries[why]++
}

func (c *conclusion) except(o ledger.RecordOutcome) {
	if o.Result == ledger.Failed || o.Result == ledger.Unconfirmed {
		c.letters[o.Reason] += len(o.Constituents) // each is a dead letter
	}
	c.outcome.Exceptions = append(c.outcome.Exceptions, o)
}

// finished notes how long the record's mutations took from publish to final.
func (c *conclusion) finished(record *catalog.Record) {
	for _, m := range record.Constituents {
		c.latencies = append(c.latencies, c.now.Sub(m.PublishedAt))
	}
}

func (c *conclusion) nameState(f *openBatch) {
	for _, h := range f.handles {
		if h.message != "" {
			c.outcome.Error = h.message
			if h.verdicts == nil {
				c.outcome.State = ledger.BatchAbandoned
			}
		}
	}
	switch {
	case f.refusal != nil:
		c.outcome.State, c.outcome.Error = ledger.BatchRefused, f.refusal.Error()
	case f.unknown != nil:
		c.outcome.State, c.outcome.Error = ledger.BatchAbandoned, f.unknown.Error()
	case f.abandon != "":
		c.outcome.State, c.outcome.Error = ledger.BatchAbandoned, f.abandon
	}
}

// bisect makes two batches of the records that go again in smaller company. Their
// items stay in flight from one batch to the next.
func (e *Engine) bisect(f *openBatch, c *conclusion) []*openBatch {
	if len(c.halves) == 0 {
		return nil
	}
	middle := (len(c.halves) + 1) / 2
	var made []*openBatch
	for _, indexes := range [][]int{c.halves[:middle], c.halves[middle:]} {
		if len(indexes) == 0 {
			continue
		}
		records := make([]catalog.Record, len(indexes))
		for to, from := range indexes {
			records[to] = f.batch.Records[from]
		}
		half := newOpenBatch(e.cfg, ledger.NewBatchID(c.now), f.lane, f.batch.Group, records, c.now)
		for to, from := range indexes {
			if rest, ok := f.rests[from]; ok {
				half.rests[to] = rest
			}
		}
		half.half = true
		half.refusedFirst, half.refusedFor = f.refusedFirst, f.refusedFor
		if !unsent(f.refusal) {
			half.sendAt = e.cfg.Scopes.ReserveBisect(f.lane.sender.scopes)
		}
		e.jobs.next.adds(half)
		if e.jobs.next.halfOf == nil {
			e.jobs.next.halfOf = map[uuid.UUID]uuid.UUID{}
		}
		e.jobs.next.halfOf[half.batch.ID] = f.batch.ID
		made = append(made, half)
	}
	c.retries[label.Halved] += len(c.halves)
	return made
}

// onConcluded changes memory once the outcome is committed.
func (e *Engine) onConcluded(f *openBatch, c *conclusion, halves []*openBatch) {
	now := time.Now()
	if e.jobs.isolated.later(f) {
		f.to(phaseSettling)
		f.holdUntil = later(f.holdUntil, now.Add(refusedPause))
		e.batches.schedule(f, f.holdUntil)
		return
	}
	moved := c.halves // in order
	for i := range f.batch.Records {
		if len(moved) > 0 && moved[0] == i {
			moved = moved[1:]
			continue
		}
		key := f.batch.Records[i].Key
		returned := e.jobs.isolated.without(c.returned[i])
		for _, m := range returned {
			m.HasWaitingRow = true
		}
		if c.suspects[i] {
			e.suspect(f, key, returned)
		} else if f.lane.breaker.clear(key) {
			e.batcher.Hasten(key, now) // what was read back meanwhile waits as the suspect did
		}
		e.batcher.Release(key, returned, now)
	}
	for _, reset := range c.outcome.ResetVersions {
		e.versions.reset(reset, now)
	}
	for _, half := range halves {
		if len(half.batch.Records) == 0 {
			continue // the database refused them
		}
		e.open(e.calls.ctx, half)
		half.recorded = true
		half.to(phaseReady)
		e.step(half, now)
	}
	endBatchSpan(f, c)
	e.close(f)
	e.updateBudget()
	e.cfg.Observer.Concluded(f.batch.Lane, Conclusion{
		Outcomes: c.outcomes, Retries: c.retries, DeadLetters: c.letters, Took: c.now.Sub(f.batch.CreatedAt), Latencies: c.latencies,
	})
}
