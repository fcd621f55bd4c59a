package delivery

import (
	"container/heap"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// openBatch is an open batch: recorded and not final. Its items take no part in any
// other batch until it is.
type openBatch struct {
	batch    ledger.Batch
	lane     *lane
	phase    phase
	slot     *quota.Slot // held from the cut to the end of the first POST
	bytes    int         // of its messages, for the budget
	span     trace.Span
	recorded bool // its batch row is committed
	half     bool // made of a batch that was refused or told too little of its records
	probe    bool // whether its stopped lane, or a suspect, is taken now

	torn bool // a record of it cannot be put together again: it is followed, and never sent
	// damaged says why its payload cannot be read, "" when it can: likewise.
	damaged string

	// rests are what records of split changes leave for later, by record index.
	rests map[int]catalog.Change

	attempt  int // number of the current or last POST
	posts    []post
	handles  []*handle
	unclear  int             // POSTs whose answer did not say what became of them
	unknown  *platform.Error // the last of them, when nobody is going to ask again
	untold   *platform.Error // polls failed until nobody was going to ask any more
	refusal  *platform.Error // the platform refused the batch as a whole
	abandon  string          // why its items go back to waiting without any verdict
	sendAt   time.Time
	resend   backoff.BackOff
	lastPost time.Time // when the last POST began
	// lastPostNo is the moment when the last POST began, refusedFirst that of the first
	// refusal of the batch or of the one that it is a half of, refusedLast that of its
	// last, at refusedAt: see openBatches.moment. 0: none that this owner knows of.
	lastPostNo, refusedFirst, refusedLast int64
	refusedFor                            refusalReason // since refusedFirst
	refusedAt                             time.Time
	// lastTaken and lastTakenAt are laneBreaker.taken and takenAt as they were when the
	// last POST began.
	lastTaken   int64
	lastTakenAt time.Time

	// holdUntil is the end of the settle time: an earlier copy of the batch may
	// still be applied until then.
	holdUntil time.Time

	wakeAt     time.Time // in the engine's heap; zero: not in it
	heapIndex  int
	slotScopes string // the scopes it waits for a slot of; "": none
}

// openBatches are the open batches of the partition, with what each waits for.
type openBatches struct {
	byID        map[uuid.UUID]*openBatch
	timed       batchHeap               // those that wait for a time
	slotWaiters map[string][]*openBatch // wait for a slot, by scopes, first come first served
	moment      int64                   // counts POSTs that began and refusals that were heard, in their order
}

// schedule has the batch stepped at a time.
func (b *openBatches) schedule(f *openBatch, at time.Time) {
	f.wakeAt = at
	if f.heapIndex >= 0 {
		heap.Fix(&b.timed, f.heapIndex)
		return
	}
	heap.Push(&b.timed, f)
}

// unschedule forgets what the batch waits for.
func (b *openBatches) unschedule(f *openBatch) {
	if f.heapIndex >= 0 {
		heap.Remove(&b.timed, f.heapIndex)
	}
	f.slotScopes = ""
}

// due takes out the batch whose time came first; nil when none has come.
func (b *openBatches) due(now time.Time) *openBatch {
	if len(b.timed) == 0 || b.timed[0].wakeAt.After(now) {
		return nil
	}
	f, _ := heap.Pop(&b.timed).(*openBatch)
	return f
}

// post is one POST of the open batch that was taken.
type post struct {
	number int
	notes  []platform.Verdict // what the answer already said; nil: nothing
	final  bool               // the answer said all that will be known: it has no handles
}

// handle is one name under which the platform works on the batch.
type handle struct {
	name       string
	attempt    int
	since      time.Time // when it was given
	nextPoll   time.Time
	delay      time.Duration
	polling    bool
	slot       *quota.Slot // of the poll under way
	notFound   int         // times in a row
	unclear    time.Time   // when an answer told nothing first since the last that did
	silence    silence
	final      bool
	verdicts   []platform.Verdict // nil when the handle led nowhere
	incomplete bool
	message    string
	note       string // the last that was logged
}

func newOpenBatch(cfg *Config, id uuid.UUID, l *lane, group string, records []catalog.Record, now time.Time) *openBatch {
	f := &openBatch{
		batch:     ledger.Batch{ID: id, Lane: l.key, Group: group, Records: records, CreatedAt: now},
		lane:      l,
		attempt:   1,
		heapIndex: -1,
		rests:     map[int]catalog.Change{},
		resend:    cfg.backOff(l.policy().RetryMin, l.policy().RetryMax), // the platform's trouble is nobody's fault: never give up
	}
	for i := range records {
		for _, m := range records[i].Constituents {
			f.bytes += len(m.Message.Data) + perMutationBytes
		}
	}
	return f
}

// perMutationBytes is the allowance for what belongs to a message in memory.
const perMutationBytes = 512

// allFinal reports that every known handle has come to its end.
func (f *openBatch) allFinal() bool {
	for _, h := range f.handles {
		if !h.final {
			return false
		}
	}
	return true
}

// verdicts puts together what is known of each record: within one POST the worst
// answer counts, because its handles may share the batch out between them; of
// several POSTs the best counts, because each carried the same content.
func (f *openBatch) verdicts() (verdicts []platform.Verdict, incomplete bool) {
	verdicts = make([]platform.Verdict, len(f.batch.Records))
	for _, p := range f.posts {
		worst, known, cut := f.worstOf(p)
		incomplete = incomplete || cut
		for i := range verdicts {
			if !known {
				continue
			}
			if standing(worst[i].Outcome) > standing(verdicts[i].Outcome) || isBlank(verdicts[i]) {
				verdicts[i] = worst[i]
			}
		}
	}
	return verdicts, incomplete
}

func (f *openBatch) worstOf(p post) (worst []platform.Verdict, known, incomplete bool) {
	worst = make([]platform.Verdict, len(f.batch.Records))
	if p.final {
		copy(worst, p.notes) // a new owner has none of which nothing was said
		return worst, true, false
	}
	said := make([]bool, len(worst))
	take := func(i int, v platform.Verdict) {
		warnings := worst[i].Warnings
		if len(v.Warnings) > 0 {
			warnings = slices.Concat(warnings, v.Warnings)
		}
		if !said[i] || gravity(v.Outcome) > gravity(worst[i].Outcome) {
			worst[i], said[i] = v, true
		}
		worst[i].Warnings = warnings
	}
	for _, h := range f.handles {
		if h.attempt != p.number {
			continue
		}
		known = true
		incomplete = incomplete || h.incomplete
		for i := range worst {
			if h.verdicts == nil {
				take(i, platform.Verdict{}) // the handle led nowhere
				continue
			}
			take(i, h.verdicts[i])
		}
	}
	for i, note := range p.notes {
		switch {
		case note.Outcome != platform.Unknown:
			take(i, note)
		case len(note.Errors) > 0: // doubt, see platform.Submission
			take(i, note)
			incomplete = true
		case len(note.Warnings) > 0:
			worst[i].Warnings = slices.Concat(worst[i].Warnings, note.Warnings)
		}
	}
	return worst, known, incomplete
}

// isBlank reports that a verdict has no outcome and no words.
func isBlank(v platform.Verdict) bool {
	return v.Outcome == platform.Unknown && len(v.Errors)+len(v.Warnings) == 0
}

// gravity orders outcomes within one POST.
func gravity(o platform.Outcome) int {
	return [...]int{platform.Succeeded: 1, platform.Unknown: 2, platform.Retryable: 3, platform.Skipped: 4, platform.Failed: 5}[o]
}

// standing orders outcomes between POSTs of the same content.
func standing(o platform.Outcome) int {
	return [...]int{platform.Unknown: 0, platform.Skipped: 1, platform.Retryable: 2, platform.Failed: 3, platform.Succeeded: 4}[o]
}

// taken reports that some POST of the open batch was, or may have been, taken.
func (f *openBatch) taken() bool { return len(f.posts) > 0 || !f.holdUntil.IsZero() }

// maybeApplied reports that a refusal of the record may be the work of another copy of
// it: a CREATE is refused where the item is there, a deletion where it is gone. What
// UPSERT and UPDATE say can be said twice.
func (f *openBatch) maybeApplied(i int) bool {
	record := &f.batch.Records[i]
	if op := record.Change.Operation; op == catalog.Upsert || op == catalog.Update {
		return false
	}
	return f.copied() ||
		slices.ContainsFunc(record.Constituents, func(m *catalog.Mutation) bool { return m.Doubtful })
}

// copied reports that what is known of the open batch may not be all that was done of it.
func (f *openBatch) copied() bool { return len(f.posts) > 1 || !f.holdUntil.IsZero() }

// batchHeap orders batches by wakeAt.
type batchHeap []*openBatch //nolint:recvcheck // container/heap wants both kinds

func (h batchHeap) Len() int           { return len(h) }
func (h batchHeap) Less(i, j int) bool { return h[i].wakeAt.Before(h[j].wakeAt) }
func (h batchHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push is for container/heap.
func (h *batchHeap) Push(x any) {
	f := x.(*openBatch) //nolint:forcetypeassert // only batches are pushed
	f.heapIndex = len(*h)
	*h = append(*h, f)
}

// Pop is for container/heap.
func (h *batchHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	f.heapIndex = -1
	return f
}
