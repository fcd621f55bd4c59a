package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// OutcomeStatus is what became of a mutation in the end, in the words of mutation_status.
type OutcomeStatus string

// The ways in which a mutation becomes final.
const (
	OutcomeSucceeded   OutcomeStatus = "succeeded"
	OutcomeFailed      OutcomeStatus = "failed"
	OutcomeUnconfirmed OutcomeStatus = "unconfirmed"
	OutcomeSuperseded  OutcomeStatus = "superseded"
	OutcomeInvalid     OutcomeStatus = "invalid"
)

// OutcomeStatuses are all ways in which a mutation becomes final.
func OutcomeStatuses() []OutcomeStatus {
	return []OutcomeStatus{OutcomeSucceeded, OutcomeFailed, OutcomeUnconfirmed, OutcomeSuperseded, OutcomeInvalid}
}

// Outcome is what became of one mutation. It never changes: a mutation that is final
// stays as it is.
type Outcome struct {
	catalog.Lane
	MutationID   string
	ItemID       string
	Localization catalog.Localization
	Operation    catalog.Operation // 0 where an invalid message named none
	Status       OutcomeStatus
	// Reason is that of the dead letter; "" for a mutation without one, and once the
	// dead letter is deleted.
	Reason catalog.Reason
	// Errors say why a mutation failed, is unconfirmed or invalid: never empty then. Of a
	// superseded or succeeded one they are empty.
	Errors   []Issue
	Warnings []Issue
	// SupersededBy is the id of the mutation whose state was sent instead: a newer one of
	// the same record, or one with a newer version.
	SupersededBy string
	// BatchID and Handle name the batch that ended it, and what the platform called it;
	// zero for a mutation that was never sent.
	BatchID uuid.UUID
	Handle  string
	// Attempts is how often the mutation was sent.
	Attempts    int
	PublishedAt time.Time // to the stream; the zero time when it is not known
	ReceivedAt  time.Time // by a worker
	FinishedAt  time.Time
	Position    catalog.Position
}

// OutboxLimit bounds a page of outcomes. A page has at least one transaction, however
// much that ended.
type OutboxLimit struct {
	// Transactions is how many a page has at most, Mutations how many they may have made
	// final, and Bytes how many bytes the compressed payloads of their batches may have:
	// these are read, and each is unpacked by itself.
	Transactions int
	Mutations    int
	Bytes        int64
}

// OutboxPage is what some transactions of a partition made final, in the order of the
// transactions.
type OutboxPage struct {
	Outcomes []Outcome
	// To is the number of the last transaction of the page; that of the cursor when there
	// was none.
	To int64
	// Oldest is when the first transaction of the page was committed, zero for none.
	Oldest time.Time
	More   bool
}

// OutboxLag is how far a consumer is behind.
type OutboxLag struct {
	Partition int
	Rows      int64     // transactions; counted up to a bound
	Oldest    time.Time // when the oldest of them was committed, zero for none
}

// Outbox is what a Store remembers of the transactions that made mutations final, until
// all consumers have seen it, and no longer than mutations are kept. It loses nothing of
// what is committed, and tells a page again until the cursor is moved past it.
type Outbox interface {
	// OpenCursor reads how far the consumer has come in the lease's partition. The cursor of
	// a new consumer is made, before everything that the outbox still has.
	OpenCursor(ctx context.Context, lease Lease, consumer string) (number int64, err error)
	// Outcomes unfolds the transactions of a partition after a number.
	Outcomes(ctx context.Context, partition int, after int64, limit OutboxLimit) (OutboxPage, error)
	// MoveCursor says that the consumer is done with everything up to a number, and deletes
	// what all consumers are done with. It returns ErrLeaseLost, and moves nothing, when the
	// partition has another owner or the cursor is not at from: somebody else moved it.
	MoveCursor(ctx context.Context, lease Lease, consumer string, from, to int64) error
	// DropCursors forgets a consumer, so that nothing is kept for it.
	DropCursors(ctx context.Context, consumer string) error
}
