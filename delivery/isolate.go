package delivery

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// isolationRounds is how often more may be found in a transaction of which everything
// that is refused was taken out.
const isolationRounds = 3

// refusedRest is how long jobs stay small after the store refused a row.
const refusedRest = time.Minute

// isolation is what the store refused of a job. The engine takes it out of its memory
// once the rest is committed.
type isolation struct {
	// gone are the mutations that are dead letters now.
	gone map[*catalog.Mutation]bool
	// revived are those that were overtaken by one of them; they wait again.
	revived []*catalog.Mutation
	// removed are the records that were taken out of batches, with what of them goes
	// back to waiting.
	removed map[uuid.UUID]map[catalog.ItemKey][]*catalog.Mutation
	// intents and outcomes are those that are not recorded yet, by batch.
	intents  map[uuid.UUID]bool
	outcomes map[uuid.UUID]bool
}

// search looks for what of a transaction the store refuses.
type search struct {
	*recorder
	store      ledger.Prober
	tx         *ledger.Transaction
	timeout    time.Duration
	slow       bool   // what takes too long counts as refused
	said       string // by the store, of what it refused last
	found      *isolation
	letters    []ledger.InvalidMutation
	halfOf     map[uuid.UUID]uuid.UUID // see job
	generation int64
}

// isolate takes out of a transaction what the store refuses: each mutation becomes a
// dead letter of its own, and the rest can be committed. It reports whether it took
// anything out: it does not where the store refuses everything.
func (r *recorder) isolate(ctx context.Context, j *job, tx *ledger.Transaction, timeout time.Duration, mayBeSplit, slow bool) (found bool, err error) {
	store, can := r.cfg.Store.(ledger.Prober)
	if !can {
		return false, nil
	}
	if j.found == nil {
		j.found = &isolation{
			gone: map[*catalog.Mutation]bool{}, removed: map[uuid.UUID]map[catalog.ItemKey][]*catalog.Mutation{},
			intents: map[uuid.UUID]bool{}, outcomes: map[uuid.UUID]bool{},
		}
	}
	s := &search{recorder: r, store: store, tx: tx, timeout: timeout, slow: slow, found: j.found, halfOf: j.halfOf, generation: j.generation}
	if refused, err := s.refuses(ctx, harmless(tx, s.trial)); err != nil || refused {
		return false, err
	}
	anchored, err := s.checkAnchor(ctx)
	if err != nil {
		return false, err
	}
	all := elements(tx)
	refused, err := s.refuses(ctx, only(tx, all))
	if err != nil || !refused {
		return anchored, err
	}
	bad, err := s.find(ctx, all, true)
	if err != nil {
		return false, err
	}
	if len(bad) == 0 {
		return s.takeApart(mayBeSplit)
	}
	if err := s.takeOut(ctx, bad); err != nil {
		if errors.Is(err, errNoLetter) {
			return false, nil
		}
		return false, err
	}
	s.tell(ctx)
	return true, nil
}

// takeApart deals with a transaction that is refused though no element of it is: it is
// written in pieces, and a single batch loses half of its records, which go back to
// waiting.
func (s *search) takeApart(mayBeSplit bool) (bool, error) {
	if mayBeSplit {
		return false, errSplit
	}
	if len(s.tx.Batches) != 1 || len(s.tx.Batches[0].Records) < 2 || len(s.tx.Outcomes) > 0 {
		return false, nil
	}
	b := &s.tx.Batches[0]
	kept := (len(b.Records) + 1) / 2
	removed := map[catalog.ItemKey][]*catalog.Mutation{}
	for i := range b.Records[kept:] {
		record := &b.Records[kept+i]
		for _, m := range record.Constituents {
			m.HasWaitingRow = true
		}
		s.tx.Waiting = append(s.tx.Waiting, record.Constituents...)
		removed[record.Key] = record.Constituents
	}
	b.Records = b.Records[:kept:kept]
	if s.found.removed[b.ID] == nil {
		s.found.removed[b.ID] = removed
	} else {
		maps.Copy(s.found.removed[b.ID], removed)
	}
	return true, nil
}

// trial is a mutation that nothing can be said against.
func (s *search) trial() *catalog.Mutation {
	now := time.Now()
	return &catalog.Mutation{
		ID: "trial", Lane: otherLane(s.cfg.Lease.Partition), ItemID: "trial", Operation: catalog.Delete,
		PublishedAt: now, ReceivedAt: now, Position: catalog.Position{Generation: s.generation, Sequence: 1},
		Message: catalog.Message{Subject: "catalog.mutations", Data: []byte("{}")},
	}
}

// refuses tries a transaction. Where the time it takes counts too, the store must have
// run out of it twice, and have had time for something harmless after each.
func (s *search) refuses(ctx context.Context, tx *ledger.Transaction) (bool, error) {
	slow := 0
	err := s.insist(ctx, "try a part of a transaction", s.timeout, 1, func(ctx context.Context) error {
		began := time.Now()
		err := s.store.Probe(ctx, s.cfg.Lease, tx)
		if err != nil {
			s.trouble.note(err, began)
		}
		if s.slow && errors.Is(err, ledger.ErrSlow) && answered(err) {
			s.said = Words(err)
			if s.store.Probe(ctx, s.cfg.Lease, harmless(tx, s.trial)) == nil {
				slow++
			}
			if slow == 2 {
				return errStuck
			}
		}
		return err
	})
	switch {
	case errors.Is(err, ledger.ErrRejected):
		s.said = Words(err)
		return true, nil
	case errors.Is(err, errStuck):
		return true, nil
	default:
		return false, err
	}
}

// checkAnchor names the message of the position by its digest where its id cannot be
// written. It reports whether it did.
func (s *search) checkAnchor(ctx context.Context) (changed bool, err error) {
	refused, err := s.refuses(ctx, only(s.tx, nil))
	if err != nil || !refused || s.tx.Anchor == nil {
		return false, err
	}
	anchor := *s.tx.Anchor
	anchor.MessageID = ledger.MessageIDDigest(anchor.MessageID)
	s.tx.Anchor = &anchor
	return true, nil
}

// find bisects: what is refused together is tried in halves. refused says that these
// are known to be refused.
func (s *search) find(ctx context.Context, of []element, refused bool) (bad []element, err error) {
	if len(of) == 0 {
		return nil, nil
	}
	if !refused || len(of) == 1 {
		if refused, err = s.refuses(ctx, only(s.tx, of)); err != nil || !refused {
			return nil, err
		}
	}
	if len(of) == 1 {
		return of, nil
	}
	middle := len(of) / 2
	if bad, err = s.find(ctx, of[:middle], false); err != nil {
		return nil, err
	}
	more, err := s.find(ctx, of[middle:], len(bad) == 0)
	return append(bad, more...), err
}

// takeOut replaces what is bad by dead letters.
func (s *search) takeOut(ctx context.Context, bad []element) error {
	by := map[section]map[int][]int{}
	for _, e := range bad {
		if by[e.section] == nil {
			by[e.section] = map[int][]int{}
		}
		by[e.section][e.i] = append(by[e.section][e.i], e.j)
	}
	for _, step := range []func(context.Context, map[section]map[int][]int) error{
		s.takeOutSingles, s.takeOutRecords, s.takeOutOutcomes,
	} {
		if err := step(ctx, by); err != nil {
			return err
		}
	}
	s.revive()
	s.tx.Invalid = append(s.tx.Invalid, s.letters...)
	return nil
}

// revive undoes what mutations that are dead letters now would have overtaken: their
// versions do not count, and what they made superfluous waits again.
func (s *search) revive() {
	ids := map[string]bool{}
	positions := map[catalog.Position]bool{}
	for m := range s.found.gone {
		ids[m.ID], positions[m.Position] = true, true
	}
	s.tx.Versions = filtered(s.tx.Versions, func(_ int, v ledger.ItemVersion) bool { return !positions[v.Position] })
	s.tx.Stale = filtered(s.tx.Stale, func(_ int, o ledger.StaleVersion) bool {
		if !ids[o.SupersededBy] || s.found.gone[o.Mutation] {
			return true
		}
		o.Mutation.HasWaitingRow = true
		s.tx.Waiting = append(s.tx.Waiting, o.Mutation)
		s.found.revived = append(s.found.revived, o.Mutation)
		return false
	})
}

// takeOutSingles takes out mutations that are in no batch, versions and intents.
func (s *search) takeOutSingles(ctx context.Context, by map[section]map[int][]int) error {
	var err error
	keep := func(i int, of section, m *catalog.Mutation, before *catalog.Problem) bool {
		if _, isBad := by[of][i]; !isBad || err != nil {
			return true
		}
		err = s.deadLetter(ctx, m, before)
		return false
	}
	s.tx.Waiting = filtered(s.tx.Waiting, func(i int, m *catalog.Mutation) bool { return keep(i, inWaiting, m, nil) })
	s.tx.Invalid = filtered(s.tx.Invalid, func(i int, r ledger.InvalidMutation) bool { return keep(i, inRefused, r.Mutation, &r.Problem) })
	s.tx.Stale = filtered(s.tx.Stale, func(i int, o ledger.StaleVersion) bool { return keep(i, inStale, o.Mutation, nil) })
	s.tx.Versions = filtered(s.tx.Versions, func(i int, _ ledger.ItemVersion) bool {
		_, isBad := by[inVersions][i]
		return !isBad // the mutation itself says the same, as long as it waits
	})
	s.tx.Intents = filtered(s.tx.Intents, func(i int, intent ledger.Intent) bool {
		_, isBad := by[inIntents][i]
		if isBad {
			s.found.intents[intent.BatchID] = true
		}
		return !isBad
	})
	return err
}

func filtered[T any](all []T, keep func(int, T) bool) []T {
	kept := make([]T, 0, len(all))
	for i := range all {
		if keep(i, all[i]) {
			kept = append(kept, all[i])
		}
	}
	return kept
}

// takeOutRecords takes records out of batches. Of a merged one only those mutations
// become dead letters that cannot be written alone; the others go back to waiting.
func (s *search) takeOutRecords(ctx context.Context, by map[section]map[int][]int) error {
	for i, records := range by[inBatches] {
		b := &s.tx.Batches[i]
		removed := s.found.removed[b.ID]
		if removed == nil {
			removed = map[catalog.ItemKey][]*catalog.Mutation{}
			s.found.removed[b.ID] = removed
		}
		for _, at := range records {
			record := &b.Records[at]
			back, err := s.takenAlone(ctx, record.Constituents, func(m *catalog.Mutation) *ledger.Transaction {
				alone := *b
				alone.Records = []catalog.Record{{Key: record.Key, Change: m.Change(), Constituents: []*catalog.Mutation{m}}}
				return &ledger.Transaction{Batches: []ledger.Batch{alone}}
			})
			if err != nil {
				return err
			}
			for _, m := range back {
				m.NoMerge, m.HasWaitingRow = true, true
			}
			s.tx.Waiting = append(s.tx.Waiting, back...)
			removed[record.Key] = back
		}
		b.Records = filtered(b.Records, func(_ int, r catalog.Record) bool {
			_, isRemoved := removed[r.Key]
			return !isRemoved
		})
	}
	s.tx.Batches = filtered(s.tx.Batches, func(_ int, b ledger.Batch) bool { return len(b.Records) > 0 })
	return nil
}

// takenAlone are those of the mutations that the store takes in a transaction of their own. The
// others become dead letters; a single one was refused already.
func (s *search) takenAlone(ctx context.Context, ms []*catalog.Mutation, alone func(*catalog.Mutation) *ledger.Transaction) (good []*catalog.Mutation, err error) {
	for _, m := range ms {
		refused := len(ms) == 1
		if !refused {
			tx := alone(m)
			tx.ID, tx.Partition = uuid.New(), s.tx.Partition
			if refused, err = s.refuses(ctx, tx); err != nil {
				return nil, err
			}
		}
		if !refused {
			good = append(good, m)
			continue
		}
		if err := s.deadLetter(ctx, m, nil); err != nil {
			return nil, err
		}
	}
	return good, nil
}

// tell says what was found, once for each transaction.
func (s *search) tell(ctx context.Context) {
	s.refusedAt.Store(time.Now().UnixNano())
	by := map[catalog.Lane]int{}
	for i := range s.letters {
		m := s.letters[i].Mutation
		if by[m.Lane]++; by[m.Lane] == 1 {
			s.log.ErrorContext(ctx, "the database refuses to record a change: it is a dead letter, and everything else goes on",
				slog.String("account", m.Lane.Account), slog.String("mutation_id", m.ID), slog.Uint64("sequence", m.Position.Sequence),
				slog.Int("in_this_transaction", len(s.letters)), slog.String("said", s.said))
		}
	}
	for lane, count := range by {
		s.cfg.Observer.Refused(lane, catalog.Unrecordable, count)
	}
	if len(s.letters) == 0 {
		s.log.ErrorContext(ctx, "the database refuses to record a part of a transaction; everything else goes on", slog.String("said", s.said))
	}
}
