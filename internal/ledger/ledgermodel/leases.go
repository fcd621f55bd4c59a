package ledgermodel

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// EnsurePartitions makes the rows of so many partitions.
func (s *Store) EnsurePartitions(partitions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range partitions {
		s.partition(number)
	}
}

// Heartbeat moves the worker's counter and reads everything.
func (s *Store) Heartbeat(ctx context.Context, worker uuid.UUID, _ string) (*ledger.LeaseView, error) {
	view := &ledger.LeaseView{}
	err := s.call(ctx, CallHeartbeat, func() error {
		row, known := s.workers[worker]
		if known {
			row.Counter++
		}
		row.ID = worker
		s.workers[worker] = row
		for _, number := range slices.Sorted(maps.Keys(s.partitions)) {
			view.Leases = append(view.Leases, s.leaseRow(number))
		}
		view.Workers = slices.SortedFunc(maps.Values(s.workers), func(a, b ledger.WorkerRow) int { return slices.Compare(a.ID[:], b.ID[:]) })
		return nil
	})
	return view, err
}

func (s *database) leaseRow(number int) ledger.LeaseRow {
	p := s.partitions[number]
	row := ledger.LeaseRow{Partition: number, Owner: p.owner, WantedBy: p.wantedBy}
	if p.token != uuid.Nil {
		row.Token = new(p.token)
	}
	return row
}

// Take makes partitions the claimer's that still are as they were seen.
func (s *Store) Take(ctx context.Context, claims []ledger.LeaseClaim) (took []bool, err error) {
	took = make([]bool, len(claims))
	err = s.call(ctx, CallTake, func() error {
		for i, claim := range claims {
			took[i] = s.mayTake(claim)
			if took[i] {
				s.give(s.partition(claim.Row.Partition), new(claim.Worker), claim.Token)
			}
		}
		return nil
	})
	return took, err
}

func (s *database) mayTake(claim ledger.LeaseClaim) bool {
	now := s.leaseRow(claim.Row.Partition)
	switch {
	case claim.Row.Owner == nil:
		return now.Owner == nil
	case !same(now.Owner, claim.Row.Owner) || !same(now.Token, claim.Row.Token):
		return false
	case *claim.Row.Owner == claim.Worker:
		return true
	}
	owner, registered := s.workers[*claim.Row.Owner]
	return registered == claim.Registered && owner.Counter == claim.Counter
}

func same(a, b *uuid.UUID) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// give makes the partition the owner's under a fresh token.
func (s *database) give(p *partition, owner *uuid.UUID, token uuid.UUID) {
	p.owner, p.token, p.last, p.wantedBy = owner, token, token, nil
}

// Ask asks the owner for a hand-over.
func (s *Store) Ask(ctx context.Context, worker uuid.UUID, row ledger.LeaseRow) error {
	return s.call(ctx, CallAsk, func() error {
		now := s.leaseRow(row.Partition)
		if same(now.Owner, row.Owner) && same(now.Token, row.Token) && same(now.WantedBy, row.WantedBy) {
			s.partitions[row.Partition].wantedBy = new(worker)
		}
		return nil
	})
}

// Release hands the partition over, or frees it.
func (s *Store) Release(ctx context.Context, worker uuid.UUID, lease ledger.Lease, fresh uuid.UUID) error {
	return s.call(ctx, CallRelease, func() error {
		p := s.partition(lease.Partition)
		if !same(p.owner, &worker) || p.token != lease.Token {
			return nil
		}
		var next *uuid.UUID
		if p.wantedBy != nil {
			if heir, there := s.workers[*p.wantedBy]; there && !heir.Draining {
				next = p.wantedBy
			}
		}
		s.give(p, next, fresh)
		return nil
	})
}

// Free frees a partition under a token, which stays.
func (s *Store) Free(ctx context.Context, worker uuid.UUID, lease ledger.Lease) error {
	return s.call(ctx, CallFree, func() error {
		if p := s.partition(lease.Partition); same(p.owner, &worker) && p.token == lease.Token {
			p.owner, p.wantedBy = nil, nil
		}
		return nil
	})
}

// Drain announces that the worker takes nothing any more.
func (s *Store) Drain(ctx context.Context, worker uuid.UUID) error {
	return s.call(ctx, CallDrain, func() error {
		if row, there := s.workers[worker]; there {
			row.Draining = true
			row.Counter++
			s.workers[worker] = row
		}
		return nil
	})
}

// Leave frees what the worker owns and forgets it.
func (s *Store) Leave(ctx context.Context, worker uuid.UUID) error {
	return s.call(ctx, CallLeave, func() error {
		for _, p := range s.partitions {
			if same(p.wantedBy, &worker) {
				p.wantedBy = nil
			}
			if same(p.owner, &worker) {
				p.owner = nil
			}
		}
		delete(s.workers, worker)
		return nil
	})
}

// Forget forgets a dead worker that owns nothing.
func (s *Store) Forget(ctx context.Context, worker uuid.UUID, counter int64) error {
	return s.call(ctx, CallForget, func() error {
		for _, p := range s.partitions {
			if same(p.owner, &worker) {
				return nil
			}
		}
		if s.workers[worker].Counter == counter {
			delete(s.workers, worker)
		}
		return nil
	})
}
