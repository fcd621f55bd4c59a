package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// LeaseTable is ledger.LeaseTable on Postgres. The rows of the partitions are made
// by Store.EnsurePartitions.
type LeaseTable struct {
	beats *pgxpool.Pool // for heartbeats and for taking
	query *query.Queries

	mu         sync.Mutex
	configured []Account // by name; nil: nobody said
	changed    bool      // since all of it was last written
	said       int       // of configured, while it is being written
}

var _ ledger.LeaseTable = (*LeaseTable)(nil)

// NewLeaseTable makes the table's view of a migrated database. The pool stays the
// caller's.
func NewLeaseTable(pool *pgxpool.Pool) *LeaseTable { return NewLeaseTableWith(pool, pool) }

// NewLeaseTableWith is NewLeaseTable with connections of their own for heartbeats: in
// one pool with commits they wait behind those that need the lease.
func NewLeaseTableWith(pool, beats *pgxpool.Pool) *LeaseTable {
	return &LeaseTable{beats: beats, query: query.New(pool)}
}

// sayTimeout bounds saying which accounts a worker has, sayAccounts how many are said with
// one heartbeat: those after them must not come late.
const (
	sayTimeout  = time.Second
	sayAccounts = 2_000
)

// Configure names the accounts of this process's configuration: the next heartbeat says
// so in the database, and so does the first after the worker's row was lost. It may be
// called again when the configuration changes; nothing is written for the same accounts.
func (t *LeaseTable) Configure(accounts []Account) {
	accounts = slices.SortedFunc(slices.Values(accounts), func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	if accounts == nil {
		accounts = []Account{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.configured == nil || !reflect.DeepEqual(t.configured, accounts) {
		t.configured, t.changed, t.said = accounts, true, 0
	}
}

// The statements of a heartbeat. They are written here because they go out
// together, which generated queries cannot.
const (
	registerWorker = `INSERT INTO courier.worker (id, name) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET counter = courier.worker.counter + 1, seen_at = now()
		RETURNING configured_at IS NOT NULL, xmax = 0`
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
	var said, fresh bool
	batch.Queue(registerWorker, worker, clean(name)).QueryRow(func(row pgx.Row) error { return row.Scan(&said, &fresh) })
	batch.Queue(readLeases).Query(func(rows pgx.Rows) (err error) {
		view.Leases, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.LeaseRow])
		return err
	})
	batch.Queue(readWorkers).Query(func(rows pgx.Rows) (err error) {
		view.Workers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.WorkerRow])
		return err
	})
	if err := t.beats.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if fresh {
		t.forgetSaid()
	}
	t.sayConfigured(ctx, worker, said)
	return view, nil
}

// forgetSaid begins again: what was said went with the worker's row.
func (t *LeaseTable) forgetSaid() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = 0
}

// sayConfigured writes which accounts the worker has, where that is not known: some with
// each heartbeat, until all are. It is a statement of its own behind the heartbeat, whose
// answer it must not spoil: what fails is written with the next.
func (t *LeaseTable) sayConfigured(ctx context.Context, worker uuid.UUID, said bool) {
	t.mu.Lock()
	accounts, changed, from := t.configured, t.changed, t.said
	t.mu.Unlock()
	if accounts == nil || said && !changed {
		return
	}
	to := min(from+sayAccounts, len(accounts))
	params := query.SayConfiguredParams{Worker: worker, Accounts: []string{}, Catalogs: []string{}, Last: to == len(accounts)}
	if from > 0 {
		params.After = clean(accounts[from-1].Name)
	}
	for i := from; i < to; i++ {
		params.Upto = clean(accounts[i].Name)
		for _, catalog := range append([]string{""}, accounts[i].Catalogs...) {
			params.Accounts, params.Catalogs = append(params.Accounts, params.Upto), append(params.Catalogs, clean(catalog))
		}
	}
	// The lease is confirmed only after it: it must not take long.
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	if err := query.New(t.beats).SayConfigured(ctx, params); err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.configured) != len(accounts) || len(accounts) > 0 && &t.configured[0] != &accounts[0] {
		return // others are to be said by now
	}
	if t.said = to; params.Last {
		t.said, t.changed = 0, false
	}
}

// The ways to take a partition. Locking the owner's row makes the last look at its
// counter and the taking one step: a heartbeat in between either makes takeExpired
// find nothing, or waits and then sees the loss.
const (
	// takeFree takes a partition that nobody owns.
	takeFree = `UPDATE courier.lease SET owner = $2, token = $3, last_transaction = $3, wanted_by = NULL
		WHERE partition = $1 AND owner IS NULL`
	// takeHanded takes a partition that its former owner handed to this worker, or that
	// this worker itself gave up without releasing it.
	takeHanded = `UPDATE courier.lease SET token = $3, last_transaction = $3, wanted_by = NULL
		WHERE partition = $1 AND owner = $2 AND token IS NOT DISTINCT FROM $4::uuid`
	// takeExpired takes a partition from an owner whose counter stood still.
	takeExpired = `WITH still AS (
			SELECT w.id FROM courier.worker w WHERE w.id = $5 AND w.counter = $6 FOR UPDATE
		)
		UPDATE courier.lease l SET owner = $2, token = $3, last_transaction = $3, wanted_by = NULL
		FROM still
		WHERE l.partition = $1 AND l.owner = still.id AND l.token IS NOT DISTINCT FROM $4::uuid`
	// takeOrphan takes a partition whose owner has no row any more.
	takeOrphan = `UPDATE courier.lease l SET owner = $2, token = $3, last_transaction = $3, wanted_by = NULL
		WHERE l.partition = $1 AND l.owner = $5 AND l.token IS NOT DISTINCT FROM $4::uuid
			AND NOT EXISTS (SELECT FROM courier.worker w WHERE w.id = $5)`
)

// Take makes partitions the claimer's: see ledger.LeaseTable. All go out in one
// flight and are one transaction.
func (t *LeaseTable) Take(ctx context.Context, claims []ledger.LeaseClaim) ([]bool, error) {
	took := make([]bool, len(claims))
	batch := &pgx.Batch{}
	for _, i := range inLockOrder(claims) {
		queueTake(batch, claims[i]).Exec(func(done pgconn.CommandTag) error {
			took[i] = done.RowsAffected() > 0
			return nil
		})
	}
	if err := t.beats.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("taking %d partitions: %w", len(claims), err)
	}
	return took, nil
}

// inLockOrder lists the claims so that two workers that take at once lock the rows of
// owners, and then those of partitions, in one order.
func inLockOrder(claims []ledger.LeaseClaim) []int {
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	owner := func(claim ledger.LeaseClaim) (id uuid.UUID) {
		if claim.Row.Owner != nil {
			id = *claim.Row.Owner
		}
		return id
	}
	slices.SortFunc(order, func(a, b int) int {
		first, second := owner(claims[a]), owner(claims[b])
		return cmp.Or(slices.Compare(first[:], second[:]), cmp.Compare(claims[a].Row.Partition, claims[b].Row.Partition))
	})
	return order
}

func queueTake(batch *pgx.Batch, claim ledger.LeaseClaim) *pgx.QueuedQuery {
	row := claim.Row
	switch {
	case row.Owner == nil:
		return batch.Queue(takeFree, row.Partition, claim.Worker, claim.Token)
	case *row.Owner == claim.Worker:
		return batch.Queue(takeHanded, row.Partition, claim.Worker, claim.Token, row.Token)
	case !claim.Registered:
		return batch.Queue(takeOrphan, row.Partition, claim.Worker, claim.Token, row.Token, *row.Owner)
	default:
		return batch.Queue(takeExpired, row.Partition, claim.Worker, claim.Token, row.Token, *row.Owner, claim.Counter)
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
