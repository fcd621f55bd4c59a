package delivery

import (
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
	unsent   int64       // what of them counts as unsent: all while there is a slot
	span     trace.Span
	recorded bool // its batch row is committed
	half     bool // made of a batch that was refused or told too little of its records
	probe    bool // whether its stopped lane, or a suspect, is taken now

	// rests are what records of split changes leave for later, by record index.
	rests map[int]catalog.Change

	attempt int // number of the current or last POST
	posts   []post
	handles []*handle
	answer  string // the text of the answer to the last poll, "" for none

	ending
	resending
	refusals
	timer
}

// ending is why a batch ends for another reason than its verdicts, or cannot be sent.
type ending struct {
	unknown *platform.Error // a POST whose answer did not say what became of it, when nobody is going to ask again
	untold  *platform.Error // polls failed until nobody was going to ask any more
	refusal *platform.Error // the platform refused the batch as a whole
	abandon string          // why its items go back to waiting without any verdict
	torn    bool            // a record of it cannot be put together again: it is followed, and never sent
	damaged string          // why its payload cannot be read, "" when it can: likewise
}

// resending is when a batch may be sent, and what its former POSTs forbid.
type resending struct {
	sendAt   time.Time
	resend   backoff.BackOff
	lastPost time.Time // when the last POST began
	unclear  int       // POSTs whose answer did not say what became of them
	// holdUntil is the end of the settle time: an earlier copy of the batch may
	// still be applied until then.
	holdUntil time.Time
}

// refusals is what tells a fault of the batch's records from a fault of its lane.
type refusals struct {
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
}

// timer is what a batch waits for, see openBatches.
type timer struct {
	wakeAt     time.Time // in the heap; zero: not in it
	heapIndex  int
	slotScopes string // the scopes it waits for a slot of; "": none
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
	endpoint   platform.Endpoint // where it was given
	former     bool              // under a configuration that sent the lane elsewhere
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
		rests:     map[int]catalog.Change{},
		timer:     timer{heapIndex: -1},
		resending: resending{resend: cfg.backOff(l.policy().RetryMin, l.policy().RetryMax)}, // the platform's trouble is nobody's fault: never give up
	}
	for i := range records {
		for _, m := range records[i].Constituents {
			f.bytes += m.Size()
		}
	}
	return f
}

// allFinal reports that every known handle has come to its end.
func (f *openBatch) allFinal() bool {
	for _, h := range f.handles {
		if !h.final {
			return false
		}
	}
	return true
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
		slices.ContainsFunc(record.Constituents, func(m *catalog.Mutation) bool { return m.MaybeApplied })
}

// copied reports that what is known of the open batch may not be all that was done of it.
func (f *openBatch) copied() bool { return len(f.posts) > 1 || !f.holdUntil.IsZero() }

func (f *openBatch) forEachConstituent(visit func(*catalog.Mutation)) {
	for i := range f.batch.Records {
		for _, m := range f.batch.Records[i].Constituents {
			visit(m)
		}
	}
}

// oldest is when the oldest of the open batch's mutations was received.
func (f *openBatch) oldest() (oldest time.Time, mutations int) {
	for i := range f.batch.Records {
		for _, m := range f.batch.Records[i].Constituents {
			if mutations++; oldest.IsZero() || m.ReceivedAt.Before(oldest) {
				oldest = m.ReceivedAt
			}
		}
	}
	return oldest, mutations
}
