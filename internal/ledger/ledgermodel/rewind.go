package ledgermodel

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

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
