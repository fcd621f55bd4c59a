package lease

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Config says how a worker shares the partitions with others. All workers
// should have the same times.
type Config struct {
	// Worker is this worker's id. Defaults to a fresh one.
	Worker uuid.UUID
	// Partitions is their number.
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
	// writing. Defaults to TTL/10: the owner counts from before its heartbeat and the
	// others from after it, so that this is for clocks that run at different speeds.
	Margin time.Duration
	// DrainTimeout bounds how long Run waits at its end for the holdings to be
	// released. Defaults to 60 s.
	DrainTimeout time.Duration
	// Fit, when not nil, is asked before each round. While it is false the worker
	// takes no partitions, hands over what it has, and leaves the others to
	// themselves. It must be quick, and safe for concurrent use.
	Fit    func() bool
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	host, _ := os.Hostname() // an empty name is fine
	c.Name = cmp.Or(c.Name, host)
	if c.Worker == uuid.Nil {
		c.Worker = uuid.New()
	}
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
	c.Interval = cmp.Or(c.Interval, min(c.TTL/5, 2*time.Second))
	c.Margin = cmp.Or(c.Margin, c.TTL/10)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Fit == nil {
		c.Fit = func() bool { return true }
	}
	return c
}

// Manager acquires partitions for one worker, keeps them by heartbeats and hands
// surplus ones over, so that they are spread evenly over the living workers.
type Manager struct {
	config Config
	table  ledger.LeaseTable
	me     uuid.UUID

	acquired chan *Holding

	mu       sync.Mutex
	held     map[int]*Holding // until Release, lost ones too
	claims   map[int]*claimed // what is being taken
	health   health
	sharing  sharing
	acting   bool          // what followed from a heartbeat is being done
	acted    time.Time     // when that last ended
	wished   bool          // a round came by meanwhile
	released chan struct{} // nudges Run after a release

	seen map[uuid.UUID]sighting // of all workers; Run's own
	free map[int]time.Time      // since when partitions were seen free; Run's own
	lost []*Holding             // those that were lost before this round; Run's own
}

// sighting is when a worker's counter was last seen to move, by this worker's
// own monotonic clock.
type sighting struct {
	counter int64
	moved   time.Time
}

// New prepares a worker's part; Run makes it live.
func New(table ledger.LeaseTable, config Config) *Manager {
	config = config.withDefaults()
	return &Manager{
		config: config, table: table, me: config.Worker,
		acquired: make(chan *Holding, config.Partitions),
		held:     make(map[int]*Holding),
		claims:   make(map[int]*claimed),
		released: make(chan struct{}, 1),
		seen:     make(map[uuid.UUID]sighting),
		free:     make(map[int]time.Time),
	}
}

// Worker is this worker's id.
func (k *Manager) Worker() uuid.UUID { return k.me }

// Acquired gives each partition as it becomes this worker's. It is never closed.
func (k *Manager) Acquired() <-chan *Holding { return k.acquired }

// Holdings are the partitions held now, lost ones that are not released among
// them.
func (k *Manager) Holdings() []*Holding {
	k.mu.Lock()
	defer k.mu.Unlock()
	holdings := make([]*Holding, 0, len(k.held))
	for _, h := range k.held {
		holdings = append(holdings, h)
	}
	return holdings
}

// Run keeps the leases until ctx ends. Then it asks all holdings back, goes on
// with the heartbeats until they are released or DrainTimeout has passed, and
// leaves. A database that is away is waited for; what is held is lost at its
// deadline. Run is called once.
func (k *Manager) Run(ctx context.Context) error {
	// The heartbeats go on after ctx ends.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	k.mu.Lock()
	k.health.began = time.Now()
	k.mu.Unlock()
	ticker := time.NewTicker(k.config.Interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		k.takePart(ctx, ticker.C)
		if ctx.Err() == nil {
			k.standAside(ctx, work, ticker.C)
		}
	}
	k.drain(work, ticker.C)
	return k.leave(work)
}

// takePart acquires partitions and keeps them until ctx ends or the worker is not fit.
// Nothing is being taken any more when it returns.
func (k *Manager) takePart(ctx context.Context, tick <-chan time.Time) {
	var actions sync.WaitGroup
	defer actions.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // their calls end with it
	for ctx.Err() == nil && k.config.Fit() {
		k.round(ctx, &actions)
		select {
		case <-tick:
		case <-k.released:
		case <-ctx.Done():
		}
		k.takeWishes(tick) // one round serves all that asked for it
	}
}

// standAside hands everything over, as at the end, and waits until the worker is fit
// again or ctx ends. The row of the worker is removed meanwhile, so that the others
// share the partitions among themselves; the next heartbeat makes it again.
func (k *Manager) standAside(ctx, work context.Context, tick <-chan time.Time) {
	k.config.Logger.WarnContext(ctx, "this worker stands aside: it takes no partitions and hands over what it has")
	k.drain(work, tick)
	left := false
	for ctx.Err() == nil {
		if !left { // a database that is away is asked again
			err := k.leave(work)
			if left = err == nil; !left {
				k.config.Logger.WarnContext(ctx, "leaving the group of workers failed, trying again", slog.Any("error", err))
			}
		}
		if k.config.Fit() {
			k.config.Logger.InfoContext(ctx, "this worker takes partitions again")
			return
		}
		select {
		case <-tick:
		case <-ctx.Done():
		}
	}
}

// takeWishes takes what else asks for a round.
func (k *Manager) takeWishes(tick <-chan time.Time) {
	select {
	case <-tick:
	default:
	}
	select {
	case <-k.released:
	default:
	}
}

func (k *Manager) drain(ctx context.Context, tick <-chan time.Time) {
	deadline := time.NewTimer(k.config.DrainTimeout)
	defer deadline.Stop()
	for _, h := range k.Holdings() {
		h.askBack()
	}
	if err := within(ctx, lastExchange, func(ctx context.Context) error { return k.table.Drain(ctx, k.me) }); err != nil {
		k.config.Logger.WarnContext(ctx, "announcing the shutdown failed", slog.Any("error", err))
	}
	for len(k.Holdings()) > 0 {
		select {
		case <-tick:
			if len(k.Holdings()) > 0 { // the last one may have been released at this moment
				k.round(ctx, nil)
			}
		case <-k.released:
		case <-deadline.C:
			return
		}
	}
}

// leave forgets this worker. What it still held is lost first.
func (k *Manager) leave(ctx context.Context) error {
	for _, h := range k.Holdings() {
		h.lose()
	}
	return within(ctx, lastExchange, func(ctx context.Context) error { return k.table.Leave(ctx, k.me) })
}

// bounded gives one exchange with the database its time. It does not hold up
// heartbeats.
func (k *Manager) bounded(ctx context.Context, exchange func(context.Context) error) error {
	return within(ctx, max(k.config.TTL/2, slowExchange), exchange)
}

const (
	// slowExchange is for how long an exchange is waited for at least: commits may be slow.
	slowExchange = 10 * time.Second
	// lastExchange is the same of one that only tells the others earlier what they see
	// anyway when the leases expire: nobody waits long for that.
	lastExchange = 3 * time.Second
)

func within(ctx context.Context, limit time.Duration, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return exchange(ctx)
}

// round is one heartbeat. What follows from it is done beside the next ones, as one of
// actions; nil when the worker takes nothing any more.
func (k *Manager) round(ctx context.Context, actions *sync.WaitGroup) {
	start := time.Now()
	k.lost = k.lostHoldings()
	// Later than that it would confirm nothing.
	beat, cancel := context.WithTimeout(ctx, k.config.TTL-k.config.Margin)
	view, err := k.table.Heartbeat(beat, k.me, k.config.Name)
	cancel()
	switch {
	case err == nil:
		k.confirm(view, start)
		k.noteHeartbeat(ctx, start, true)
		if actions != nil {
			k.follow(ctx, view, start, actions)
		}
	case ctx.Err() == nil:
		k.config.Logger.WarnContext(ctx, "heartbeat failed", slog.Any("worker", k.me), slog.Any("error", err))
		k.noteHeartbeat(ctx, start, false)
	}
	k.expire()
}

// expire loses what could not be confirmed in time.
func (k *Manager) expire() {
	at := time.Now()
	for _, h := range k.Holdings() {
		if deadline := h.Deadline(); !deadline.IsZero() && !at.Before(deadline) {
			k.config.Logger.Warn("lease lost: no heartbeat got through in time", slog.Int("partition", h.Lease.Partition))
			h.lose()
		}
	}
}

// confirm extends what is still this worker's and loses what is not. What is being
// taken counts as well, see claimed.
func (k *Manager) confirm(v *ledger.LeaseView, start time.Time) {
	deadline := start.Add(k.config.TTL - k.config.Margin)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.health.began = start
	for _, row := range v.Leases {
		if c := k.claims[row.Partition]; c != nil {
			c.confirm(row, k.me, deadline)
		}
		h := k.held[row.Partition]
		if h == nil || h.isLost() {
			continue
		}
		own := is(row.Owner, k.me) && is(row.Token, h.Lease.Token)
		early := h.taken.After(start) && sameRow(row, h.before) // the view is of before the taking
		if !own && !early {
			k.config.Logger.Warn("lease lost: another worker took the partition", slog.Int("partition", row.Partition))
			h.lose()
			continue
		}
		h.extend(deadline)
		if own && row.WantedBy != nil {
			h.askBack()
		}
	}
}

func is(id *uuid.UUID, other uuid.UUID) bool { return id != nil && *id == other }

// lostHoldings are those that are lost and not being released.
func (k *Manager) lostHoldings() []*Holding {
	return slices.DeleteFunc(k.Holdings(), func(h *Holding) bool { return !h.isLost() || h.releasing.Load() })
}

func (k *Manager) holds(partition int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held[partition] != nil
}

// observe notes whose counters moved. A worker is alive until its counter stood
// still for TTL by this worker's own clock; one never seen before starts now.
func (k *Manager) observe(v *ledger.LeaseView, at time.Time) (counters map[uuid.UUID]int64, live map[uuid.UUID]bool) {
	counters, live = make(map[uuid.UUID]int64), make(map[uuid.UUID]bool)
	for _, w := range v.Workers {
		counters[w.ID] = w.Counter
		known, ok := k.seen[w.ID]
		if !ok || known.counter != w.Counter {
			// Read after the counter moved: at the earliest now, not at start.
			known = sighting{counter: w.Counter, moved: time.Now()}
			k.seen[w.ID] = known
		}
		live[w.ID] = w.ID == k.me || at.Sub(known.moved) < k.config.TTL
	}
	for id := range k.seen {
		if _, there := counters[id]; !there {
			delete(k.seen, id)
		}
	}
	return counters, live
}

// ownerships turns rows into what spread decides on.
func (k *Manager) ownerships(v *ledger.LeaseView, live map[uuid.UUID]bool, at time.Time) []ownership {
	partitions := make([]ownership, 0, len(v.Leases))
	for _, row := range v.Leases {
		p := ownership{partition: row.Partition}
		if row.Owner != nil && live[*row.Owner] {
			p.owner = *row.Owner
		}
		if row.WantedBy != nil && live[*row.WantedBy] {
			p.wantedBy = *row.WantedBy
		}
		if p.owner != k.me {
			p.barred = k.holds(p.partition)
		}
		if p.owner != uuid.Nil {
			delete(k.free, p.partition)
		} else if since, ok := k.free[p.partition]; !ok {
			k.free[p.partition] = at
		} else {
			p.stranded = at.Sub(since) > k.config.TTL
		}
		partitions = append(partitions, p)
	}
	return partitions
}

// release writes the release and makes the partition available to this worker
// again.
func (k *Manager) release(ctx context.Context, h *Holding) error {
	k.mu.Lock()
	current := k.held[h.Lease.Partition] == h
	k.mu.Unlock()
	if !current {
		return nil
	}
	h.releasing.Store(true) // before it is lost: what is handed over must not be freed
	h.lose()
	err := within(context.WithoutCancel(ctx), lastExchange+k.config.TTL/5, func(ctx context.Context) error {
		return k.table.Release(ctx, k.me, h.Lease, uuid.New())
	})
	k.mu.Lock()
	if k.held[h.Lease.Partition] == h {
		delete(k.held, h.Lease.Partition)
	}
	k.mu.Unlock()
	k.nudge()
	return err
}
