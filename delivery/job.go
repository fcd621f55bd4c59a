package delivery

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// job is what the recorder does in one go: one fenced transaction, then reads
// that must see it. While one job runs the engine collects the next, so under
// load transactions grow instead of queueing up.
type job struct {
	tx        ledger.Transaction
	positions []catalog.Position // recorded by tx
	mutations int                // in tx, to bound it
	bytes     int64              // of their messages, to bound it
	leaving   int64              // of those that are nowhere else in memory
	// batches are those whose batches are in tx, by id; halfOf names the batch that a
	// half comes from, whose outcome is in tx too.
	batches    map[uuid.UUID]*openBatch
	halfOf     map[uuid.UUID]uuid.UUID
	generation int64 // of the stream
	// found is what the store refused of the job.
	found    *isolation
	done     []func() // run by the engine after the commit
	loads    []*load
	accounts []ledger.AccountState
	verify   bool // look whether the last commit is still there
	// sent is the last transaction of the job that announced a POST.
	sent uuid.UUID
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
	refused []ledger.InvalidMutation
	// unweighed are those of page that waited for a configuration: their versions have
	// not been compared. versions are what the store knows of their items.
	unweighed map[*catalog.Mutation]bool
	versions  map[catalog.ItemKey]ledger.ItemVersion
	then      func(*load)
}

// jobs are the job that is being collected and what is known of the one under way.
type jobs struct {
	next      *job
	recording bool       // a job is under way
	isolated  *isolation // of the job whose done functions run; nil: nothing was refused
	lastProof time.Time  // when the history was last found to be the one it was
	lastTake  time.Time  // of what was in memory alone for too long
}

// jobMutations bounds a job together with Budget.mostInJob, its bound in bytes; beyond
// them the engine stops cutting and reading until the recorder has caught up.
const jobMutations = 20_000

// refusedJob is how many mutations a job has at most while the store refuses rows: all
// of a job wait until the rows that are refused have been found.
const refusedJob = 1000

// full reports that the job that is being collected has enough.
func (e *Engine) full() bool {
	return e.jobs.next.mutations >= e.recorder.mostMutations() || e.jobs.next.bytes >= e.cfg.Budget.mostInJob()
}

func (r *recorder) mostMutations() int {
	if time.Since(time.Unix(0, r.refusedAt.Load())) < refusedRest {
		return refusedJob
	}
	return jobMutations
}

func (j *job) empty() bool {
	return j.tx.Anchor == nil && !j.verify && len(j.done) == 0 && len(j.loads) == 0 && len(j.accounts) == 0 &&
		len(j.positions) == 0 && len(j.tx.Versions) == 0
}

// needsCommit tells a job that writes from one that only reads.
func (j *job) needsCommit() bool {
	tx := &j.tx
	return len(tx.Batches)+len(tx.Waiting)+len(tx.Invalid)+len(tx.Stale)+len(tx.Versions)+
		len(tx.Intents)+len(tx.Outcomes)+len(tx.Recorded) > 0 || tx.Anchor != nil || tx.Claims
}

// note adds the mutations' positions to what the job records.
func (j *job) note(ms ...*catalog.Mutation) {
	for _, m := range ms {
		j.positions = append(j.positions, m.Position)
		j.bytes += int64(m.Size())
	}
	j.mutations += len(ms)
}

// after has the loop call a function once the job is written, in the order they were given.
func (j *job) after(done func()) { j.done = append(j.done, done) }

// adds notes a batch that tx writes.
func (j *job) adds(f *openBatch) {
	if j.batches == nil {
		j.batches = map[uuid.UUID]*openBatch{}
	}
	j.batches[f.batch.ID] = f
	j.tx.Batches = append(j.tx.Batches, f.batch)
}

// dropSentFromWaiting leaves out of Waiting what the same job puts into a batch, or
// records as overtaken.
func (j *job) dropSentFromWaiting() {
	if len(j.tx.Waiting) == 0 || len(j.tx.Batches)+len(j.tx.Stale) == 0 {
		return
	}
	sent := map[*catalog.Mutation]struct{}{}
	for i := range j.tx.Stale {
		sent[j.tx.Stale[i].Mutation] = struct{}{}
	}
	for b := range j.tx.Batches {
		for m := range j.tx.Batches[b].Mutations() {
			sent[m] = struct{}{}
		}
	}
	j.tx.Waiting = slices.DeleteFunc(j.tx.Waiting, func(m *catalog.Mutation) bool {
		_, both := sent[m]
		if both {
			m.HasWaitingRow = false // it never got its waiting row
		}
		return both
	})
}

// freshRows counts the mutations that the transaction records for the first time.
func freshRows(tx *ledger.Transaction) (fresh int) {
	for m := range tx.Mutations() {
		if m.RecordedOn.IsZero() {
			fresh++
		}
	}
	return fresh
}
