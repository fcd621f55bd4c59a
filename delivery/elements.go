package delivery

import (
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// section is a section of a transaction.
type section uint8

const (
	inBatches section = iota // a record of a batch
	inWaiting
	inRefused
	inStale
	inVersions
	inIntents
	inOutcomes // the end of a batch, or the exception of one record
)

// element is the smallest thing of a transaction that can be refused by itself.
type element struct {
	section section
	i       int // in the section
	j       int // record or exception; wholeOutcome for what an outcome says of its batch
}

const wholeOutcome = -1

// elements lists all of a transaction.
func elements(tx *ledger.Transaction) []element {
	var all []element
	add := func(of section, count int) {
		for i := range count {
			all = append(all, element{section: of, i: i})
		}
	}
	for i := range tx.Batches {
		for j := range tx.Batches[i].Records {
			all = append(all, element{section: inBatches, i: i, j: j})
		}
	}
	add(inWaiting, len(tx.Waiting))
	add(inRefused, len(tx.Invalid))
	add(inStale, len(tx.Stale))
	add(inVersions, len(tx.Versions))
	add(inIntents, len(tx.Intents))
	for i := range tx.Outcomes {
		all = append(all, element{section: inOutcomes, i: i, j: wholeOutcome})
		for j := range tx.Outcomes[i].Exceptions {
			all = append(all, element{section: inOutcomes, i: i, j: j})
		}
	}
	return all
}

// only is the transaction with nothing but these elements, which stand in the order of
// the transaction.
func only(tx *ledger.Transaction, of []element) *ledger.Transaction {
	part := &ledger.Transaction{ID: uuid.New(), Partition: tx.Partition, Recorded: tx.Recorded, Anchor: tx.Anchor}
	batch, outcome := -1, -1
	for _, e := range of {
		switch e.section {
		case inBatches:
			if e.i != batch {
				batch = e.i
				b := tx.Batches[e.i]
				b.Records = nil
				part.Batches = append(part.Batches, b)
			}
			b := &part.Batches[len(part.Batches)-1]
			b.Records = append(b.Records, tx.Batches[e.i].Records[e.j])
		case inWaiting:
			part.Waiting = append(part.Waiting, tx.Waiting[e.i])
		case inRefused:
			part.Invalid = append(part.Invalid, tx.Invalid[e.i])
		case inStale:
			part.Stale = append(part.Stale, tx.Stale[e.i])
		case inVersions:
			part.Versions = append(part.Versions, tx.Versions[e.i])
		case inIntents:
			part.Intents = append(part.Intents, tx.Intents[e.i])
		case inOutcomes:
			if e.i != outcome {
				outcome = e.i
				part.Outcomes = append(part.Outcomes, bare(&tx.Outcomes[e.i]))
			}
			o := &part.Outcomes[len(part.Outcomes)-1]
			if e.j == wholeOutcome {
				whole := &tx.Outcomes[e.i]
				o.Error, o.Answer, o.ResetVersions = whole.Error, whole.Answer, whole.ResetVersions
			} else {
				o.Exceptions = append(o.Exceptions, tx.Outcomes[e.i].Exceptions[e.j])
			}
		}
	}
	return part
}

// bare is an outcome without its words and exceptions.
func bare(o *ledger.BatchOutcome) ledger.BatchOutcome {
	b := *o
	b.Error, b.Answer, b.ResetVersions, b.Exceptions = "", "", nil, nil
	return b
}

// harmless is a transaction that writes to the tables that tx writes to, with values that nothing
// can be said against: a store that refuses it refuses everything. An end of a batch needs one to
// end: it begins one.
func harmless(tx *ledger.Transaction, at func() *catalog.Mutation) *ledger.Transaction {
	part := &ledger.Transaction{ID: uuid.New(), Partition: tx.Partition}
	batch := func() ledger.Batch {
		m := at()
		return ledger.Batch{
			ID: uuid.Must(uuid.NewV7()), Lane: m.Lane, CreatedAt: m.ReceivedAt,
			Records: []catalog.Record{{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}},
		}
	}
	if len(tx.Batches)+len(tx.Outcomes) > 0 {
		part.Batches = []ledger.Batch{batch()}
	}
	if len(tx.Outcomes) > 0 {
		b := &part.Batches[0]
		end := ledger.BatchOutcome{BatchID: b.ID, Lane: b.Lane, CreatedAt: b.CreatedAt, FinishedAt: b.CreatedAt, State: ledger.BatchCompleted, Succeeded: 1}
		if slices.ContainsFunc(tx.Outcomes, func(o ledger.BatchOutcome) bool { return len(o.Exceptions) > 0 }) {
			end.Exceptions = []ledger.RecordOutcome{{Result: ledger.Succeeded}}
		}
		part.Outcomes = []ledger.BatchOutcome{end}
	}
	if len(tx.Waiting) > 0 {
		m := at()
		m.HasWaitingRow = true
		part.Waiting = []*catalog.Mutation{m}
	}
	// Whatever is refused becomes a dead letter.
	part.Invalid = []ledger.InvalidMutation{{Mutation: at(), Problem: catalog.Problem{Reason: catalog.Unrecordable, Text: "a trial"}}}
	if len(tx.Stale) > 0 {
		part.Stale = []ledger.StaleVersion{{Mutation: at(), SupersededBy: "trial"}}
	}
	if len(tx.Versions) > 0 {
		m := at()
		part.Versions = []ledger.ItemVersion{{Key: m.Key(), Version: 1, MutationID: m.ID}}
	}
	if len(tx.Intents) > 0 {
		part.Intents = []ledger.Intent{{BatchID: uuid.Must(uuid.NewV7()), Attempt: 2, At: at().ReceivedAt}}
	}
	return part
}
