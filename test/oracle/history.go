// Package oracle judges a run of whole workers by what must always hold: the
// invariants I1 to I7 and E1 of docs/design.md. Worker tests, the simulation, the chaos run,
// the benchmarks and the demo hand it what they saw; it does no I/O and knows no
// merge rule. What the platforms must hold it finds out by applying the published
// mutations one at a time, in order, to fresh platforms.
package oracle

import (
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// The invariants of docs/design.md.
const (
	EveryMessageEnds    = "I1" // each message has one row, which becomes final
	StateIsSequential   = "I2" // the platforms hold what the mutations say one at a time
	OneBatchAnItem      = "I3" // no item is in two open batches with different content
	BatchesAreLawful    = "I4" // no item twice in a body, and no body above its caps
	SuccessWasConfirmed = "I5" // success is said only of what the platform confirmed
	AccountsAreIsolated = "I6" // an account in trouble delays no other
	NoSecrets           = "I7" // no log, view or error holds a secret
	OutcomesAreTold     = "E1" // each final mutation has an event, and none contradicts its row
)

// Violation is an invariant that does not hold, and how that was seen.
type Violation struct {
	Invariant string
	Text      string
	// Catalog and Item name the item whose state is wrong, as its platform does; they are
	// empty in other violations.
	Catalog, Item string
}

func (v Violation) String() string { return v.Invariant + ": " + v.Text }

// Key names a message and its row. A stream that was restored from an older copy gives
// a sequence twice, and a producer may give an ID twice: callers fill in what names a
// message in their run, for messages and rows alike.
type Key struct {
	Sequence uint64
	Line     int // of a pack
	ID       string
}

// Message is a mutation that was published.
type Message struct {
	Key      Key
	Mutation *catalog.Mutation // as a worker reads it
	// Lost says that the stream no longer holds it, though it acknowledged it.
	Lost bool
	// Refused says that the platform takes it in no state of the item, such as for a
	// rule of the simulated platform.
	Refused bool
	// Doubtful says that nobody can know whether the platform applied it. It is not
	// applied to the fresh platforms, and its item is not compared.
	Doubtful bool
}

// Row is what the database says of a message.
type Row struct {
	Key          Key
	ID           string // of the mutation
	Item         catalog.ItemKey
	Status       string
	SupersededBy string // the ID of another mutation, "" for none
	InBatch      bool   // it was sent; one that is superseded and was not, was stale
	// Silent says that it failed, is invalid or unconfirmed without a reason in words.
	Silent      bool
	PublishedAt time.Time
	FinishedAt  time.Time // zero while it is not final
}

// Latency is the time from publishing to the final status.
func (r Row) Latency() time.Duration { return r.FinishedAt.Sub(r.PublishedAt) }

// Store is the items of a platform, by catalog and type. A simulated platform is one.
type Store interface {
	// Apply changes an item by one mutation at once; the error wraps
	// sandbox.ErrNotApplied where the platform refuses it.
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
}

// Platform is a platform at the end of the run.
type Platform struct {
	Name  string
	Holds Store // what it came to
	Fresh Store // the same, untouched: Check applies the mutations to it
	// Received counts what the platform saw of the requests, in their order.
	Received sandbox.Counters
	// MaxItems and MaxBytes are the caps of a body; 0 is not checked.
	MaxItems, MaxBytes int
	// Pending counts accepted batches that are not applied yet.
	Pending int
	// Succeeded is the number of records that the database says succeeded, where each
	// was sent once; nil is not checked.
	Succeeded *int
}

// Place is where the items of a lane are. Lanes may share one.
type Place struct {
	Platform *Platform
	Catalog  string // the platform's name of it
}

// Calm is a time in which some accounts had nothing to wait for.
type Calm struct {
	From, Until time.Time
	Accounts    map[string]bool
	Most        time.Duration // of a latency of theirs
}

func (c Calm) holds(t time.Time) bool { return !t.Before(c.From) && t.Before(c.Until) }

// History is a whole run, at its end.
type History struct {
	// Messages is everything that was published.
	Messages []Message
	// Rows is in the order in which workers read the messages.
	Rows      []Row
	Platforms []*Platform
	// Events is what the stream of outcome events has; it is judged where Told says that
	// events were published from the beginning on.
	Events []Event
	Told   bool
	Places map[catalog.Lane]Place
	// Rewound says that the stream was restored from an older copy: it may lack
	// messages that it acknowledged.
	Rewound bool
	// Restored is when the database was last restored from an older copy, or lost its
	// last commits; zero is never. What was published before may have been applied twice.
	Restored time.Time
	// Strict says that no platform lied, broke off or forgot: what succeeded must then
	// be taken one at a time too.
	Strict bool
	Calm   Calm
}

// Verdict is what the oracle found.
type Verdict struct {
	Violations []Violation
	Statuses   map[string]int // rows by status
	// Unrecorded counts messages that an older copy of the stream lacked before a worker
	// had recorded them. Replayed counts failures of mutations that were applied again
	// after the database had lost them. Doubtful counts rows of doubtful messages.
	Unrecorded, Replayed, Doubtful int
}

func (v *Verdict) addf(invariant, format string, values ...any) {
	v.Violations = append(v.Violations, Violation{Invariant: invariant, Text: fmt.Sprintf(format, values...)})
}

// Check judges a history.
func Check(h *History) *Verdict {
	v := &Verdict{Statuses: map[string]int{}}
	v.checkRows(h)
	v.checkSuperseded(h.Rows)
	v.checkState(h)
	v.checkPlatforms(h.Platforms)
	v.checkIsolation(h)
	v.checkEvents(h)
	return v
}

// Final reports that a mutation never changes its status again.
func Final(status string) bool {
	switch status {
	case "succeeded", "failed", "superseded", "invalid", "unconfirmed":
		return true
	default:
		return false
	}
}
