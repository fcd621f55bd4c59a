package lease

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// What follows from a heartbeat is done beside the next ones: a commit may take as
// long as heartbeats may be late, and there may be many. Every call names what the
// view showed and finds nothing when that is over, so that none comes too late.

// action is one call to the lease table.
type action func(ctx context.Context) error

// follow does what is due, unless what followed from an earlier heartbeat is still
// being done: the view may be older than that.
func (k *Manager) follow(ctx context.Context, v *ledger.LeaseView, start time.Time, actions *sync.WaitGroup) {
	due := k.due(v, start)
	k.mu.Lock()
	late := k.acting || start.Before(k.acted)
	k.wished = k.wished || late
	if late || len(due) == 0 {
		if !late {
			k.sharing = sharing{} // nothing is to be done any more
		}
		k.mu.Unlock()
		return
	}
	k.acting = true
	k.mu.Unlock()
	actions.Go(func() {
		began := time.Now()
		var failure error
		for _, act := range due {
			if err := k.bounded(ctx, act); err != nil && failure == nil {
				failure = err
			}
		}
		if ctx.Err() == nil {
			k.noteSharing(ctx, began, failure)
		}
		k.mu.Lock()
		again := k.wished
		k.acting, k.acted, k.wished = false, time.Now(), false
		k.mu.Unlock()
		if again {
			k.nudge()
		}
	})
}

// nudge asks Run for a round.
func (k *Manager) nudge() {
	select {
	case k.released <- struct{}{}:
	default:
	}
}

// due lists what is to be done, by the view of a heartbeat.
func (k *Manager) due(v *ledger.LeaseView, start time.Time) (due []action) {
	counters, live := k.observe(v, start)
	partitions := k.ownerships(v, live, start)
	var joining []uuid.UUID
	for _, w := range v.Workers {
		if live[w.ID] && !w.Draining {
			joining = append(joining, w.ID)
		}
	}
	rows := make(map[int]ledger.LeaseRow, len(v.Leases))
	for _, row := range v.Leases {
		rows[row.Partition] = row
	}
	d := spread(k.me, joining, partitions)
	var take []ledger.LeaseRow
	for _, row := range v.Leases {
		if is(row.Owner, k.me) {
			free, again := k.tidy(row)
			due = append(due, free...)
			take = append(take, again...)
		}
	}
	for _, partition := range d.take {
		take = append(take, rows[partition])
	}
	if room := cap(k.acquired) - len(k.acquired); len(take) > room {
		take = take[:room] // nobody comes for what was taken before
	}
	if len(take) > 0 {
		due = append(due, func(ctx context.Context) error { return k.take(ctx, take, counters, start) })
	}
	for _, partition := range d.ask {
		due = append(due, func(ctx context.Context) error { return k.table.Ask(ctx, k.me, rows[partition]) })
	}
	return append(due, k.forget(v, live)...)
}

// tidy looks at a partition that is this worker's by its row. Without a holding
// it was handed over, or taken without an answer: take it. With one that was lost
// for want of heartbeats, and is slow to be released, the row is freed, so that
// another need not wait.
func (k *Manager) tidy(row ledger.LeaseRow) (free []action, take []ledger.LeaseRow) {
	k.mu.Lock()
	h := k.held[row.Partition]
	k.mu.Unlock()
	switch {
	case h == nil:
		return nil, []ledger.LeaseRow{row}
	case slices.Contains(k.lost, h) && is(row.Token, h.Lease.Token):
		return []action{func(ctx context.Context) error {
			if h.releasing.Load() {
				return nil // it goes to the worker that asked for it
			}
			return k.table.Free(ctx, k.me, h.Lease)
		}}, nil
	default:
		return nil, nil
	}
}

// claimed is a partition while it is being taken. Heartbeats go on meanwhile, and what
// each shows of the row says whether it counts: the row as it was seen before, so that
// the taking comes after it, or as the taking makes it. From a worker whose counter
// moved after that nobody takes the partition. Anything else shows another owner, who
// took it while this process stood still.
type claimed struct {
	ledger.LeaseClaim
	deadline time.Time
	gone     bool
}

func (c *claimed) confirm(row ledger.LeaseRow, me uuid.UUID, deadline time.Time) {
	if sameRow(row, c.Row) || is(row.Owner, me) && is(row.Token, c.Token) {
		c.deadline = deadline
		return
	}
	c.gone = true
}

// sameRow reports that nobody has taken or given the partition in between.
func sameRow(a, b ledger.LeaseRow) bool { return sameID(a.Owner, b.Owner) && sameID(a.Token, b.Token) }

func sameID(a, b *uuid.UUID) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// take tries to make partitions this worker's, each under a fresh token, in one
// commit. Losing the race to another worker is no error.
func (k *Manager) take(ctx context.Context, rows []ledger.LeaseRow, counters map[uuid.UUID]int64, start time.Time) error {
	claims, pending := make([]ledger.LeaseClaim, len(rows)), make([]*claimed, len(rows))
	k.mu.Lock()
	for i, row := range rows {
		claims[i] = ledger.LeaseClaim{Row: row, Worker: k.me, Token: uuid.New()}
		if row.Owner != nil {
			claims[i].Counter, claims[i].Registered = counters[*row.Owner]
		}
		pending[i] = &claimed{LeaseClaim: claims[i], deadline: start.Add(k.config.TTL - k.config.Margin)}
		k.claims[row.Partition] = pending[i]
	}
	k.mu.Unlock()
	took, err := k.table.Take(ctx, claims)
	k.mu.Lock()
	clear(k.claims)
	var acquired []*Holding
	for i, c := range pending {
		if err == nil && took[i] && !c.gone {
			h := newHolding(k, ledger.Lease{Partition: c.Row.Partition, Token: c.Token}, c.deadline)
			h.before = c.Row
			k.held[c.Row.Partition] = h
			acquired = append(acquired, h)
		}
	}
	k.mu.Unlock()
	for _, h := range acquired {
		k.config.Logger.DebugContext(ctx, "partition acquired", slog.Int("partition", h.Lease.Partition))
		k.acquired <- h // has room: due looked, and nobody else sends
	}
	return err
}

// forget removes the rows of workers that died and own nothing any more.
func (k *Manager) forget(v *ledger.LeaseView, live map[uuid.UUID]bool) (due []action) {
	for _, w := range v.Workers {
		if !live[w.ID] {
			due = append(due, func(ctx context.Context) error { return k.table.Forget(ctx, w.ID, w.Counter) })
		}
	}
	return due
}
