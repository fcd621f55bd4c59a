package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// LeaseTable is ledger.LeaseTable on Postgres. The rows of the partitions are made
// by Store.EnsurePartitions.
type LeaseTable struct {
	pool  *pgxpool.Pool
	query *query.Queries
}

var _ ledger.LeaseTable = (*LeaseTable)(nil)

// NewLeaseTable makes the table's view of a migrated database. The pool stays the
// caller's.
func NewLeaseTable(pool *pgxpool.Pool) *LeaseTable {
	return &LeaseTable{pool: pool, query: query.New(pool)}
}

// The statements of a heartbeat. They are written here because they go out
// together, which generated queries cannot.
const (
	registerWorker = `INSERT INTO courier.worker (id, name) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET counter = courier.worker.counter + 1, seen_at = now()`
	readLeases  = `SELECT partition, owner, token, wanted_by FROM courier.lease ORDER BY partition`
	readWorkers = `SELECT id, counter, draining FROM courier.worker`
)

// Heartbeat moves the counter and then reads, in one transaction: while its own
// row is locked nobody takes a partition from it, so what it reads as its own is
// its own until the commit. All of it goes out in one flight, with nothing left for
// this side to send: a worker frozen in the middle would sit on the lock that its
// successor needs.
func (t *LeaseTable) Heartbeat(ctx context.Context, worker uuid.UUID, name string) (*ledger.LeaseView, error) {
	view := &ledger.LeaseView{}
	batch := &pgx.Batch{}
	batch.Queue(registerWorker, worker, clean(name))
	batch.Queue(readLeases).Query(func(rows pgx.Rows) (err error) {
		view.Leases, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.LeaseRow])
		return err
	})
	batch.Queue(readWorkers).Query(func(rows pgx.Rows) (err error) {
		view.Workers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.WorkerRow])
		return err
	})
	if err := t.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	return view, nil
}

// Take makes a partition the claimer's: see ledger.LeaseTable.
func (t *LeaseTable) Take(ctx context.Context, claim ledger.LeaseClaim) (bool, error) {
	took, err := t.take(ctx, claim)
	if err != nil {
		return false, fmt.Errorf("taking partition %d: %w", claim.Row.Partition, err)
	}
	return took > 0, nil
}

func (t *LeaseTable) take(ctx context.Context, claim ledger.LeaseClaim) (int64, error) {
	partition, row := int32(claim.Row.Partition), claim.Row //nolint:gosec // at most maxPartitions
	switch {
	case row.Owner == nil:
		return t.query.TakeFree(ctx, query.TakeFreeParams{Partition: partition, Me: claim.Worker, Fresh: claim.Token})
	case *row.Owner == claim.Worker:
		return t.query.TakeHanded(ctx, query.TakeHandedParams{
			Partition: partition, Me: claim.Worker, Fresh: claim.Token, Seen: row.Token,
		})
	case !claim.Registered:
		return t.query.TakeOrphan(ctx, query.TakeOrphanParams{
			Partition: partition, Me: claim.Worker, Fresh: claim.Token, Owner: *row.Owner, Seen: row.Token,
		})
	default:
		return t.query.TakeExpired(ctx, query.TakeExpiredParams{
			Partition: partition, Me: claim.Worker, Fresh: claim.Token, Owner: *row.Owner, Counter: claim.Counter, Seen: row.Token,
		})
	}
}

// Ask asks for a graceful hand-over: see ledger.LeaseTable.
func (t *LeaseTable) Ask(ctx context.Context, worker uuid.UUID, row ledger.LeaseRow) error {
	_, err := t.query.AskFor(ctx, query.AskForParams{
		Partition: int32(row.Partition), Me: worker, Owner: *row.Owner, Seen: row.Token, InsteadOf: row.WantedBy, //nolint:gosec // at most maxPartitions
	})
	if err != nil {
		return fmt.Errorf("asking for partition %d: %w", row.Partition, err)
	}
	return nil
}

// Release hands a partition over or frees it: see ledger.LeaseTable.
func (t *LeaseTable) Release(ctx context.Context, worker uuid.UUID, lease ledger.Lease, fresh uuid.UUID) error {
	_, err := t.query.ReleaseLease(ctx, query.ReleaseLeaseParams{
		Partition: int32(lease.Partition), Fresh: fresh, Me: worker, Token: lease.Token, //nolint:gosec // at most maxPartitions
	})
	if err != nil {
		return fmt.Errorf("releasing partition %d: %w", lease.Partition, err)
	}
	return nil
}

// Free frees a partition under a token: see ledger.LeaseTable.
func (t *LeaseTable) Free(ctx context.Context, worker uuid.UUID, lease ledger.Lease) error {
	_, err := t.query.FreeOwnLease(ctx, query.FreeOwnLeaseParams{
		Partition: int32(lease.Partition), Me: worker, Token: lease.Token, //nolint:gosec // at most maxPartitions
	})
	if err != nil {
		return fmt.Errorf("freeing partition %d: %w", lease.Partition, err)
	}
	return nil
}

// Drain announces a shutdown: see ledger.LeaseTable.
func (t *LeaseTable) Drain(ctx context.Context, worker uuid.UUID) error {
	if err := t.query.DrainWorker(ctx, worker); err != nil {
		return fmt.Errorf("announcing the shutdown: %w", err)
	}
	return nil
}

// Leave forgets a worker: see ledger.LeaseTable. Each step is one by itself: what
// a broken connection leaves undone expires.
func (t *LeaseTable) Leave(ctx context.Context, worker uuid.UUID) error {
	err := errors.Join(t.query.StopAsking(ctx, worker), t.query.FreeLeasesOf(ctx, worker), t.query.RemoveWorker(ctx, worker))
	if err != nil {
		return fmt.Errorf("leaving the group of workers: %w", err)
	}
	return nil
}

// Forget forgets a dead worker: see ledger.LeaseTable.
func (t *LeaseTable) Forget(ctx context.Context, worker uuid.UUID, counter int64) error {
	if _, err := t.query.RemoveStillWorker(ctx, query.RemoveStillWorkerParams{ID: worker, Counter: counter}); err != nil {
		return fmt.Errorf("forgetting a worker: %w", err)
	}
	return nil
}
