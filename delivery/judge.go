package delivery

import (
	"errors"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// judge decides what becomes of one record.
func (c *conclusion) judge(i int, v platform.Verdict, incomplete bool) {
	f := c.f
	record := &f.batch.Records[i]
	if v.Outcome == platform.Unknown && f.copied() {
		doubt(record)
	}
	switch {
	case v.Outcome == platform.Succeeded:
		c.succeeded(i, v)
	case f.damaged != "":
		c.judgeDamaged(i, v)
	case v.Outcome == platform.Failed && f.maybeApplied(i):
		c.refusedInDoubt(i, v)
	case v.Outcome == platform.Failed:
		c.failed(i, v, catalog.Refused)
	case f.refusal != nil && v.Outcome == platform.Unknown:
		c.judgeRefused(i)
	case f.abandon != "":
		c.requeue(i, record.Constituents, nil, label.Innocent)
	case f.unknown != nil:
		c.unconfirmed(i, record, platform.Verdict{Errors: []ledger.Issue{f.unknown.Issue()}})
	case v.Outcome == platform.Unknown && f.untold != nil:
		c.unconfirmed(i, record, platform.Verdict{Errors: []ledger.Issue{f.untold.Issue()}})
	case v.Outcome == platform.Unknown && incomplete && len(f.batch.Records) > 1:
		// It uses up no attempt: the halves end by themselves, at single records.
		c.halves = append(c.halves, i)
	default:
		c.again(i, f.explained(v))
	}
}

// judgeDamaged decides about a record that cannot be sent again.
func (c *conclusion) judgeDamaged(i int, v platform.Verdict) {
	f := c.f
	record := &f.batch.Records[i]
	if v.Outcome != platform.Failed || f.maybeApplied(i) {
		if f.unknown != nil {
			v.Errors = append(v.Errors, f.unknown.Issue())
		}
		c.unconfirmed(i, record, v)
		return
	}
	c.outcome.Failed++
	c.except(ledger.RecordOutcome{
		Index: i, Result: ledger.Failed, Errors: v.Errors, Warnings: v.Warnings,
		Constituents: record.Constituents, Reason: catalog.Refused,
	})
	c.outcomes[label.Failed]++
	c.finished(record)
}

// judgeRefused decides about a record of a batch that was refused as a whole. It is
// given up only where the refusal is the record's own: the platform named it, or is
// known to speak of records, or takes others of the lane. And where no other copy of
// the batch may have been taken: a CREATE is refused because its first copy worked.
func (c *conclusion) judgeRefused(i int) {
	f := c.f
	record := &f.batch.Records[i]
	refused := platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{f.refusal.Issue()}}
	named, isNamed := f.refusal.Named[i]
	switch {
	case isNamed && named.Outcome == platform.Failed && !f.taken() && !f.maybeApplied(i):
		c.failed(i, named, catalog.Refused)
	case isNamed && named.Outcome == platform.Failed:
		c.refusedInDoubt(i, named)
	case isNamed && (named.Outcome != platform.Retryable || f.taken() || f.ofRecord(i)):
		if f.taken() {
			named.Outcome = platform.Unknown
		}
		c.again(i, named)
	case f.names(f.refusal):
		c.requeue(i, record.Constituents, nil, label.Innocent) // innocent, and no attempt used up
	case len(f.batch.Records) > 1:
		c.halves = append(c.halves, i)
	case !f.refusal.Ambiguous && !f.ofRecord(i) && !f.partsInDoubt(i):
		c.keepWaiting(i, refused)
	case f.taken() || f.maybeApplied(i) && !unsent(f.refusal):
		c.refusedInDoubt(i, refused)
	default:
		c.failed(i, refused, refusalReasonOf(f.refusal))
	}
}

// ofRecord reports that the refusal of a batch of one record is known to be about the
// record.
func (f *openBatch) ofRecord(i int) bool {
	return unsent(f.refusal) || f.refusal.TooLarge || f.inCompany(i) ||
		!f.lane.breaker.stopped && (f.refusal.OfRecords || namesAttribute(f.refusal.Message, f.batch.Records[i].Change.Attributes))
}

// partsInDoubt reports that the record is a merged one of which an earlier copy may have
// been taken. Whatever it is refused for, its parts tell more than waiting.
func (f *openBatch) partsInDoubt(i int) bool {
	record := &f.batch.Records[i]
	return len(record.Constituents) > 1 &&
		(f.taken() || slices.ContainsFunc(record.Constituents, func(m *catalog.Mutation) bool { return m.MaybeApplied }))
}

func refusalReasonOf(refusal *platform.Error) catalog.Reason {
	switch {
	case refusal.TooLarge:
		return catalog.RecordTooLarge
	case errors.Is(refusal, errPanic):
		return catalog.InternalError
	default:
		return catalog.Refused
	}
}

// names reports whether the refusal names a record of the batch as the cause. One that
// names only others would be met again for ever, and one that may work later is not
// said to be bad.
func (f *openBatch) names(refusal *platform.Error) bool {
	for i, verdict := range refusal.Named {
		if i >= 0 && i < len(f.batch.Records) && verdict.Outcome != platform.Retryable {
			return true
		}
	}
	return false
}

// keepWaiting returns a record that was refused alone to waiting, for no attempt: the
// refusal is perhaps not about it.
func (c *conclusion) keepWaiting(i int, v platform.Verdict) {
	f := c.f
	record := &f.batch.Records[i]
	notBefore := c.now.Add(max(f.lane.breaker.backoff, firstPause))
	for _, m := range record.Constituents {
		m.NotBefore = notBefore
	}
	c.requeue(i, record.Constituents, &v, label.Suspect)
	c.suspects[i] = true
}

// refusedInDoubt goes on with a record that was certainly refused this time, perhaps
// because an earlier copy of it was taken. Of a merged one the parts tell more; a
// single mutation goes again.
func (c *conclusion) refusedInDoubt(i int, v platform.Verdict) {
	f := c.f
	record := &f.batch.Records[i]
	doubt(record)
	if len(record.Constituents) > 1 && (f.refusal == nil || !f.refusal.Ambiguous) {
		c.failed(i, v, catalog.Refused)
		return
	}
	v.Outcome = platform.Unknown
	c.again(i, v)
}

// succeeded ends a record that the platform confirmed. The rest of a split one
// goes back to waiting.
func (c *conclusion) succeeded(i int, v platform.Verdict) {
	f := c.f
	record := &f.batch.Records[i]
	if pending, settled := f.pendingRest(i); len(pending) > 0 {
		for _, m := range pending {
			m.SplitStep++
		}
		c.returned[i] = pending
		c.except(ledger.RecordOutcome{
			Index: i, Result: ledger.Returned, Warnings: v.Warnings, Constituents: pending, Settled: settled,
		})
		c.returns(label.Split)
		return
	}
	c.outcome.Succeeded++
	c.outcomes[label.Succeeded]++
	c.finished(record)
	if len(v.Warnings) > 0 {
		c.outcome.Warned++
		c.except(ledger.RecordOutcome{
			Index: i, Result: ledger.Succeeded, Warnings: v.Warnings, Constituents: record.Constituents,
		})
	}
	if newest := record.Newest(); record.Change.Operation == catalog.Delete && newest.HasVersion {
		c.outcome.ResetVersions = append(c.outcome.ResetVersions, ledger.ItemVersion{
			Key: record.Key, Version: newest.Version, MutationID: newest.ID, Position: newest.Position,
		})
	}
}

// pendingRest finds the constituents that still have something to say after the first
// record of a split change, and those that do not.
func (f *openBatch) pendingRest(i int) (pending, settled []*catalog.Mutation) {
	left, ok := f.rests[i]
	if !ok {
		return nil, nil
	}
	for _, m := range f.batch.Records[i].Constituents {
		_, whole := f.lane.rest(m)
		if !whole || sharesMember(m.Attributes, left.Attributes) {
			pending = append(pending, m)
		} else {
			settled = append(settled, m)
		}
	}
	return pending, settled
}

// sharesMember reports whether two JSON objects have a top-level member in common.
func sharesMember(a, b []byte) (shares bool) {
	gjson.ParseBytes(a).ForEach(func(name, _ gjson.Result) bool {
		gjson.ParseBytes(b).ForEach(func(other, _ gjson.Result) bool {
			shares = other.String() == name.String()
			return !shares
		})
		return !shares
	})
	return shares
}

// failed ends a record that was rejected permanently. A merged one goes again as its
// parts, in order, so that bad input takes no good input with it.
func (c *conclusion) failed(i int, v platform.Verdict, reason catalog.Reason) {
	f := c.f
	record := &f.batch.Records[i]
	c.outcome.Failed++
	if len(record.Constituents) > 1 {
		for _, m := range record.Constituents {
			m.NoMerge, m.Attempts = true, 0
		}
		c.requeue(i, record.Constituents, &v, label.Parted)
		return
	}
	c.except(ledger.RecordOutcome{
		Index: i, Result: ledger.Failed, Errors: v.Errors, Warnings: v.Warnings,
		Constituents: record.Constituents, Reason: reason,
	})
	c.outcomes[label.Failed]++
	c.finished(record)
}

// again sends a record once more after a while, unless its attempts are used up.
func (c *conclusion) again(i int, v platform.Verdict) {
	f := c.f
	record := &f.batch.Records[i]
	newest := record.Newest()
	newest.Attempts++
	if v.Outcome == platform.Unknown {
		doubt(record)
	}
	if newest.Attempts < f.lane.policy().MaxAttempts {
		notBefore := c.now.Add(c.cfg.retryDelay(newest.Attempts, f.lane.policy()))
		for _, m := range record.Constituents {
			m.NotBefore = notBefore
		}
		c.requeue(i, record.Constituents, &v, label.Again)
		return
	}
	if v.Outcome == platform.Retryable {
		c.failed(i, v, catalog.AttemptsExhausted)
		return
	}
	c.unconfirmed(i, record, v)
}

// doubt notes that the record may have been applied.
func doubt(record *catalog.Record) {
	for _, m := range record.Constituents {
		m.MaybeApplied = true
	}
}

// unconfirmed ends a record that the platform never said anything certain of.
func (c *conclusion) unconfirmed(i int, record *catalog.Record, v platform.Verdict) {
	c.except(ledger.RecordOutcome{
		Index: i, Result: ledger.Unconfirmed, Errors: v.Errors, Warnings: v.Warnings,
		Constituents: record.Constituents, Reason: catalog.Unconfirmed,
	})
	c.outcomes[label.Unconfirmed]++
	c.finished(record)
}

// retryDelay is how long a mutation waits before attempt number attempts+1: it
// doubles from RetryMin to RetryMax, less up to a quarter of jitter. It is a
// function of the attempt alone because the schedule lives in Postgres.
func (c *Config) retryDelay(attempts int, policy *Policy) time.Duration {
	delay := policy.RetryMax
	if shift := attempts - 1; shift < 30 {
		delay = min(policy.RetryMin<<shift, policy.RetryMax)
	}
	return delay - c.spread(delay/4)
}
