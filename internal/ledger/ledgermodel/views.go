package ledgermodel

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Status is what became of a mutation, as in the mutation_status view.
type Status string

// The statuses.
const (
	Waiting     Status = "waiting"
	Submitted   Status = "submitted"
	Succeeded   Status = "succeeded"
	Failed      Status = "failed"
	Superseded  Status = "superseded"
	Invalid     Status = "invalid"
	Unconfirmed Status = "unconfirmed"
)

// Sent is the partition's last transaction that announced a POST, and how many were
// committed.
func (s *Store) Sent(partitionNumber int) (transaction uuid.UUID, commits int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partition(partitionNumber)
	return p.sent, p.commits
}

// row is what is kept about a mutation; its status may follow from its batch.
type row struct {
	mutation     catalog.Mutation
	warnings     []ledger.Issue // of the rules
	errors       []ledger.Issue // of an invalid one
	state        Status
	overtaken    bool
	supersededBy string
	batch        uuid.UUID
	record       int
	reason       catalog.Reason
}

// Mutation is a line of the mutation_status view.
type Mutation struct {
	ID           string
	Key          catalog.ItemKey
	Operation    catalog.Operation
	Position     catalog.Position
	Status       Status
	SupersededBy string
	Overtaken    bool // superseded by the producer's version, not by merging
	BatchID      uuid.UUID
	Attempts     int
	Reason       catalog.Reason // of an invalid or failed one
	Warnings     []ledger.Issue
	Errors       []ledger.Issue
}

// DeadLetter is a mutation that will not be sent again by itself.
type DeadLetter struct {
	Mutation catalog.Mutation
	Reason   catalog.Reason
	Text     string
}

// Batch is a line of the batch_status view.
type Batch struct {
	ID       uuid.UUID
	Lane     catalog.Lane
	Group    string
	Records  []catalog.Record // without changes
	Attempts []ledger.Attempt
	Outcome  *ledger.BatchOutcome // nil while the batch is open
}

// Mutations lists all rows in stream order.
func (s *Store) Mutations() []Mutation {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make([]Mutation, 0, len(s.rows))
	for _, r := range s.rows {
		lines = append(lines, s.line(r))
	}
	sortRows(lines, func(m Mutation) catalog.Position { return m.Position })
	return lines
}

// line derives a mutation's status.
func (s *database) line(r *row) Mutation {
	m := Mutation{
		ID: text(r.mutation.ID), Key: r.mutation.Key(), Operation: r.mutation.Operation, Position: r.mutation.Position,
		Status: r.state, SupersededBy: r.supersededBy, Overtaken: r.overtaken, BatchID: r.batch,
		Attempts: r.mutation.Attempts, Reason: r.reason, Errors: r.errors, Warnings: slices.Clone(r.warnings),
	}
	b := s.batches[r.batch]
	if b == nil {
		return m
	}
	exception := exceptionOf(b.outcome, r.record)
	if exception != nil {
		m.Errors, m.Reason = exception.Errors, exception.Reason
		m.Warnings = append(m.Warnings, exception.Warnings...)
	}
	if r.state == Submitted && b.outcome == nil && r.supersededBy == "" && b.waits() {
		m.Status = Waiting
	}
	if r.state != Submitted || b.outcome == nil && r.supersededBy == "" {
		return m
	}
	switch {
	case exception != nil && exception.Result == ledger.Unconfirmed:
		m.Status, m.SupersededBy = Unconfirmed, "" // nobody knows of any of them
	case r.supersededBy != "":
		m.Status = Superseded
	case exception == nil || exception.Result == ledger.Succeeded:
		m.Status = Succeeded
	case exception.Result == ledger.Failed:
		m.Status = Failed
	case exception.Result == ledger.Returned:
		m.Status = Waiting
	}
	return m
}

// waits reports that an open batch is certainly not taken, and waits to be sent.
func (b *batch) waits() bool {
	last := b.attempts[slices.Max(slices.Collect(maps.Keys(b.attempts)))]
	return last.Result == ledger.NotTaken || last.Result == ledger.Unsent
}

// text is what a view can show of a producer's text: valid UTF-8 without NUL.
func text(from string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(from, "\x00", "\uFFFD"), "\uFFFD")
}

func exceptionOf(outcome *ledger.BatchOutcome, record int) *ledger.RecordOutcome {
	if outcome == nil {
		return nil
	}
	for i := range outcome.Exceptions {
		if outcome.Exceptions[i].Index == record {
			return &outcome.Exceptions[i]
		}
	}
	return nil
}

// Batches lists all batches, oldest first.
func (s *Store) Batches() []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make([]Batch, 0, len(s.batches))
	for _, b := range s.batches {
		line := Batch{ID: b.ID, Lane: b.Lane, Group: b.Group, Records: b.Records, Outcome: b.outcome}
		for _, number := range slices.Sorted(maps.Keys(b.attempts)) {
			line.Attempts = append(line.Attempts, b.attempts[number])
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Batch) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return lines
}

// DeadLetters lists the dead letters in the order they came.
func (s *Store) DeadLetters() []DeadLetter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.letters)
}

// Anchor is the partition's position.
func (s *Store) Anchor(partitionNumber int) ledger.Anchor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partition(partitionNumber).anchor
}

// Recorded lists the ranges recorded above the position.
func (s *Store) Recorded(partitionNumber int) []ledger.Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.partition(partitionNumber).recorded)
}

// WaitingRows counts the waiting rows of all lanes.
func (s *Store) WaitingRows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := 0
	for _, lane := range s.waiting {
		rows += len(lane)
	}
	return rows
}

// Commits counts the transactions committed.
func (s *Store) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

// Check returns every rule that was broken so far, and whether the rows agree
// with one another: an item in two open batches is a fault.
func (s *Store) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults := slices.Clone(s.faults)
	open := map[catalog.ItemKey]uuid.UUID{}
	for id, b := range s.batches {
		if b.outcome != nil {
			continue
		}
		for i := range b.Records {
			key := b.Records[i].Key
			if other, ok := open[key]; ok {
				s.faultf("item %v is in two open batches, %s and %s", key, id, other)
			}
			open[key] = id
		}
	}
	return errors.Join(append(faults, s.faults[len(faults):]...)...)
}

// Open counts the batches that have not ended.
func (s *Store) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for _, b := range s.batches {
		if b.outcome == nil {
			open++
		}
	}
	return open
}

// Owner is the lease that a partition is under now, whoever has it.
func (s *Store) Owner(partitionNumber int) ledger.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ledger.Lease{Partition: partitionNumber, Token: s.partition(partitionNumber).token}
}

// Answers are what the platform answered to the POSTs of a batch, in the order of their
// numbers, and then to its last poll, without those that are not known.
func (s *Store) Answers(id uuid.UUID) (answers []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batches[id]
	for _, number := range slices.Sorted(maps.Keys(b.attempts)) {
		answers = append(answers, text(b.attempts[number].Answer))
	}
	if b.outcome != nil {
		answers = append(answers, text(b.outcome.Answer))
	}
	return slices.DeleteFunc(answers, func(answer string) bool { return answer == "" })
}
