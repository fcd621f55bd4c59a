package delivery

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// takeOutOutcomes makes the ends of batches such that the store takes them: what the
// platform said is shortened or left out, and mutations that cannot be written become
// dead letters. An end that the store refuses without any of it is left for later, with
// the halves that were made of its batch: the batch stays open.
func (s *search) takeOutOutcomes(ctx context.Context, by map[section]map[int][]int) error {
	later := map[uuid.UUID]bool{}
	for i, exceptions := range by[inOutcomes] {
		o := &s.tx.Outcomes[i]
		o.Exceptions = slices.Clone(o.Exceptions)
		o.Error = ascii(o.Error, maxPlain)
		taken, err := s.takes(ctx, bare(o))
		if err != nil {
			return err
		}
		for _, j := range exceptions {
			if j == wholeOutcome || !taken {
				continue
			}
			if taken, err = s.takeOutException(ctx, o, j); err != nil {
				return err
			}
		}
		if taken && slices.Contains(exceptions, wholeOutcome) {
			if taken, err = s.saysLess(ctx, o); err != nil {
				return err
			}
		}
		later[o.BatchID] = !taken
	}
	s.tx.Outcomes = filtered(s.tx.Outcomes, func(_ int, o ledger.BatchOutcome) bool {
		if later[o.BatchID] {
			s.found.outcomes[o.BatchID] = true
		}
		return !later[o.BatchID]
	})
	s.tx.Batches = filtered(s.tx.Batches, func(_ int, b ledger.Batch) bool { return !later[s.halfOf[b.ID]] })
	return nil
}

// takes tries an end of a batch by itself.
func (s *search) takes(ctx context.Context, o ledger.BatchOutcome) (bool, error) {
	refused, err := s.refuses(ctx, &ledger.Transaction{ID: uuid.New(), Partition: s.tx.Partition, Outcomes: []ledger.BatchOutcome{o}})
	return !refused, err
}

// saysLess leaves out of an outcome what it says of the batch as a whole.
func (s *search) saysLess(ctx context.Context, o *ledger.BatchOutcome) (taken bool, err error) {
	for _, with := range []func(*ledger.BatchOutcome){
		func(*ledger.BatchOutcome) {},
		func(o *ledger.BatchOutcome) { o.Answer = "" },
		func(o *ledger.BatchOutcome) { o.Error = "" },
		func(o *ledger.BatchOutcome) { o.ResetVersions = nil },
	} {
		with(o)
		alone := *o
		alone.Exceptions = nil
		if taken, err = s.takes(ctx, alone); taken || err != nil {
			return taken, err
		}
	}
	return false, nil
}

// takeOutException makes one record's end such that it can be written, and reports
// whether it can.
func (s *search) takeOutException(ctx context.Context, o *ledger.BatchOutcome, j int) (taken bool, err error) {
	x := &o.Exceptions[j]
	with := func(x ledger.RecordOutcome) ledger.BatchOutcome {
		alone := bare(o)
		alone.Exceptions = []ledger.RecordOutcome{x}
		return alone
	}
	x.Errors, x.Warnings = plainIssues(x.Errors), plainIssues(x.Warnings)
	if taken, err = s.takes(ctx, with(*x)); taken || err != nil {
		return taken, err
	}
	empty := *x
	empty.Constituents, empty.Settled = nil, nil
	if taken, err = s.takes(ctx, with(empty)); err != nil {
		return false, err
	}
	if !taken {
		x.Errors, x.Warnings = nil, nil
		if taken, err = s.takes(ctx, with(*x)); taken || err != nil {
			return taken, err
		}
		empty.Errors, empty.Warnings = nil, nil
		if taken, err = s.takes(ctx, with(empty)); !taken || err != nil {
			return false, err
		}
	}
	// What is said of the record can be written, so it is one of its mutations.
	if x.Result == ledger.Returned {
		x.Constituents, err = s.returnable(ctx, x, with)
	} else {
		x.Constituents, err = s.lettersOf(ctx, x, with)
	}
	if errors.Is(err, errNoLetter) {
		return false, nil
	}
	return err == nil, err
}

// returnable keeps those mutations that can go back to waiting. The others are dead
// letters.
func (s *search) returnable(ctx context.Context, x *ledger.RecordOutcome, with func(ledger.RecordOutcome) ledger.BatchOutcome) (good []*catalog.Mutation, err error) {
	alone := *x
	alone.Constituents = nil
	taken, err := s.takes(ctx, with(alone))
	if err != nil {
		return nil, err
	}
	if !taken { // then their rows stay as they are
		x.Settled = nil
	}
	alone.Settled = nil
	for _, m := range x.Constituents {
		alone.Constituents = []*catalog.Mutation{m}
		taken, err := s.takes(ctx, with(alone))
		if err != nil {
			return nil, err
		}
		if taken {
			good = append(good, m)
			continue
		}
		if err := s.deadLetter(ctx, m, nil); err != nil {
			return nil, err
		}
	}
	return good, nil
}

// lettersOf replaces those mutations of a failed record whose dead letters are refused
// by what can be written of them.
func (s *search) lettersOf(ctx context.Context, x *ledger.RecordOutcome, with func(ledger.RecordOutcome) ledger.BatchOutcome) ([]*catalog.Mutation, error) {
	written := make([]*catalog.Mutation, 0, len(x.Constituents))
	for _, m := range x.Constituents {
		found := false
		for _, f := range formsOf(m, s.cfg.Lease.Partition) {
			alone := *x
			alone.Constituents = []*catalog.Mutation{f.mutation}
			taken, err := s.takes(ctx, with(alone))
			if err != nil {
				return nil, err
			}
			if taken {
				written, found = append(written, f.mutation), true
				break
			}
		}
		if !found {
			return nil, errNoLetter
		}
	}
	return written, nil
}

// plainIssues are the issues in ASCII, shortened.
func plainIssues(issues []ledger.Issue) []ledger.Issue {
	plain := make([]ledger.Issue, len(issues))
	for i, issue := range issues {
		plain[i] = ledger.Issue{
			Code: ascii(issue.Code, maxPlain), Attribute: ascii(issue.Attribute, maxPlain), Message: ascii(issue.Message, maxPlain),
		}
	}
	return plain
}
