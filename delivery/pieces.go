package delivery

import (
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// unit is what of a transaction cannot be written apart: the part that it fills of a
// transaction that has nothing else.
type unit struct {
	part  ledger.Transaction
	bytes int64
}

// unitBytes is about what a unit takes in a transaction besides its mutations.
const unitBytes = 512

type units []unit

func (u units) bytes() (bytes int64) {
	for i := range u {
		bytes += u[i].bytes
	}
	return bytes
}

// units takes the job's transaction apart, in the order in which its pieces may be
// written: whoever takes over after any of them must find no newer change of an item
// recorded before an older one. So what ends batches comes first, then what begins
// some, then what waits, as the stream has it.
func (j *job) units() units {
	tx := &j.tx
	var all units
	add := func(part ledger.Transaction, ms ...*catalog.Mutation) {
		u := unit{part: part, bytes: unitBytes}
		for _, m := range ms {
			u.bytes += int64(m.Size())
		}
		all = append(all, u)
	}
	set := make(map[catalog.Position][]ledger.ItemVersion, len(tx.Versions))
	for _, v := range tx.Versions {
		set[v.Position] = append(set[v.Position], v)
	}
	// A version is written with its mutation, or behind it.
	with := func(part ledger.Transaction, ms ...*catalog.Mutation) {
		for _, m := range ms {
			part.Versions = append(part.Versions, set[m.Position]...)
			delete(set, m.Position)
		}
		add(part, ms...)
	}
	halves := map[uuid.UUID][]ledger.Batch{}
	var batches []ledger.Batch
	for _, b := range tx.Batches {
		if whole, ok := j.halfOf[b.ID]; ok {
			halves[whole] = append(halves[whole], b)
		} else {
			batches = append(batches, b)
		}
	}
	for i := range tx.Outcomes {
		made := halves[tx.Outcomes[i].BatchID]
		part := ledger.Transaction{Outcomes: tx.Outcomes[i : i+1 : i+1], Batches: made}
		add(part, slices.Collect(part.Mutations())...)
		all[len(all)-1].bytes += outcomeBytes(&tx.Outcomes[i])
	}
	for i := range tx.Intents {
		add(ledger.Transaction{Intents: tx.Intents[i : i+1 : i+1]})
	}
	for i := range batches {
		with(ledger.Transaction{Batches: batches[i : i+1 : i+1]}, slices.Collect(batches[i].Mutations())...)
	}
	waiting := slices.SortedStableFunc(slices.Values(tx.Waiting), func(a, b *catalog.Mutation) int {
		return a.Position.Compare(b.Position)
	})
	for i := range waiting {
		with(ledger.Transaction{Waiting: waiting[i : i+1 : i+1]}, waiting[i])
	}
	for _, v := range tx.Versions { // of mutations that were recorded before
		if len(set[v.Position]) > 0 {
			add(ledger.Transaction{Versions: set[v.Position]})
			delete(set, v.Position)
		}
	}
	for i := range tx.Invalid {
		add(ledger.Transaction{Invalid: tx.Invalid[i : i+1 : i+1]}, tx.Invalid[i].Mutation)
	}
	for i := range tx.Stale {
		add(ledger.Transaction{Stale: tx.Stale[i : i+1 : i+1]}, tx.Stale[i].Mutation)
	}
	return all
}

// outcomeMutations are those whose messages the end of a batch writes.
func outcomeMutations(o *ledger.BatchOutcome) (ms []*catalog.Mutation) {
	for i := range o.Exceptions {
		if o.Exceptions[i].Result != ledger.Succeeded {
			ms = append(ms, o.Exceptions[i].Constituents...)
		}
	}
	return ms
}

// pack puts units together, in order, as long as they have no more bytes than most and
// no more than the usual number. There is always a piece, as the last one moves the
// position.
func pack(all units, most int64) []units {
	pieces := []units{nil}
	var bytes int64
	for _, u := range all {
		last := len(pieces) - 1
		if len(pieces[last]) > 0 && (bytes+u.bytes > most || len(pieces[last]) >= jobMutations) {
			pieces = append(pieces, nil)
			last, bytes = last+1, 0
		}
		pieces[last] = append(pieces[last], u)
		bytes += u.bytes
	}
	return pieces
}

// piece is the transaction of some units. Each but the last names what it records
// message by message; the last one says what the whole job does.
func (j *job) piece(of units, last bool) *ledger.Transaction {
	tx := &ledger.Transaction{ID: uuid.New(), Partition: j.tx.Partition, Slowest: j.tx.Slowest, Noted: j.tx.Noted}
	for i := range of {
		part := &of[i].part
		tx.Batches = append(tx.Batches, part.Batches...)
		tx.Waiting = append(tx.Waiting, part.Waiting...)
		tx.Invalid = append(tx.Invalid, part.Invalid...)
		tx.Stale = append(tx.Stale, part.Stale...)
		tx.Versions = append(tx.Versions, part.Versions...)
		tx.Intents = append(tx.Intents, part.Intents...)
		tx.Outcomes = append(tx.Outcomes, part.Outcomes...)
	}
	if last {
		tx.Recorded, tx.Anchor, tx.Claims = j.tx.Recorded, j.tx.Anchor, j.tx.Claims
		return tx
	}
	tx.Recorded = freshRanges(tx, j.generation)
	return tx
}

// freshRanges names the mutations of the generation that the transaction records for
// the first time.
func freshRanges(tx *ledger.Transaction, generation int64) []ledger.Range {
	var ranges []ledger.Range
	for m := range tx.Mutations() {
		if p := m.Position; m.RecordedOn.IsZero() && p.Generation == generation {
			ranges = append(ranges, ledger.Range{First: p.Sequence, Last: p.Sequence, FirstLine: p.Line, LastLine: p.Line})
		}
	}
	return ledger.JoinRanges(ranges)
}

// outcomeBytes is about what the end of a batch takes in a transaction.
func outcomeBytes(o *ledger.BatchOutcome) (bytes int64) {
	bytes = int64(len(o.Answer))
	for _, m := range outcomeMutations(o) {
		bytes += int64(m.Size())
	}
	for i := range o.Exceptions {
		for _, issues := range [][]ledger.Issue{o.Exceptions[i].Errors, o.Exceptions[i].Warnings} {
			for j := range issues {
				bytes += int64(len(issues[j].Code) + len(issues[j].Attribute) + len(issues[j].Message))
			}
		}
	}
	return bytes
}
