// Package ledgermodel keeps a ledger in memory: a model of ledger.Store that tests and
// simulations can look into. It is as strict as a database would be and stricter:
// what breaks the rules of a ledger.Transaction is kept as a fault.
package ledgermodel

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Store is one process's view of the ledger: a ledger.Store and a
// ledger.LeaseTable. It is safe for concurrent use.
type Store struct {
	*database
	// chains are what this process committed last, by lease.
	chains map[ledger.Lease]uuid.UUID
}

// place is where a mutation's row is. Of two partitions one may have read a
// message that is gone since, and the other the one that came in its place.
type place struct {
	partition int
	position  catalog.Position
}

// database is what all processes share.
type database struct {
	mu         sync.Mutex
	hook       Hook
	rule       func(tx *ledger.Transaction) error
	partitions map[int]*partition
	batches    map[uuid.UUID]*batch
	rows       map[place]*row
	waiting    map[catalog.Lane]map[catalog.Position]*catalog.Mutation
	letters    []DeadLetter
	versions   map[catalog.ItemKey]ledger.ItemVersion
	scopes     map[string]ledger.ScopeState
	accounts   map[string]ledger.AccountState
	health     map[string]ledger.AccountHealth
	strays     map[int][]ledger.StrayLane // by partition
	configured map[string]bool            // accounts that a running worker has
	commits    int
	faults     []error

	identity ledger.StreamIdentity
	// cursors are how far each consumer of the outbox has come, by partition.
	cursors map[cursorOf]int64

	lanes       map[catalog.Lane]int // the partition of each lane that has rows
	workers     map[uuid.UUID]ledger.WorkerRow
	generations int64
	rewinds     []rewind
	restored    bool // restored from an older copy at least once
}

var (
	_ ledger.Store      = (*Store)(nil)
	_ ledger.LeaseTable = (*Store)(nil)
	_ ledger.Prober     = (*Store)(nil)
	_ ledger.Outbox     = (*Store)(nil)
)

// partition is one partition's lease and position.
type partition struct {
	owner    *uuid.UUID
	wantedBy *uuid.UUID
	token    uuid.UUID
	last     uuid.UUID // transaction committed last under the token
	anchor   ledger.Anchor
	recorded []ledger.Range
	commits  int64
	slowest  time.Duration
	sent     uuid.UUID   // the last transaction that announced a POST
	noted    []uuid.UUID // those that may be noted outside
	outbox   []outboxRow
}

// batch is a batch with all that was written about it. Its records keep only
// their constituents, as a database would.
type batch struct {
	ledger.Batch
	partition int
	attempts  map[int]ledger.Attempt
	outcome   *ledger.BatchOutcome
}

// New makes an empty ledger.
func New() *Store {
	return &Store{chains: map[ledger.Lease]uuid.UUID{}, database: &database{
		partitions: map[int]*partition{},
		batches:    map[uuid.UUID]*batch{},
		rows:       map[place]*row{},
		waiting:    map[catalog.Lane]map[catalog.Position]*catalog.Mutation{},
		versions:   map[catalog.ItemKey]ledger.ItemVersion{},
		scopes:     map[string]ledger.ScopeState{},
		accounts:   map[string]ledger.AccountState{},
		health:     map[string]ledger.AccountHealth{},
		strays:     map[int][]ledger.StrayLane{},
		configured: map[string]bool{},
		lanes:      map[catalog.Lane]int{},
		workers:    map[uuid.UUID]ledger.WorkerRow{},
		cursors:    map[cursorOf]int64{},
	}}
}

// Another is another process's view of the same ledger.
func (s *Store) Another() *Store {
	return &Store{database: s.database, chains: map[ledger.Lease]uuid.UUID{}}
}

// Acquire gives the partition to a new owner. The one before has lost its lease.
func (s *Store) Acquire(partitionNumber int) ledger.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partition(partitionNumber)
	p.token = uuid.New()
	p.last = p.token
	return ledger.Lease{Partition: partitionNumber, Token: p.token}
}

func (s *database) partition(number int) *partition {
	p := s.partitions[number]
	if p == nil {
		p = &partition{}
		s.partitions[number] = p
	}
	return p
}

// Resume reads what the partition's new owner needs.
func (s *Store) Resume(ctx context.Context, lease ledger.Lease) (*ledger.Resumption, error) {
	var r *ledger.Resumption
	err := s.call(ctx, CallResume, func() error {
		p := s.partition(lease.Partition)
		if p.token != lease.Token {
			return ledger.ErrLeaseLost
		}
		r = &ledger.Resumption{
			Anchor: p.anchor, Commits: p.commits, Slowest: p.slowest, Sent: p.sent, Noted: slices.Clone(p.noted), Recorded: joined(p.recorded, p.anchor.Position.Sequence), Open: s.openBatches(lease.Partition),
			Accounts: s.presentAccounts(),
		}
		for lane, rows := range s.waiting {
			if len(rows) > 0 && s.lanes[lane] == lease.Partition {
				r.WaitingLanes = append(r.WaitingLanes, lane)
			}
		}
		slices.SortFunc(r.WaitingLanes, catalog.Lane.Compare)
		return nil
	})
	return r, err
}

func (s *database) openBatches(partitionNumber int) []ledger.OpenBatch {
	var open []ledger.OpenBatch
	for _, b := range s.batches {
		if b.outcome != nil || b.partition != partitionNumber {
			continue
		}
		found := ledger.OpenBatch{Batch: b.Batch}
		found.Records = make([]catalog.Record, len(b.Records))
		for i, record := range b.Records {
			found.Records[i] = catalog.Record{Key: record.Key}
			for _, m := range record.Constituents {
				found.Records[i].Constituents = append(found.Records[i].Constituents, copyOf(m, false))
			}
		}
		for _, number := range slices.Sorted(maps.Keys(b.attempts)) {
			attempt := b.attempts[number]
			attempt.Answer = ""
			found.Attempts = append(found.Attempts, attempt)
		}
		open = append(open, found)
	}
	slices.SortFunc(open, func(a, b ledger.OpenBatch) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return open
}

// copyOf is the mutation as it is read back from a row.
func copyOf(m *catalog.Mutation, stored bool) *catalog.Mutation {
	read := *m
	read.HasWaitingRow = stored
	read.Warnings = nil // they stay with the row
	read.RecordedOn = recordedOn(m)
	return &read
}

func recordedOn(m *catalog.Mutation) time.Time {
	if !m.RecordedOn.IsZero() {
		return m.RecordedOn
	}
	return m.ReceivedAt.UTC().Truncate(24 * time.Hour)
}

// Waiting reads up to limit waiting rows of a lane, oldest first, above after.
func (s *Store) Waiting(ctx context.Context, lane catalog.Lane, after catalog.Position, limit int) (ledger.Page, error) {
	var page ledger.Page
	err := s.call(ctx, CallWaiting, func() error {
		for position, m := range s.waiting[lane] {
			if position.Compare(after) > 0 {
				page.Mutations = append(page.Mutations, m)
			}
		}
		slices.SortFunc(page.Mutations, func(a, b *catalog.Mutation) int { return a.Position.Compare(b.Position) })
		if len(page.Mutations) > limit {
			page.Mutations, page.More = page.Mutations[:limit], true
		}
		for i, m := range page.Mutations {
			page.Mutations[i] = copyOf(m, true)
		}
		return nil
	})
	return page, err
}

// NewestVersions reads the known versions of the items.
func (s *Store) NewestVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ledger.ItemVersion, error) {
	known := map[catalog.ItemKey]ledger.ItemVersion{}
	err := s.call(ctx, CallNewestVersions, func() error {
		for _, key := range keys {
			if version, ok := s.versions[key]; ok {
				known[key] = version
			}
		}
		return nil
	})
	return known, err
}

// AppendAttempts records how POSTs ended. A handle once known is never forgotten.
func (s *Store) AppendAttempts(ctx context.Context, attempts []ledger.Attempt) error {
	return s.call(ctx, CallAppendAttempts, func() error {
		for _, attempt := range attempts {
			b := s.batches[attempt.BatchID]
			if b == nil {
				if !s.restored {
					s.faultf("attempt %d of the unknown batch %s", attempt.Number, attempt.BatchID)
				}
				continue
			}
			if known := b.attempts[attempt.Number]; known.Result != ledger.Accepted || attempt.Result == ledger.Accepted {
				attempt.Answer = cmp.Or(attempt.Answer, known.Answer)
				b.attempts[attempt.Number] = attempt
			}
		}
		return nil
	})
}

// Scopes reads the scopes named.
func (s *Store) Scopes(ctx context.Context, scopes []string) ([]ledger.ScopeState, error) {
	var states []ledger.ScopeState
	err := s.call(ctx, CallScopes, func() error {
		for _, name := range scopes {
			if state, ok := s.scopes[name]; ok {
				states = append(states, state)
			}
		}
		return nil
	})
	return states, err
}

// SaveScopes writes what was learnt; a later BlockedUntil wins, and of the rest what was
// updated last.
func (s *Store) SaveScopes(ctx context.Context, scopes []ledger.ScopeState) error {
	return s.call(ctx, CallSaveScopes, func() error {
		for _, state := range scopes {
			have := s.scopes[state.Scope]
			if have.BlockedUntil.After(state.BlockedUntil) {
				state.BlockedUntil = have.BlockedUntil
			}
			if have.UpdatedAt.After(state.UpdatedAt) {
				state.Patience, state.UpdatedAt = have.Patience, have.UpdatedAt
				state.Quota, have.Quota = have.Quota, state.Quota
			}
			if state.Quota == nil {
				state.Quota = have.Quota
			}
			s.scopes[state.Scope] = state
		}
		return nil
	})
}

// sortRows puts rows in stream order.
func sortRows[T any](rows []T, position func(T) catalog.Position) {
	slices.SortFunc(rows, func(a, b T) int {
		return cmp.Or(position(a).Compare(position(b)), 0)
	})
}
