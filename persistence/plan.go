package persistence

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// plan is a transaction as rows, with everything looked up that is not fenced.
type plan struct {
	tx      *ledger.Transaction
	lanes   map[catalog.Lane]int32
	payload [][]byte // of tx.Batches

	fresh   []row // to be written for the first time
	changed map[rowPlace][]row
	removed map[waitingPlace]*waitingRows
	waiting []waitingRow
	letters []letter

	sizes   letterSizes // of the accounts with new dead letters, as written
	missing int         // rows that were not where they should be
}

// rowPlace says in which partition existing rows are.
type rowPlace struct {
	day        time.Time
	generation int64
}

type waitingPlace struct {
	lane       int32
	generation int64
}

// waitingRows are waiting rows that are used up.
type waitingRows struct {
	sequences []int64
	places    []int64 // sequence * maxLines + line
	packed    bool    // some of them are lines of packs
}

// maxLines is more than the lines of a pack.
const maxLines = 1 << 14

type waitingRow struct {
	lane     int32
	mutation *catalog.Mutation
	payload  []byte
}

// letter is a dead letter as it shall be.
type letter struct {
	mutation *catalog.Mutation
	lane     int32
	batch    uuid.UUID
	failedAt time.Time // zero: now, by the database's clock
	reason   catalog.Reason
	field    string
	text     string
	errors   []ledger.Issue // all of them: text tells of the first
}

// plan looks up lanes and days, and packs payloads, before any connection is held.
func (s *Store) plan(ctx context.Context, tx *ledger.Transaction) (*plan, error) {
	p := &plan{
		tx:      tx,
		lanes:   make(map[catalog.Lane]int32),
		changed: make(map[rowPlace][]row),
		removed: make(map[waitingPlace]*waitingRows),
	}
	if err := s.findLanes(ctx, p); err != nil {
		return nil, err
	}
	for i := range tx.Batches {
		p.addBatch(&tx.Batches[i])
		p.payload = append(p.payload, s.codec.packRecords(tx.Batches[i].Records))
	}
	for _, m := range tx.Waiting {
		p.place(row{mutation: m, state: stateWaiting})
		if !m.RecordedOn.IsZero() {
			p.removeWaiting(m)
		}
		p.addWaiting(s, m)
	}
	for i := range tx.Invalid {
		p.addRefusal(&tx.Invalid[i])
	}
	for _, o := range tx.Stale {
		p.place(row{mutation: o.Mutation, state: stateOvertaken, supersededBy: o.SupersededBy})
		p.removeStored(o.Mutation)
	}
	for i := range tx.Outcomes {
		p.addOutcome(s, &tx.Outcomes[i])
	}
	return p, s.ensureDays(ctx, p)
}

// findLanes looks up all lanes of the transaction; nearly always from memory.
func (s *Store) findLanes(ctx context.Context, p *plan) error {
	var unknown []catalog.Lane
	for lane := range lanesOf(p.tx) {
		if _, seen := p.lanes[lane]; seen {
			continue
		}
		id, ok := s.lanes.get(lane, true)
		if p.lanes[lane] = id; !ok {
			unknown = append(unknown, lane)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	// Two transactions that use the same lanes lock their rows in the same order.
	slices.SortFunc(unknown, catalog.Lane.Compare)
	ids, err := s.useLanes(ctx, p.tx.Partition, unknown)
	if err != nil {
		return err
	}
	for i, lane := range unknown {
		p.lanes[lane] = ids[i]
	}
	return nil
}

// lanesOf yields every lane of a transaction, repeatedly.
func lanesOf(tx *ledger.Transaction) iter.Seq[catalog.Lane] {
	return func(yield func(catalog.Lane) bool) {
		for m := range mutationsOf(tx) {
			if !yield(m.Lane) {
				return
			}
		}
		for i := range tx.Batches {
			if !yield(tx.Batches[i].Lane) {
				return
			}
		}
		for i := range tx.Versions {
			if !yield(tx.Versions[i].Key.Lane) {
				return
			}
		}
		for i := range tx.Outcomes {
			for _, version := range tx.Outcomes[i].ResetVersions {
				if !yield(version.Key.Lane) {
					return
				}
			}
		}
	}
}

// mutationsOf yields every mutation of a transaction whose row it writes: also those that an outcome
// names.
func mutationsOf(tx *ledger.Transaction) iter.Seq[*catalog.Mutation] {
	return func(yield func(*catalog.Mutation) bool) {
		for m := range tx.Mutations() {
			if !yield(m) {
				return
			}
		}
		for i := range tx.Outcomes {
			for j := range tx.Outcomes[i].Exceptions {
				exception := &tx.Outcomes[i].Exceptions[j]
				for _, ms := range [...][]*catalog.Mutation{exception.Constituents, exception.Settled} {
					for _, m := range ms {
						if !yield(m) {
							return
						}
					}
				}
			}
		}
	}
}

func (s *Store) ensureDays(ctx context.Context, p *plan) error {
	for i := range p.tx.Batches {
		on, err := batchDay(p.tx.Batches[i].ID)
		if err != nil {
			return err
		}
		if err := s.checkDay(on); err != nil {
			return err
		}
		if err := s.ensureDay(ctx, on); err != nil {
			return err
		}
	}
	var last time.Time
	for i := range p.fresh {
		m := p.fresh[i].mutation
		if m.ReceivedAt.IsZero() {
			return fmt.Errorf("%w: mutation %q at %d has no time of receipt", ledger.ErrRejected, m.ID, m.Position.Sequence)
		}
		on := recordedOn(m)
		if on.Equal(last) {
			continue
		}
		if err := s.checkDay(on); err != nil {
			return err
		}
		if err := s.ensureDay(ctx, on); err != nil {
			return err
		}
		last = on
	}
	return nil
}

// place puts a row among the new or the changed ones.
func (p *plan) place(r row) {
	m := r.mutation
	r.lane = p.lanes[m.Lane]
	if m.RecordedOn.IsZero() {
		p.fresh = append(p.fresh, r)
		return
	}
	place := rowPlace{day: m.RecordedOn, generation: m.Position.Generation}
	p.changed[place] = append(p.changed[place], r)
}

func (p *plan) removeStored(m *catalog.Mutation) {
	if m.HasWaitingRow && !m.RecordedOn.IsZero() {
		p.removeWaiting(m)
	}
}

func (p *plan) removeWaiting(m *catalog.Mutation) {
	place := waitingPlace{lane: p.lanes[m.Lane], generation: m.Position.Generation}
	rows := p.removed[place]
	if rows == nil {
		rows = &waitingRows{}
		p.removed[place] = rows
	}
	sequence := int64(m.Position.Sequence) //nolint:gosec // a stream's sequence fits
	if n := len(rows.sequences); n == 0 || rows.sequences[n-1] != sequence {
		rows.sequences = append(rows.sequences, sequence)
	}
	rows.places = append(rows.places, sequence*maxLines+int64(m.Position.Line))
	rows.packed = rows.packed || m.Position.Line > 0
}

func (p *plan) addWaiting(s *Store, m *catalog.Mutation) {
	p.waiting = append(p.waiting, waitingRow{lane: p.lanes[m.Lane], mutation: m, payload: s.codec.packMutation(m)})
}

func (p *plan) addBatch(b *ledger.Batch) {
	if p.fresh == nil {
		p.fresh = make([]row, 0, len(b.Records))
	}
	for i := range b.Records {
		record := &b.Records[i]
		newest := record.Newest()
		for _, m := range record.Constituents {
			r := row{mutation: m, batch: b.ID, record: int32(i)}
			if m != newest {
				r.supersededBy = newest.ID
			}
			p.place(r)
			p.removeStored(m)
		}
	}
}

func (p *plan) addRefusal(refusal *ledger.InvalidMutation) {
	m := refusal.Mutation
	p.place(row{mutation: m, state: stateInvalid})
	p.removeStored(m)
	p.letters = append(p.letters, letter{
		mutation: m, lane: p.lanes[m.Lane],
		reason: refusal.Problem.Reason, field: refusal.Problem.Field,
		text: ledger.Sentence(&refusal.Problem), errors: ledger.IssuesOf([]catalog.Problem{refusal.Problem}),
	})
}

func (p *plan) addOutcome(s *Store, outcome *ledger.BatchOutcome) {
	for i := range outcome.Exceptions {
		exception := &outcome.Exceptions[i]
		switch exception.Result {
		case ledger.Returned:
			p.addReturned(s, outcome, exception)
		case ledger.Failed, ledger.Unconfirmed:
			for _, m := range exception.Constituents {
				p.letters = append(p.letters, letter{
					mutation: m, lane: p.lanes[m.Lane], batch: outcome.BatchID, failedAt: outcome.FinishedAt,
					reason: exception.Reason, text: explain(exception), errors: exception.Errors,
				})
			}
		case ledger.Succeeded: // with warnings: the mutation rows say enough
		}
	}
}

// addReturned puts a record's mutations back to waiting, each with a row of its
// own, apart from those that are done. That they were merged is over.
func (p *plan) addReturned(s *Store, outcome *ledger.BatchOutcome, exception *ledger.RecordOutcome) {
	settled := make(map[catalog.Position]bool, len(exception.Settled))
	base := row{batch: outcome.BatchID, record: int32(exception.Index)} //nolint:gosec // at most the platform's cap
	for _, m := range exception.Settled {
		settled[m.Position] = true
		r := base
		r.mutation, r.state = m, stateSettled
		p.place(r)
	}
	for _, m := range exception.Constituents {
		if settled[m.Position] {
			continue
		}
		r := base
		r.mutation, r.state = m, stateWaiting
		p.place(r)
		p.addWaiting(s, m)
	}
}

// explain is the sentence of a dead letter: what the platform said, or what its
// silence means.
func explain(exception *ledger.RecordOutcome) string {
	said := ""
	if at := slices.IndexFunc(exception.Errors, func(issue ledger.Issue) bool { return issue.Message != "" }); at >= 0 {
		issue := exception.Errors[at]
		said = ": " + issue.Message
		if issue.Attribute != "" {
			said = " of " + issue.Attribute + said
		}
	}
	switch {
	case exception.Result == ledger.Unconfirmed && said != "":
		return "it is not known whether the platform has the change, because a copy that was sent may have been accepted; the last that it said" + said
	case exception.Result == ledger.Unconfirmed:
		return "the platform never said what became of the item, and all attempts are used up"
	case said != "":
		return "the platform said" + said
	default:
		return "the platform rejected the item without saying why"
	}
}
