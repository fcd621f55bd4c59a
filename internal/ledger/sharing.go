package ledger

import (
	"context"

	"github.com/google/uuid"
)

// LeaseTable is where workers share out the partitions: a row for each partition
// and one for each worker. Every call is one atomic step. Those that take or give
// a partition report whether they found it as the caller had seen it; losing a
// race is no error.
type LeaseTable interface {
	// Heartbeat moves the worker's counter, making its row at first, and then reads
	// everything. What it reads as the worker's own was so at a moment after the call
	// began: nobody takes a partition from a worker whose counter has just moved.
	Heartbeat(ctx context.Context, worker uuid.UUID, name string) (*LeaseView, error)
	// Take makes partitions the claimer's, each under a fresh token, in one step: one
	// commit for all, where commits are slow. took says of each claim whether it was
	// found as it had been seen.
	Take(ctx context.Context, claims []LeaseClaim) (took []bool, err error)
	// Ask asks the owner seen in the row for a graceful hand-over.
	Ask(ctx context.Context, worker uuid.UUID, row LeaseRow) error
	// Release hands the partition to whoever asked for it, if that worker is still
	// there and not draining, and frees it otherwise. fresh replaces the token, which
	// keeps the old owner out at once.
	Release(ctx context.Context, worker uuid.UUID, lease Lease, fresh uuid.UUID) error
	// Free frees a partition that is the worker's under the lease's token, which
	// stays: its transactions may still be fenced in.
	Free(ctx context.Context, worker uuid.UUID, lease Lease) error
	// Drain announces that the worker takes nothing any more.
	Drain(ctx context.Context, worker uuid.UUID) error
	// Leave takes the worker's wishes back, frees what it owns and forgets it.
	Leave(ctx context.Context, worker uuid.UUID) error
	// Forget forgets a worker that owns nothing and whose counter still stands there.
	Forget(ctx context.Context, worker uuid.UUID, counter int64) error
}

// LeaseView is what a heartbeat reads.
type LeaseView struct {
	Leases  []LeaseRow // by partition
	Workers []WorkerRow
}

// LeaseRow is who owns a partition. Nil is nobody.
type LeaseRow struct {
	Partition int
	Owner     *uuid.UUID
	Token     *uuid.UUID
	WantedBy  *uuid.UUID
}

// WorkerRow is a worker. Its counter moves with each heartbeat.
type WorkerRow struct {
	ID       uuid.UUID
	Counter  int64
	Draining bool
}

// LeaseClaim is the wish to take a partition. It succeeds only while owner and
// token are those of Row, and the owner, if it is another worker, is still gone:
// its counter stands at Counter, or it has no row where it had none.
type LeaseClaim struct {
	Row    LeaseRow
	Worker uuid.UUID
	Token  uuid.UUID // the fresh one
	// Registered says that the owner has a row, whose counter stood still at Counter.
	Registered bool
	Counter    int64
}
