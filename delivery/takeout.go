package delivery

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// refusedPause is how long the engine waits before it tries again to record what the
// store refuses of a batch that was sent.
const refusedPause = time.Minute

// takeOut takes what the store refused of a job out of the engine's memory, before the
// engine hears that the job is recorded.
func (e *Engine) takeOut(j *job) {
	if j.found == nil {
		return
	}
	for id, records := range j.found.removed {
		if f := j.batches[id]; f != nil {
			e.shrink(f, records)
		}
	}
	for m := range j.found.gone {
		e.forget(m)
		e.versions.forget(m)
	}
	for _, m := range j.found.revived {
		e.add(m, time.Now())
	}
	e.updateBudget()
}

// shrink takes records out of an open batch that was not sent yet.
func (e *Engine) shrink(f *openBatch, removed map[catalog.ItemKey][]*catalog.Mutation) {
	now := time.Now()
	kept, rests := make([]catalog.Record, 0, len(f.batch.Records)), map[int]catalog.Change{}
	for i := range f.batch.Records {
		record := &f.batch.Records[i]
		back, isRemoved := removed[record.Key]
		if !isRemoved {
			if rest, ok := f.rests[i]; ok {
				rests[len(kept)] = rest
			}
			kept = append(kept, *record)
			continue
		}
		e.batcher.Release(record.Key, back, now)
	}
	f.batch.Records, f.rests = kept, rests
}

// forget lets go of a mutation that is a dead letter, wherever it has come to since it
// was about to be written: it may be in the batch that is recorded next.
func (e *Engine) forget(m *catalog.Mutation) {
	e.batcher.Forget(m)
	next := &e.jobs.next.tx
	for i := range next.Batches {
		b := &next.Batches[i]
		at := slices.IndexFunc(b.Records, func(r catalog.Record) bool { return slices.Contains(r.Constituents, m) })
		if at < 0 {
			continue
		}
		record := b.Records[at]
		rest := slices.DeleteFunc(slices.Clone(record.Constituents), func(c *catalog.Mutation) bool { return c == m })
		e.uncut(b.ID, record.Key, rest)
		b.Records = slices.Delete(slices.Clone(b.Records), at, at+1)
	}
	next.Batches = filtered(next.Batches, func(_ int, b ledger.Batch) bool { return len(b.Records) > 0 })
}

// uncut takes a record out of an open batch that is about to be recorded, and gives the
// mutations that are left of it back.
func (e *Engine) uncut(id uuid.UUID, key catalog.ItemKey, rest []*catalog.Mutation) {
	if f := e.jobs.next.batches[id]; f != nil {
		e.shrink(f, map[catalog.ItemKey][]*catalog.Mutation{key: rest})
	}
	recorded := map[catalog.Position]bool{}
	for _, m := range rest {
		recorded[m.Position] = true
	}
	e.jobs.next.positions = slices.DeleteFunc(e.jobs.next.positions, func(p catalog.Position) bool { return recorded[p] })
}

// wasRefused ends an open batch of which nothing is left to be sent. It reports whether it
// did.
func (e *Engine) wasRefused(f *openBatch) bool {
	if len(f.batch.Records) > 0 {
		return false
	}
	if f.slot != nil {
		e.cancelPost(f)
	}
	e.close(f)
	return true
}

// later reports that the end of the open batch's batch could not be recorded yet.
func (i *isolation) later(f *openBatch) bool { return i != nil && i.outcomes[f.batch.ID] }

// withheld reports that the intent to send the open batch could not be recorded.
func (i *isolation) withheld(f *openBatch) bool { return i != nil && i.intents[f.batch.ID] }

// without leaves out mutations that are dead letters now.
func (i *isolation) without(ms []*catalog.Mutation) []*catalog.Mutation {
	if i == nil || len(i.gone) == 0 {
		return ms
	}
	return slices.DeleteFunc(slices.Clone(ms), func(m *catalog.Mutation) bool { return i.gone[m] })
}
