package ledgermodel

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Commit writes a transaction, or nothing when the lease is lost. Committing the
// transaction that was committed last again does nothing. A process whose own last
// transaction is not there any more has lost its lease too: the ledger was restored
// to an older copy.
func (s *Store) Commit(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	return s.call(ctx, CallCommit, func() error {
		p := s.partition(lease.Partition)
		switch {
		case tx.ID != uuid.Nil && p.last == tx.ID:
			return nil
		case p.token != lease.Token, s.chains[lease] != uuid.Nil && s.chains[lease] != p.last:
			return ledger.ErrLeaseLost
		}
		if err := s.refused(tx); err != nil {
			return err
		}
		p.last, s.chains[lease] = tx.ID, tx.ID
		s.commits++
		p.commits++
		p.slowest = cmp.Or(tx.Slowest, p.slowest)
		if len(tx.Noted) > 0 {
			p.noted = slices.Clone(tx.Noted)
		}
		if tx.Sends() {
			p.sent = tx.ID
		}
		s.apply(p, tx)
		p.note(tx)
		s.settle(tx)
		return nil
	})
}

// Committed reports whether the transaction is the last of its partition.
func (s *Store) Committed(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) (committed bool, err error) {
	err = s.call(ctx, CallCommitted, func() error {
		p := s.partition(lease.Partition)
		if p.token != lease.Token {
			return ledger.ErrLeaseLost
		}
		if committed = p.last == tx.ID; committed {
			s.chains[lease] = tx.ID
		}
		return nil
	})
	return committed, err
}

// Probe fails as Commit would, and writes nothing.
func (s *Store) Probe(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	return s.call(ctx, CallProbe, func() error {
		if s.partition(lease.Partition).token != lease.Token {
			return ledger.ErrLeaseLost
		}
		return s.refused(tx)
	})
}

// SetRule has the ledger refuse transactions, as a database with constraints or
// triggers of its own does; nil ends it. A rule's error should be
// ledger.ErrRejected.
func (s *Store) SetRule(rule func(tx *ledger.Transaction) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rule = rule
}

func (s *database) refused(tx *ledger.Transaction) error {
	if s.rule == nil {
		return nil
	}
	return s.rule(tx)
}

// Verify looks whether what this process committed last for the lease is still there.
func (s *Store) Verify(ctx context.Context, lease ledger.Lease) error {
	return s.call(ctx, CallVerify, func() error {
		p := s.partition(lease.Partition)
		if p.token != lease.Token || s.chains[lease] != uuid.Nil && s.chains[lease] != p.last {
			return ledger.ErrLeaseLost
		}
		return nil
	})
}

func (s *database) apply(p *partition, tx *ledger.Transaction) {
	for i := range tx.Batches {
		s.addBatch(tx, &tx.Batches[i])
	}
	for _, m := range tx.Waiting {
		if m.HasWaitingRow && !m.RecordedOn.IsZero() {
			delete(s.waiting[m.Lane], m.Position) // it is written again
		}
		s.setRow(tx.Partition, m, row{state: Waiting})
		s.addWaiting(m)
	}
	for i := range tx.Invalid {
		s.refuse(tx.Partition, &tx.Invalid[i])
	}
	for _, o := range tx.Stale {
		s.setRow(tx.Partition, o.Mutation, row{state: Superseded, overtaken: true, supersededBy: o.SupersededBy})
		s.dropWaiting(o.Mutation)
	}
	for _, version := range tx.Versions {
		if s.rows[place{tx.Partition, version.Position}] == nil && version.Position != (catalog.Position{}) {
			s.faultf("version %d of %v is written before the row of %s", version.Version, version.Key, version.MutationID)
		}
		if known, ok := s.versions[version.Key]; !ok || version.Newer(known) {
			s.versions[version.Key] = version
		}
	}
	for _, intent := range tx.Intents {
		s.intend(intent)
	}
	for i := range tx.Outcomes {
		s.conclude(&tx.Outcomes[i])
	}
	s.record(p, tx)
}

func (s *database) addBatch(tx *ledger.Transaction, b *ledger.Batch) {
	if s.batches[b.ID] != nil {
		s.faultf("batch %s is written twice", b.ID)
	}
	kept := &batch{Batch: *b, partition: tx.Partition, attempts: map[int]ledger.Attempt{}}
	kept.attempts[1] = ledger.Attempt{BatchID: b.ID, Number: 1, At: b.CreatedAt}
	kept.Records = make([]catalog.Record, len(b.Records))
	seen := map[catalog.ItemKey]bool{}
	for i := range b.Records {
		record := &b.Records[i]
		if seen[record.Key] {
			s.faultf("batch %s has two records of %v", b.ID, record.Key)
		}
		seen[record.Key] = true
		kept.Records[i] = catalog.Record{Key: record.Key}
		newest := record.Newest()
		for _, m := range record.Constituents {
			next := row{state: Submitted, batch: b.ID, record: i}
			if m != newest {
				next.supersededBy = newest.ID
			}
			s.setRow(tx.Partition, m, next)
			s.dropWaiting(m)
			kept.Records[i].Constituents = append(kept.Records[i].Constituents, copyOf(m, false))
		}
	}
	s.batches[b.ID] = kept
}

// setRow makes or changes the row of a mutation; RecordedOn must say which.
func (s *database) setRow(partition int, m *catalog.Mutation, next row) {
	at := place{partition, m.Position}
	have := s.rows[at]
	switch {
	case have != nil && m.RecordedOn.IsZero():
		s.faultf("mutation %s (%v) is recorded twice", m.ID, m.Position)
	case have == nil && !m.RecordedOn.IsZero():
		s.faultf("mutation %s (%v) has no row to change", m.ID, m.Position)
	}
	next.mutation = *m
	s.lanes[m.Lane] = partition
	next.warnings = ledger.IssuesOf(m.Warnings)
	if have != nil && len(next.warnings) == 0 {
		next.warnings = have.warnings
	}
	s.rows[at] = &next
}

func (s *database) addWaiting(m *catalog.Mutation) {
	lane := s.waiting[m.Lane]
	if lane == nil {
		lane = map[catalog.Position]*catalog.Mutation{}
		s.waiting[m.Lane] = lane
	}
	if lane[m.Position] != nil {
		s.faultf("mutation %s (%v) has a waiting row already", m.ID, m.Position)
	}
	lane[m.Position] = copyOf(m, true)
}

// dropWaiting removes the waiting row of a mutation that says it has one.
func (s *database) dropWaiting(m *catalog.Mutation) {
	_, there := s.waiting[m.Lane][m.Position]
	if says := m.HasWaitingRow && !m.RecordedOn.IsZero(); says != there {
		s.faultf("mutation %s (%v): Stored says %v of its waiting row, but it is %v", m.ID, m.Position, says, there)
	}
	delete(s.waiting[m.Lane], m.Position)
}

func (s *database) refuse(partition int, refusal *ledger.InvalidMutation) {
	s.setRow(partition, refusal.Mutation, row{
		state: Invalid, reason: refusal.Problem.Reason, errors: ledger.IssuesOf([]catalog.Problem{refusal.Problem}),
	})
	s.dropWaiting(refusal.Mutation)
	s.letters = append(s.letters, DeadLetter{Mutation: *refusal.Mutation, Reason: refusal.Problem.Reason, Text: ledger.Sentence(&refusal.Problem)})
}

func (s *database) intend(intent ledger.Intent) {
	b := s.batches[intent.BatchID]
	if b == nil || b.outcome != nil {
		s.faultf("intent %d of a batch that is not open: %s", intent.Attempt, intent.BatchID)
		return
	}
	if _, ok := b.attempts[intent.Attempt]; !ok {
		b.attempts[intent.Attempt] = ledger.Attempt{BatchID: intent.BatchID, Number: intent.Attempt, At: intent.At}
	}
}

func (s *database) conclude(outcome *ledger.BatchOutcome) {
	b := s.batches[outcome.BatchID]
	if b == nil || b.outcome != nil {
		s.faultf("outcome of a batch that is not open: %s", outcome.BatchID)
		return
	}
	kept := *outcome
	kept.Exceptions = slices.Clone(outcome.Exceptions)
	b.outcome = &kept
	for i := range kept.Exceptions {
		s.except(b.partition, &kept, &kept.Exceptions[i])
	}
	for _, reset := range kept.ResetVersions {
		if known, ok := s.versions[reset.Key]; ok && known.EndedBy(reset) {
			delete(s.versions, reset.Key)
		}
	}
}

func (s *database) except(partition int, outcome *ledger.BatchOutcome, exception *ledger.RecordOutcome) {
	switch exception.Result {
	case ledger.Succeeded:
	case ledger.Returned:
		for _, m := range exception.Settled {
			s.setRow(partition, m, row{state: Succeeded, batch: outcome.BatchID, record: exception.Index})
		}
		for _, m := range exception.Constituents {
			if slices.Contains(exception.Settled, m) {
				continue
			}
			s.setRow(partition, m, row{state: Waiting, batch: outcome.BatchID, record: exception.Index})
			s.addWaiting(m)
		}
	case ledger.Failed, ledger.Unconfirmed:
		for _, m := range exception.Constituents {
			s.letters = append(s.letters, DeadLetter{Mutation: *m, Reason: exception.Reason, Text: textOf(exception.Errors)})
		}
	default:
		s.faultf("record %d of batch %s has no result", exception.Index, outcome.BatchID)
	}
}

func textOf(issues []ledger.Issue) string {
	for _, issue := range issues {
		if issue.Message != "" {
			return issue.Message
		}
	}
	return ""
}

// record moves the position on. What it claims must have rows.
func (s *database) record(p *partition, tx *ledger.Transaction) {
	p.recorded = append(p.recorded, tx.Recorded...)
	if tx.Anchor == nil {
		return
	}
	if tx.Anchor.Position.Compare(p.anchor.Position) <= 0 {
		s.faultf("the position of partition %d goes from %v back to %v", tx.Partition, p.anchor.Position, tx.Anchor.Position)
		return
	}
	p.anchor = *tx.Anchor
	p.recorded = slices.DeleteFunc(p.recorded, func(r ledger.Range) bool { return r.Last <= p.anchor.Position.Sequence })
}

// settle notes on the mutations that their rows are made.
func (s *database) settle(tx *ledger.Transaction) {
	for m := range tx.Mutations() {
		m.RecordedOn = recordedOn(m)
	}
}
