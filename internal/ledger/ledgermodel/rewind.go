package ledgermodel

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// rewind is the beginning of a generation.
type rewind struct {
	partition  int
	generation int64
	from       int64  // the generation before
	sequence   uint64 // up to here both have the same messages
}

// Record notes which stream the positions are of.
func (s *Store) Record(identity ledger.StreamIdentity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity = identity
}

// StreamIdentity is which stream the positions are of; the zero value when none is
// recorded.
func (s *Store) StreamIdentity(ctx context.Context) (identity ledger.StreamIdentity, err error) {
	err = s.call(ctx, CallStreamIdentity, func() error {
		identity = s.identity
		return nil
	})
	return identity, err
}

// Positions lists the position of every partition.
func (s *Store) Positions(ctx context.Context) ([]ledger.Anchor, error) {
	var anchors []ledger.Anchor
	err := s.call(ctx, CallPositions, func() error {
		for _, number := range slices.Sorted(maps.Keys(s.partitions)) {
			anchors = append(anchors, s.partitions[number].anchor)
		}
		return nil
	})
	return anchors, err
}

// RecordedAtOrBefore finds the newest recorded message of a partition at or before a
// sequence, also in the generations before.
func (s *Store) RecordedAtOrBefore(ctx context.Context, partition int, generation int64, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	err = s.call(ctx, CallRecordedAtOrBefore, func() error {
		for {
			if anchor, ok = s.newestRow(partition, generation, sequence); ok {
				return nil
			}
			i := slices.IndexFunc(s.rewinds, func(r rewind) bool { return r.partition == partition && r.generation == generation })
			if i < 0 {
				return nil
			}
			generation, sequence = s.rewinds[i].from, min(sequence, s.rewinds[i].sequence)
		}
	})
	return anchor, ok, err
}

func (s *database) newestRow(partition int, generation int64, sequence uint64) (newest ledger.Anchor, ok bool) {
	for at, r := range s.rows {
		position := at.position
		if at.partition == partition && position.Generation == generation && position.Sequence <= sequence &&
			position.Sequence > newest.Position.Sequence {
			newest, ok = ledger.AnchorOf(&r.mutation), true
		}
	}
	return newest, ok
}

// Rewind puts a partition back to an anchor, in a new generation.
func (s *Store) Rewind(ctx context.Context, lease ledger.Lease, to ledger.Anchor, recorded []ledger.Range) (generation int64, err error) {
	err = s.call(ctx, CallRewind, func() error {
		p := s.partition(lease.Partition)
		if p.token != lease.Token {
			return ledger.ErrLeaseLost
		}
		s.generations++
		generation = s.generations
		above := joined(recorded, to.Position.Sequence)
		shared := to.Position.Sequence
		for _, r := range above {
			shared = max(shared, r.Last)
		}
		s.rewinds = append(s.rewinds, rewind{
			partition: lease.Partition, generation: generation, from: p.anchor.Position.Generation, sequence: shared,
		})
		p.last = uuid.New()
		s.chains[lease] = p.last
		p.commits++
		p.anchor = to
		p.anchor.Position.Generation = generation
		p.recorded = above
		return nil
	})
	return generation, err
}

// joined is the ranges above a position, in order and without gaps that are none.
func joined(ranges []ledger.Range, position uint64) []ledger.Range {
	return ledger.JoinRanges(ledger.RangesAbove(ranges, position))
}

// Copy keeps a copy of the whole ledger. The function returned puts it back, under
// whoever works on it.
func (s *Store) Copy() (putBack func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.copy()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		fresh := kept.copy()
		s.partitions, s.batches, s.rows, s.waiting = fresh.partitions, fresh.batches, fresh.rows, fresh.waiting
		s.letters, s.versions, s.scopes, s.accounts = fresh.letters, fresh.versions, fresh.scopes, fresh.accounts
		s.commits, s.lanes, s.workers = fresh.commits, fresh.lanes, fresh.workers
		s.health, s.strays, s.configured = fresh.health, fresh.strays, fresh.configured
		s.generations, s.rewinds, s.cursors = fresh.generations, fresh.rewinds, fresh.cursors
		s.restored = true
	}
}

// copy shares only what never changes once it is written.
func (s *database) copy() *database {
	c := &database{
		partitions: map[int]*partition{}, batches: map[uuid.UUID]*batch{}, rows: maps.Clone(s.rows),
		waiting: map[catalog.Lane]map[catalog.Position]*catalog.Mutation{}, letters: slices.Clone(s.letters),
		versions: maps.Clone(s.versions), scopes: maps.Clone(s.scopes), accounts: maps.Clone(s.accounts),
		commits: s.commits, lanes: maps.Clone(s.lanes), workers: maps.Clone(s.workers),
		health: maps.Clone(s.health), strays: maps.Clone(s.strays), configured: maps.Clone(s.configured),
		generations: s.generations, rewinds: slices.Clone(s.rewinds), cursors: maps.Clone(s.cursors),
	}
	for number, p := range s.partitions {
		kept := *p
		kept.recorded, kept.outbox = slices.Clone(p.recorded), slices.Clone(p.outbox)
		c.partitions[number] = &kept
	}
	for id, b := range s.batches {
		kept := *b
		kept.attempts = maps.Clone(b.attempts)
		c.batches[id] = &kept
	}
	for lane, rows := range s.waiting {
		c.waiting[lane] = maps.Clone(rows)
	}
	return c
}
