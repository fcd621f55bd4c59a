package ledgermodel

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// cursorOf names a cursor.
type cursorOf struct {
	partition int
	consumer  string
}

// outboxRow is what one transaction made final.
type outboxRow struct {
	number  int64
	at      time.Time // about: when the first of its batches ended, or its first mutation was received
	batches []uuid.UUID
	places  []catalog.Position // without a batch
}

// note writes the transaction's row of the outbox. The partition's commits count it
// already.
func (p *partition) note(tx *ledger.Transaction) {
	if len(tx.Outcomes)+len(tx.Invalid)+len(tx.Stale) == 0 {
		return
	}
	r := outboxRow{number: p.commits}
	for i := range tx.Outcomes {
		r.batches = append(r.batches, tx.Outcomes[i].BatchID)
		r.at = tx.Outcomes[0].FinishedAt
	}
	add := func(m *catalog.Mutation) {
		r.places = append(r.places, m.Position)
		if r.at.IsZero() {
			r.at = m.ReceivedAt
		}
	}
	for i := range tx.Invalid {
		add(tx.Invalid[i].Mutation)
	}
	for i := range tx.Stale {
		add(tx.Stale[i].Mutation)
	}
	p.outbox = append(p.outbox, r)
}

// OpenCursor reads how far a consumer of the outbox has come; a new one begins before all
// that the outbox still has.
func (s *Store) OpenCursor(ctx context.Context, lease ledger.Lease, consumer string) (number int64, err error) {
	err = s.call(ctx, CallOpenCursor, func() error {
		p := s.partition(lease.Partition)
		if p.token != lease.Token {
			return ledger.ErrLeaseLost
		}
		var known bool
		at := cursorOf{lease.Partition, consumer}
		if number, known = s.cursors[at]; known {
			return nil
		}
		if number = p.commits; len(p.outbox) > 0 {
			number = p.outbox[0].number - 1
		}
		s.cursors[at] = number
		return nil
	})
	return number, err
}

// MoveCursor says that a consumer is done with everything up to a number.
func (s *Store) MoveCursor(ctx context.Context, lease ledger.Lease, consumer string, from, to int64) error {
	return s.call(ctx, CallMoveCursor, func() error {
		p := s.partition(lease.Partition)
		at := cursorOf{lease.Partition, consumer}
		if number, known := s.cursors[at]; p.token != lease.Token || !known || number != from {
			return ledger.ErrLeaseLost
		}
		s.cursors[at] = to
		seen := to
		for other, number := range s.cursors {
			if other.partition == lease.Partition {
				seen = min(seen, number)
			}
		}
		p.outbox = slices.DeleteFunc(slices.Clone(p.outbox), func(r outboxRow) bool { return r.number <= seen })
		return nil
	})
}

// DropCursors forgets a consumer.
func (s *Store) DropCursors(ctx context.Context, consumer string) error {
	return s.call(ctx, CallDropCursors, func() error {
		maps.DeleteFunc(s.cursors, func(at cursorOf, _ int64) bool { return at.consumer == consumer })
		return nil
	})
}

// Outcomes unfolds the transactions of a partition after a number.
func (s *Store) Outcomes(ctx context.Context, partition int, after int64, limit ledger.OutboxLimit) (page ledger.OutboxPage, err error) {
	err = s.call(ctx, CallOutcomes, func() error {
		page = ledger.OutboxPage{To: after}
		transactions := 0
		for _, r := range s.partition(partition).outbox {
			if r.number <= after {
				continue
			}
			ended := s.ended(partition, &r)
			full := limit.Transactions > 0 && transactions >= limit.Transactions || limit.Mutations > 0 && len(page.Outcomes)+len(ended) > limit.Mutations
			if full && transactions > 0 {
				page.More = true
				return nil
			}
			if transactions == 0 {
				page.Oldest = r.at
			}
			transactions++
			page.To, page.Outcomes = r.number, append(page.Outcomes, ended...)
		}
		return nil
	})
	return page, err
}

// ended are the outcomes of one transaction.
func (s *database) ended(partition int, r *outboxRow) (all []ledger.Outcome) {
	for _, id := range r.batches {
		b := s.batches[id]
		if b == nil {
			continue // one that breaks the rules of leases ended what there is not
		}
		for i := range b.Records {
			for _, m := range b.Records[i].Constituents {
				if at := s.rows[place{partition, m.Position}]; at != nil && at.batch == id && at.record == i {
					all = s.appendOutcome(all, at)
				}
			}
		}
	}
	for _, position := range r.places {
		if at := s.rows[place{partition, position}]; at != nil {
			all = s.appendOutcome(all, at)
		}
	}
	return all
}

// appendOutcome adds a mutation's outcome unless it is in another batch by now or waits.
func (s *database) appendOutcome(all []ledger.Outcome, r *row) []ledger.Outcome {
	line := s.line(r)
	status := ledger.OutcomeStatus(line.Status)
	if !slices.Contains(ledger.OutcomeStatuses(), status) {
		return all
	}
	m := &r.mutation
	o := ledger.Outcome{
		Lane: m.Lane, MutationID: line.ID, ItemID: text(m.ItemID), Localization: m.Localization, Operation: m.Operation, Status: status,
		Warnings: line.Warnings, BatchID: r.batch, Attempts: m.Attempts, PublishedAt: m.PublishedAt, ReceivedAt: m.ReceivedAt,
		FinishedAt: m.ReceivedAt, Position: m.Position,
	}
	switch status {
	case ledger.OutcomeFailed, ledger.OutcomeUnconfirmed, ledger.OutcomeInvalid:
		o.Errors, o.Reason = line.Errors, line.Reason
	case ledger.OutcomeSuperseded:
		o.SupersededBy = text(line.SupersededBy)
	case ledger.OutcomeSucceeded:
	}
	if b := s.batches[r.batch]; b != nil && b.outcome != nil {
		last := slices.Max(slices.Collect(maps.Keys(b.attempts)))
		for _, number := range slices.Sorted(maps.Keys(b.attempts)) {
			attempt := b.attempts[number]
			if attempt.Result == ledger.Unsent {
				last--
			}
			if attempt.Result == ledger.Accepted && len(attempt.Handles) > 0 {
				o.Handle = attempt.Handles[0]
			}
		}
		o.Attempts += max(last, 0)
		o.FinishedAt = b.outcome.FinishedAt
	}
	return append(all, o)
}

// OutboxRows lists the numbers of the outbox's rows of a partition.
func (s *Store) OutboxRows(partition int) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.partition(partition).outbox
	numbers := make([]int64, len(rows))
	for i := range rows {
		numbers[i] = rows[i].number
	}
	return numbers
}

// Outbox unfolds all that the outbox has of all partitions, in the order of each.
func (s *Store) Outbox() (all []ledger.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, number := range slices.Sorted(maps.Keys(s.partitions)) {
		for _, r := range s.partitions[number].outbox {
			all = append(all, s.ended(number, &r)...)
		}
	}
	return all
}
