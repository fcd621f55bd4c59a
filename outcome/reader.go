package outcome

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Outcome is what became of one mutation in the end.
type Outcome = ledger.Outcome

// Status is the way in which it ended.
type Status = ledger.OutcomeStatus

// Page is what some transactions made final.
type Page = ledger.OutboxPage

// Reader reads the outbox of one partition for one consumer. One goroutine uses it, that
// of the partition's owner.
type Reader struct {
	outbox   ledger.Outbox
	lease    ledger.Lease
	consumer string
	limit    ledger.OutboxLimit
	cursor   int64
	next     int64 // where the cursor goes once the page that was read last is done
}

// Open makes a Reader that goes on where the consumer was. A consumer without a cursor
// begins with what the outbox still has. ErrLeaseLost of the ledger says that the
// partition has another owner.
func Open(ctx context.Context, outbox ledger.Outbox, lease ledger.Lease, consumer string, limit ledger.OutboxLimit) (*Reader, error) {
	number, err := outbox.OpenCursor(ctx, lease, consumer)
	if err != nil {
		return nil, err
	}
	return &Reader{outbox: outbox, lease: lease, consumer: consumer, limit: limit, cursor: number, next: number}, nil
}

// Read returns the page after the cursor: the same one until Done. It is empty when there
// is nothing new, and may be empty although there is: then page.To is past the cursor and
// Done goes on.
func (r *Reader) Read(ctx context.Context) (ledger.OutboxPage, error) {
	page, err := r.outbox.Outcomes(ctx, r.lease.Partition, r.cursor, r.limit)
	if err != nil {
		return page, err
	}
	r.next = page.To
	return page, nil
}

// Unfinished reports that the page that was read last has something, or moves the cursor.
func (r *Reader) Unfinished() bool { return r.next != r.cursor }

// Done says that the consumer is done with the page that was read last. After an error
// Read returns the page again; after ErrLeaseLost the reader is of no use any more.
func (r *Reader) Done(ctx context.Context) error {
	if r.next == r.cursor {
		return nil
	}
	if err := r.outbox.MoveCursor(ctx, r.lease, r.consumer, r.cursor, r.next); err != nil {
		return err
	}
	r.cursor = r.next
	return nil
}

// DoneIn is Done as the last statement of a transaction in which the consumer writes what
// it made of the page: then it is written once. Committed must follow the commit.
func (r *Reader) DoneIn(ctx context.Context, tx pgx.Tx) error {
	if r.next == r.cursor {
		return nil
	}
	return persistence.MoveCursorIn(ctx, tx, r.lease, r.consumer, r.cursor, r.next)
}

// Committed follows the commit of a transaction with DoneIn. After a commit without an
// answer, open a new Reader instead.
func (r *Reader) Committed() { r.cursor = r.next }
