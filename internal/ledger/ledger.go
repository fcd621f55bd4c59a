// Package ledger is the vocabulary of what is written down about every mutation:
// the fenced transaction, the handles, and what a new owner finds. The delivery
// engine writes through a Store; persistence implements it on Postgres.
package ledger

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// ErrLeaseLost is returned by every fenced call once the partition has another
// owner. Nothing of the call was written, and nothing may be sent any more.
var ErrLeaseLost = errors.New("the lease of the partition is lost")

// ErrRejected is returned by a Store whose answer will be the same however often the
// call is repeated: a value it cannot hold, a row that breaks its rules, a payload it
// cannot read. Nothing was written.
var ErrRejected = errors.New("the store rejected the write permanently")

// ErrSlow is returned by a Store that did not finish a call in time. What was asked for
// may have to be smaller. Whether it was done is not known.
var ErrSlow = errors.New("the store did not finish in time")

// Lease is one acquisition of a partition by a worker.
type Lease struct {
	Partition int
	// Token is fresh and random for each acquisition: a number alone would repeat
	// after a failover that lost its tail.
	Token uuid.UUID
}

// Anchor is the stream message that a position stands on. Comparing it with the
// stream finds a store that was restored from an older copy.
type Anchor struct {
	Position  catalog.Position
	Time      time.Time // the stream's timestamp of the message
	MessageID string    // its Nats-Msg-Id, "" if it has none
}

// Transaction is everything one fenced commit writes. Empty sections write
// nothing. The store applies the sections in the order of the fields, then sends
// the fence and COMMIT in one flight.
//
// A store call that fails with another error than ErrLeaseLost may be repeated
// with the same Transaction: the store finds out by ID whether it was committed.
type Transaction struct {
	ID        uuid.UUID
	Partition int

	// Batches are written, each with its payload and the mutation rows of its
	// constituents; those with RecordedOn set have a row already, which is updated;
	// those with Stored set have a waiting row, which is removed.
	Batches []Batch
	// Waiting gets a waiting row for each mutation (and a mutation row, unless
	// RecordedOn is set). None of them is in Batches of the same transaction.
	Waiting []*catalog.Mutation
	// Invalid become invalid (never sent): a mutation row (or its update) and a
	// dead letter each.
	Invalid []InvalidMutation
	// Stale are recorded as superseded without being sent: the producer's
	// version said that newer state is known.
	Stale []StaleVersion
	// Versions are the producer versions that mutations of Batches and Waiting set.
	// None is written before the row of its mutation is: whoever finds a version finds
	// that mutation, and all older ones of its item, recorded.
	Versions []ItemVersion

	// Intents are further POSTs of batches about to start.
	Intents []Intent
	// Claims says that the owner goes on with this history after another one was noted
	// outside the store: the transaction counts as one that announces a POST.
	Claims bool
	// Outcomes end batches.
	Outcomes []BatchOutcome

	// Recorded names the places of the stream whose rows this transaction writes. Kept
	// as rows only as far as they lie above Anchor.
	Recorded []Range
	// Noted are the transactions that may be noted outside the store, see Sent: the last
	// one that is known to be, and those since whose notes had no answer. None leaves
	// what is known.
	Noted []uuid.UUID
	// Slowest is how long the slowest recent batch of the partition took, for the next
	// owner; 0 leaves what is known.
	Slowest time.Duration
	// Anchor moves the partition's position; nil leaves it. Everything of the
	// partition up to it is recorded once this transaction is.
	Anchor *Anchor
}

// Sends reports that the transaction announces a POST: a new batch, a further attempt
// at one, or that there may be some from now on.
func (tx *Transaction) Sends() bool { return tx.Claims || len(tx.Batches)+len(tx.Intents) > 0 }

// Ends reports that the transaction makes mutations final, perhaps: it writes to the outbox.
func (tx *Transaction) Ends() bool { return len(tx.Outcomes)+len(tx.Invalid)+len(tx.Stale) > 0 }

// Mutations are all that the transaction writes or moves: those of its batches, and those that
// wait, are invalid or are stale.
func (tx *Transaction) Mutations() iter.Seq[*catalog.Mutation] {
	return func(yield func(*catalog.Mutation) bool) {
		for i := range tx.Batches {
			for m := range tx.Batches[i].Mutations() {
				if !yield(m) {
					return
				}
			}
		}
		for _, m := range tx.Waiting {
			if !yield(m) {
				return
			}
		}
		for i := range tx.Invalid {
			if !yield(tx.Invalid[i].Mutation) {
				return
			}
		}
		for i := range tx.Stale {
			if !yield(tx.Stale[i].Mutation) {
				return
			}
		}
	}
}

// Batch is a batch about to be sent for the first time.
type Batch struct {
	ID        uuid.UUID // version 7: ordered by creation
	Lane      catalog.Lane
	Group     string // what else the request fixes, see Endpoint.Group
	Records   []catalog.Record
	CreatedAt time.Time
}

// Mutations are those of all its records.
func (b *Batch) Mutations() iter.Seq[*catalog.Mutation] {
	return func(yield func(*catalog.Mutation) bool) {
		for i := range b.Records {
			for _, m := range b.Records[i].Constituents {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// InvalidMutation is a message that will never be sent. Mutation holds what could be
// decoded of it; its Message is always whole.
type InvalidMutation struct {
	Mutation *catalog.Mutation
	Problem  catalog.Problem
}

// StaleVersion is a mutation with an older version than a mutation of its item before it
// in the stream. That one is recorded by then, or by the same transaction.
type StaleVersion struct {
	Mutation     *catalog.Mutation
	SupersededBy string // mutation id
}

// ItemVersion is the newest producer version of an item. Of two equal ones the later
// in the stream stays.
type ItemVersion struct {
	Key        catalog.ItemKey
	Version    int64
	MutationID string
	// Position is the place of the mutation that set it: only what comes behind it in
	// the stream can be overtaken by it. Zero where it is not known, which counts as
	// before everything.
	Position catalog.Position
}

// Newer reports whether v takes the place of the other version of the same item.
func (v ItemVersion) Newer(than ItemVersion) bool {
	if v.Version != than.Version {
		return v.Version > than.Version
	}
	return v.Position.Compare(than.Position) > 0
}

// EndedBy reports whether the version belongs to the counter that a DELETE ends: the
// DELETE has at least this version, and stands behind it in the stream.
func (v ItemVersion) EndedBy(reset ItemVersion) bool {
	return v.Version <= reset.Version && v.Position.Compare(reset.Position) <= 0
}

// Intent says that POST number Attempt of a batch is about to start. The first
// one is implied by the batch row.
type Intent struct {
	BatchID uuid.UUID
	Attempt int // from 2
	At      time.Time
	// Reason says why the batch is sent again, for people; no secrets.
	Reason string
}

// AttemptResult is how one POST ended. An attempt without a result (crash,
// take-over) is ambiguous.
type AttemptResult uint8

// The ways a POST can end.
const (
	// Accepted: the platform took it. It named handles, or its answer was final: then
	// there are none, and Notes has what it said of the records.
	Accepted AttemptResult = iota + 1
	// Ambiguous: no usable answer; the platform may have taken it.
	Ambiguous
	// NotTaken: certainly not processed (refused connection, 429, 4xx).
	NotTaken
	// Unsent: the POST was not made, and will not be under this number: the batch waits
	// for the end of a pause, of a hold or of a quota's window.
	Unsent
)

// Attempt is one POST of a batch.
type Attempt struct {
	BatchID uuid.UUID
	Number  int // from 1
	Result  AttemptResult
	Handles []string // of an accepted one; what the platform called it. None: the answer was final
	At      time.Time
	Error   string    // for people; no secrets
	NextAt  time.Time // when the batch is tried again; zero if it is not
	// Notes is what the answer to the POST already said of single records. It is
	// opaque to the store; without it a new owner would take a record that the
	// platform dropped at the door for one that succeeded.
	Notes []byte
	// Answer is the text of the answer, for people: without secrets, shortened, "" for
	// none. A store keeps it, and Resume leaves it out. One without leaves what is known.
	Answer string
}

// BatchState is the state of a finished batch. While it is not finished, its
// state follows from its attempts.
type BatchState string

// The states a batch ends in.
const (
	BatchCompleted BatchState = "completed" // every record has an outcome from the platform
	BatchRefused   BatchState = "refused"   // refused as a whole; its records were sent otherwise or failed
	BatchAbandoned BatchState = "abandoned" // nothing was learnt of some records; they were sent again or given up
)

// BatchOutcome ends a batch. Records that are not listed succeeded, apart from
// those whose mutations are in a new batch of the same transaction.
type BatchOutcome struct {
	BatchID    uuid.UUID
	Lane       catalog.Lane
	CreatedAt  time.Time
	State      BatchState
	FinishedAt time.Time
	Succeeded  int // records
	Failed     int
	Warned     int
	Error      string // the batch's own error, for people
	Answer     string // the text of the answer to its last poll, as Attempt.Answer

	// Exceptions are the records with another outcome than plain success.
	Exceptions []RecordOutcome
	// ResetVersions are the items whose version counter a succeeded DELETE ends, each
	// with the DELETE's version and position: what was set behind it stays.
	ResetVersions []ItemVersion
}

// RecordResult is what became of a record or one of its constituents.
type RecordResult uint8

// The results of a record.
const (
	Succeeded   RecordResult = iota + 1
	Failed                   // rejected permanently, or attempts used up: dead letter
	Unconfirmed              // the platform never said, attempts used up: dead letter
	Returned                 // back to waiting; Constituents say with what
)

// RecordOutcome is the end of one record in one batch.
type RecordOutcome struct {
	Index    int // of the record in the batch
	Result   RecordResult
	Errors   []Issue
	Warnings []Issue
	// Constituents are all the record's mutations, oldest first, as they are from
	// now on. With Returned they go back to waiting rows with their Attempts, SplitStep,
	// NoMerge and NotBefore; with Failed and Unconfirmed they become dead letters.
	Constituents []*catalog.Mutation
	// Settled are constituents of a Returned record that are nevertheless done:
	// they succeeded with this batch (the last part of a split that concerns them).
	Settled []*catalog.Mutation
	Reason  catalog.Reason // of the dead letters
}

// OpenBatch is a batch that a new owner must bring to its end.
type OpenBatch struct {
	Batch
	// Damaged says why its payload cannot be read, for people; "" when it can. Then the
	// mutations have neither attributes nor messages, and there may be none at all.
	Damaged  string
	Attempts []Attempt // in order; one without Result is ambiguous
}

// Resumption is all a new owner needs before it reads the stream.
type Resumption struct {
	Anchor Anchor // zero Position.Sequence: from the beginning
	// Commits counts the transactions committed for the partition, by all its owners.
	Commits int64
	// Sent is the last transaction of the partition that announced a POST, zero where
	// there is none; Noted are those that may be noted outside the store, see the type
	// Sent.
	Sent  uuid.UUID
	Noted []uuid.UUID
	// Slowest is how long the slowest recent batch took; 0 when none is known.
	Slowest  time.Duration
	Recorded []Range
	Open     []OpenBatch
	// WaitingLanes have waiting rows.
	WaitingLanes []catalog.Lane
	Accounts     map[string]AccountState
}

// AccountState is what is kept about an account between owners.
type AccountState struct {
	Account string
	State   string // active, paused, throttled
	Reason  string // for people
	// ByHand says that an operator paused it: nobody else resumes it. With a ResumesAt that
	// has passed it is over, and the account is active, by the clock of the store.
	ByHand    bool
	ResumesAt time.Time
	// Pause is how long the account rests by itself after a refusal, 0 when it does not:
	// the next refusal doubles it. The platform may have asked for longer.
	Pause time.Duration
	// Removing says that somebody asked for the account to be removed. Only an owner that
	// does not have it configured goes by that. SaveAccount leaves it as it is.
	Removing bool
}

// ScopeState is what is known of a quota scope.
type ScopeState struct {
	Scope        string
	BlockedUntil time.Time
	Quota        []byte // JSON as last told, for the account_status view
	UpdatedAt    time.Time
	// Patience is how long the last block was that nobody told the length of, 0 when a
	// call worked since: the next one doubles it.
	Patience time.Duration
}

// Page is a piece of a lane's waiting rows, oldest first.
type Page struct {
	Mutations []*catalog.Mutation
	// Damaged are mutations whose payload cannot be read. They have no message.
	Damaged []InvalidMutation
	More    bool
}

// Store keeps the ledger. Fenced calls return ErrLeaseLost once the partition
// has another owner. All calls may be made from several goroutines; the engine
// makes the fenced ones of one partition one at a time, in order.
type Store interface {
	// Resume reads what the partition's new owner needs.
	Resume(ctx context.Context, lease Lease) (*Resumption, error)
	// Commit writes a transaction, fence last.
	Commit(ctx context.Context, lease Lease, tx *Transaction) error
	// Verify returns ErrLeaseLost when the partition has another owner, or when what
	// this process committed last for the lease is not there any more: the store was put
	// back to an older copy, or failed over without its last commits. Commit finds out
	// by itself; an owner that has nothing to commit has to ask. The answer may be a second
	// old.
	Verify(ctx context.Context, lease Lease) error
	// Waiting reads up to limit waiting rows of a lane, oldest first, above after.
	// A page may be shorter for its size; More tells whether there may be more.
	Waiting(ctx context.Context, lane catalog.Lane, after catalog.Position, limit int) (Page, error)
	// NewestVersions reads the known versions of the items; unknown ones are absent.
	NewestVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ItemVersion, error)
	// AppendAttempts records how POSTs ended. Unfenced: knowing a handle can do no
	// harm. Repeating it is harmless.
	AppendAttempts(ctx context.Context, attempts []Attempt) error
	// Scopes reads the scopes named; unknown ones are absent.
	Scopes(ctx context.Context, scopes []string) ([]ScopeState, error)
	// SaveScopes writes what was learnt; a later BlockedUntil wins, and of the rest what
	// was updated last.
	SaveScopes(ctx context.Context, scopes []ScopeState) error
	// SaveAccount writes an account's state; a pause by hand is left alone, and of two
	// other pauses the later ResumesAt stays. It returns the state that stands afterwards.
	SaveAccount(ctx context.Context, state AccountState) (AccountState, error)
	// Accounts reads the states of the accounts named; absent means active.
	Accounts(ctx context.Context, accounts []string) (map[string]AccountState, error)
	Standing
}

// Prober is a Store that can also try a transaction out. With one that cannot, what is
// refused is not looked for, and what takes too long is not written in pieces.
type Prober interface {
	// Committed finds out whether a transaction whose Commit failed was committed all the
	// same. Where it was not, it never will be once another one is.
	Committed(ctx context.Context, lease Lease, tx *Transaction) (bool, error)
	// Probe does what Commit does, apart from committing: it finds out whether the store
	// takes a transaction. Its error is that of Commit.
	Probe(ctx context.Context, lease Lease, tx *Transaction) error
}
