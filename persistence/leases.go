package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// LeasesConfig says how a worker shares the partitions with others. All workers
// should have the same times.
type LeasesConfig struct {
	// Partitions is their number, as given to EnsurePartitions.
	Partitions int
	// Name is shown in the worker table. Defaults to the host's name.
	Name string
	// TTL is how long a worker's counter must stand still, by the observer's clock,
	// for its partitions to be taken. Defaults to 10 s.
	TTL time.Duration
	// Interval is between two heartbeats. Defaults to TTL/5, at most 2 s: partitions
	// are spread and handed over by heartbeats, and that should not take the longer
	// the more patient a lease is.
	Interval time.Duration
	// Margin is how much earlier than others may take a partition its owner stops
	// writing. Defaults to TTL/5.
	Margin time.Duration
	// DrainTimeout bounds how long Run waits at its end for the holdings to be
	// released. Defaults to 60 s.
	DrainTimeout time.Duration
	Logger       *slog.Logger
}

func (c LeasesConfig) withDefaults() LeasesConfig {
	host, _ := os.Hostname() // an empty name is fine
	c.Name = cmp.Or(c.Name, host)
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
	c.Interval = cmp.Or(c.Interval, min(c.TTL/5, 2*time.Second))
	c.Margin = cmp.Or(c.Margin, c.TTL/5)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Leases acquires partitions for one worker, keeps them by heartbeats and hands
// surplus ones over, so that they are spread evenly over the living workers.
type Leases struct {
	config LeasesConfig
	pool   *pgxpool.Pool
	query  *query.Queries
	me     uuid.UUID

	acquired chan *Holding

	mu       sync.Mutex
	held     map[int]*Holding // until Release, lost ones too
	released chan struct{}    // nudges Run after a release

	seen map[uuid.UUID]sighting // of all workers; Run's own
	free map[int]time.Time      // since when partitions were seen free; Run's own
}

// sighting is when a worker's counter was last seen to move, by this worker's
// own monotonic clock.
type sighting struct {
	counter int64
	moved   time.Time
}

// NewLeases prepares a worker's part; Run makes it live. The pool stays the
// caller's.
func NewLeases(pool *pgxpool.Pool, config LeasesConfig) *Leases {
	config = config.withDefaults()
	return &Leases{
		config: config, pool: pool, query: query.New(pool), me: uuid.New(),
		acquired: make(chan *Holding, config.Partitions),
		held:     make(map[int]*Holding),
		released: make(chan struct{}, 1),
		seen:     make(map[uuid.UUID]sighting),
		free:     make(map[int]time.Time),
	}
}

// Worker is this worker's id.
func (l *Leases) Worker() uuid.UUID { return l.me }

// Acquired gives each partition as it becomes this worker's. It is never closed.
func (l *Leases) Acquired() <-chan *Holding { return l.acquired }

// Holdings are the partitions held now, lost ones that are not released among
// them.
func (l *Leases) Holdings() []*Holding {
	l.mu.Lock()
	defer l.mu.Unlock()
	holdings := make([]*Holding, 0, len(l.held))
	for _, h := range l.held {
		holdings = append(holdings, h)
	}
	return holdings
}

// Run keeps the leases until ctx ends. Then it asks all holdings back, goes on
// with the heartbeats until they are released or DrainTimeout has passed, and
// leaves. A database that is away is waited for; what is held is lost at its
// deadline. Run is called once.
func (l *Leases) Run(ctx context.Context) error {
	// The heartbeats go on after ctx ends.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ticker := time.NewTicker(l.config.Interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		l.round(ctx, true)
		select {
		case <-ticker.C:
		case <-l.released:
		case <-ctx.Done():
		}
	}
	l.drain(work, ticker.C)
	return l.leave(work)
}

func (l *Leases) drain(ctx context.Context, tick <-chan time.Time) {
	deadline := time.NewTimer(l.config.DrainTimeout)
	defer deadline.Stop()
	for _, h := range l.Holdings() {
		h.askBack()
	}
	if err := l.bounded(ctx, func(ctx context.Context) error { return l.query.DrainWorker(ctx, l.me) }); err != nil {
		l.config.Logger.WarnContext(ctx, "announcing the shutdown failed", "error", err)
	}
	for len(l.Holdings()) > 0 {
		select {
		case <-tick:
			l.round(ctx, false)
		case <-l.released:
		case <-deadline.C:
			return
		}
	}
}

// leave forgets this worker. What it still held is lost first.
func (l *Leases) leave(ctx context.Context) error {
	for _, h := range l.Holdings() {
		h.lose()
	}
	err := l.bounded(ctx, func(ctx context.Context) error {
		return errors.Join(l.query.StopAsking(ctx, l.me), l.query.FreeLeasesOf(ctx, l.me), l.query.RemoveWorker(ctx, l.me))
	})
	if err != nil {
		return fmt.Errorf("leaving the group of workers: %w", err)
	}
	return nil
}

// bounded gives one exchange with the database as long as heartbeats may be late.
func (l *Leases) bounded(ctx context.Context, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.TTL/2)
	defer cancel()
	return exchange(ctx)
}

// round is one heartbeat with what follows from it.
func (l *Leases) round(ctx context.Context, joining bool) {
	err := l.bounded(ctx, func(ctx context.Context) error {
		start := time.Now()
		view, err := l.heartbeat(ctx)
		if err != nil {
			return err
		}
		l.confirm(view, start)
		if !joining {
			return nil
		}
		return l.act(ctx, view, start)
	})
	if err != nil && ctx.Err() == nil {
		l.config.Logger.WarnContext(ctx, "heartbeat failed", "worker", l.me, "error", err)
	}
	l.expire()
}

// expire loses what could not be confirmed in time.
func (l *Leases) expire() {
	at := time.Now()
	for _, h := range l.Holdings() {
		if deadline := h.Deadline(); !deadline.IsZero() && !at.Before(deadline) {
			l.config.Logger.Warn("lease lost: no heartbeat got through in time", "partition", h.Lease.Partition)
			h.lose()
		}
	}
}

// view is what a heartbeat read.
type view struct {
	leases  []leaseRow
	workers []workerRow
}

type leaseRow struct {
	Partition int32
	Owner     *uuid.UUID
	Token     *uuid.UUID
	WantedBy  *uuid.UUID
}

type workerRow struct {
	ID       uuid.UUID
	Counter  int64
	Draining bool
}

// The statements of a heartbeat. They are written here because they go out
// together, which generated queries cannot.
const (
	registerWorker = `INSERT INTO courier.worker (id, name) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET counter = courier.worker.counter + 1, seen_at = now()`
	readLeases  = `SELECT partition, owner, token, wanted_by FROM courier.lease ORDER BY partition`
	readWorkers = `SELECT id, counter, draining FROM courier.worker`
)

// heartbeat moves the counter and then reads, in one transaction: while its own
// row is locked nobody takes a partition from it, so what it reads as its own is
// its own until the commit, and for TTL from the start of the heartbeat. All of
// it goes out in one flight, with nothing left for this side to send: a worker
// frozen in the middle would sit on the lock that its successor needs.
func (l *Leases) heartbeat(ctx context.Context) (*view, error) {
	v := &view{}
	batch := &pgx.Batch{}
	batch.Queue(registerWorker, l.me, clean(l.config.Name))
	batch.Queue(readLeases).Query(func(rows pgx.Rows) (err error) {
		v.leases, err = pgx.CollectRows(rows, pgx.RowToStructByPos[leaseRow])
		return err
	})
	batch.Queue(readWorkers).Query(func(rows pgx.Rows) (err error) {
		v.workers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[workerRow])
		return err
	})
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return v, nil
}

// confirm extends what is still this worker's and loses what is not.
func (l *Leases) confirm(v *view, start time.Time) {
	deadline := start.Add(l.config.TTL - l.config.Margin)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range v.leases {
		h := l.held[int(row.Partition)]
		if h == nil || h.isLost() {
			continue
		}
		if !is(row.Owner, l.me) || !is(row.Token, h.Lease.Token) {
			l.config.Logger.Warn("lease lost: another worker took the partition", "partition", row.Partition)
			h.lose()
			continue
		}
		h.extend(deadline)
		if row.WantedBy != nil {
			h.askBack()
		}
	}
}

func is(id *uuid.UUID, other uuid.UUID) bool { return id != nil && *id == other }

// act takes and asks for what is due to this worker.
func (l *Leases) act(ctx context.Context, v *view, start time.Time) error {
	counters, live := l.observe(v, start)
	partitions := l.ownerships(v, live, start)
	var joining []uuid.UUID
	for _, w := range v.workers {
		if live[w.ID] && !w.Draining {
			joining = append(joining, w.ID)
		}
	}
	rows := make(map[int]leaseRow, len(v.leases))
	for _, row := range v.leases {
		rows[int(row.Partition)] = row
	}
	d := spread(l.me, joining, partitions)
	var errs []error
	for _, row := range v.leases {
		if is(row.Owner, l.me) {
			errs = append(errs, l.tidy(ctx, row, counters, start))
		}
	}
	for _, partition := range d.take {
		if len(l.acquired) == cap(l.acquired) {
			break // nobody comes for what was taken before
		}
		errs = append(errs, l.take(ctx, rows[partition], counters, start))
	}
	for _, partition := range d.ask {
		row := rows[partition]
		_, err := l.query.AskFor(ctx, query.AskForParams{
			Partition: row.Partition, Me: l.me, Owner: *row.Owner, Seen: row.Token, InsteadOf: row.WantedBy,
		})
		errs = append(errs, err)
	}
	errs = append(errs, l.forget(ctx, v, live))
	return errors.Join(errs...)
}

// tidy looks at a partition that is this worker's by its row. Without a holding
// it was handed over, or taken without an answer: take it. With one that was lost
// for want of heartbeats the row is freed, so that another need not wait for the
// release.
func (l *Leases) tidy(ctx context.Context, row leaseRow, counters map[uuid.UUID]int64, start time.Time) error {
	l.mu.Lock()
	h := l.held[int(row.Partition)]
	l.mu.Unlock()
	switch {
	case h == nil && len(l.acquired) == cap(l.acquired):
		return nil // nobody comes for what was taken before
	case h == nil:
		return l.take(ctx, row, counters, start)
	case h.isLost() && is(row.Token, h.Lease.Token):
		_, err := l.query.FreeOwnLease(ctx, query.FreeOwnLeaseParams{Partition: row.Partition, Me: l.me, Token: h.Lease.Token})
		return err
	default:
		return nil
	}
}

func (l *Leases) holds(partition int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[partition] != nil
}

// observe notes whose counters moved. A worker is alive until its counter stood
// still for TTL by this worker's own clock; one never seen before starts now.
func (l *Leases) observe(v *view, at time.Time) (counters map[uuid.UUID]int64, live map[uuid.UUID]bool) {
	counters, live = make(map[uuid.UUID]int64), make(map[uuid.UUID]bool)
	for _, w := range v.workers {
		counters[w.ID] = w.Counter
		known, ok := l.seen[w.ID]
		if !ok || known.counter != w.Counter {
			// Read after the counter moved: at the earliest now, not at start.
			known = sighting{counter: w.Counter, moved: time.Now()}
			l.seen[w.ID] = known
		}
		live[w.ID] = w.ID == l.me || at.Sub(known.moved) < l.config.TTL
	}
	for id := range l.seen {
		if _, there := counters[id]; !there {
			delete(l.seen, id)
		}
	}
	return counters, live
}

// ownerships turns rows into what spread decides on.
func (l *Leases) ownerships(v *view, live map[uuid.UUID]bool, at time.Time) []ownership {
	partitions := make([]ownership, 0, len(v.leases))
	for _, row := range v.leases {
		p := ownership{partition: int(row.Partition)}
		if row.Owner != nil && live[*row.Owner] {
			p.owner = *row.Owner
		}
		if row.WantedBy != nil && live[*row.WantedBy] {
			p.wantedBy = *row.WantedBy
		}
		if p.owner != l.me {
			p.barred = l.holds(p.partition)
		}
		if p.owner != uuid.Nil {
			delete(l.free, p.partition)
		} else if since, ok := l.free[p.partition]; !ok {
			l.free[p.partition] = at
		} else {
			p.stranded = at.Sub(since) > l.config.TTL
		}
		partitions = append(partitions, p)
	}
	return partitions
}

// take tries to make a partition this worker's, under a fresh token. Losing the
// race to another worker is no error.
func (l *Leases) take(ctx context.Context, row leaseRow, counters map[uuid.UUID]int64, start time.Time) error {
	fresh := uuid.New()
	took, err := l.tryTake(ctx, row, fresh, counters)
	if err != nil {
		return fmt.Errorf("taking partition %d: %w", row.Partition, err)
	}
	if took == 0 {
		return nil
	}
	lease := ledger.Lease{Partition: int(row.Partition), Token: fresh}
	h := newHolding(l, lease, start.Add(l.config.TTL-l.config.Margin))
	l.mu.Lock()
	l.held[lease.Partition] = h
	l.mu.Unlock()
	l.config.Logger.InfoContext(ctx, "partition acquired", "partition", lease.Partition)
	l.acquired <- h // has room: act looked, and nobody else sends
	return nil
}

func (l *Leases) tryTake(ctx context.Context, row leaseRow, fresh uuid.UUID, counters map[uuid.UUID]int64) (int64, error) {
	if row.Owner == nil {
		return l.query.TakeFree(ctx, query.TakeFreeParams{Partition: row.Partition, Me: l.me, Fresh: fresh})
	}
	if *row.Owner == l.me {
		return l.query.TakeHanded(ctx, query.TakeHandedParams{Partition: row.Partition, Me: l.me, Fresh: fresh, Seen: row.Token})
	}
	counter, there := counters[*row.Owner]
	if !there {
		return l.query.TakeOrphan(ctx, query.TakeOrphanParams{
			Partition: row.Partition, Me: l.me, Fresh: fresh, Owner: *row.Owner, Seen: row.Token,
		})
	}
	return l.query.TakeExpired(ctx, query.TakeExpiredParams{
		Partition: row.Partition, Me: l.me, Fresh: fresh, Owner: *row.Owner, Counter: counter, Seen: row.Token,
	})
}

// forget removes the rows of workers that died and own nothing any more.
func (l *Leases) forget(ctx context.Context, v *view, live map[uuid.UUID]bool) error {
	for _, w := range v.workers {
		if live[w.ID] {
			continue
		}
		if _, err := l.query.RemoveStillWorker(ctx, query.RemoveStillWorkerParams{ID: w.ID, Counter: w.Counter}); err != nil {
			return fmt.Errorf("forgetting a worker: %w", err)
		}
	}
	return nil
}

// release writes the release and makes the partition available to this worker
// again.
func (l *Leases) release(ctx context.Context, h *Holding) error {
	l.mu.Lock()
	current := l.held[h.Lease.Partition] == h
	l.mu.Unlock()
	if !current {
		return nil
	}
	h.lose()
	err := l.bounded(context.WithoutCancel(ctx), func(ctx context.Context) error {
		_, err := l.query.ReleaseLease(ctx, query.ReleaseLeaseParams{
			Partition: int32(h.Lease.Partition), Fresh: uuid.New(), Me: l.me, Token: h.Lease.Token, //nolint:gosec // at most maxPartitions
		})
		return err
	})
	l.mu.Lock()
	if l.held[h.Lease.Partition] == h {
		delete(l.held, h.Lease.Partition)
	}
	l.mu.Unlock()
	select {
	case l.released <- struct{}{}:
	default:
	}
	if err != nil {
		return fmt.Errorf("releasing partition %d: %w", h.Lease.Partition, err)
	}
	return nil
}
