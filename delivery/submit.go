package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// errUnsent is in the errors of bodies that could not be put together: no call was
// made, so that nothing was learnt of the platform and no quota was used.
var errUnsent = errors.New("the request was not sent")

func unsent(perr *platform.Error) bool { return perr != nil && errors.Is(perr.Err, errUnsent) }

// submitTimeout bounds one POST, its answer included. Large bodies over slow lines
// need their time; the lease's deadline ends writing earlier if it must.
const submitTimeout = 2 * time.Minute

// post makes the POST beside the engine, and has its result recorded before the
// engine hears of it.
func (e *Engine) post(f *openBatch) {
	f.to(phaseSending)
	e.batches.moment++
	f.lastPost, f.lastPostNo = time.Now(), e.batches.moment
	f.lastTaken, f.lastTakenAt = f.lane.breaker.taken, f.lane.breaker.takenAt
	p := &posting{
		storeCalls: &e.recorder.storeCalls, f: f, number: f.attempt, group: f.batch.Group, records: f.batch.Records, variant: variantOf(f),
		hadAmbiguity: f.taken(), slot: f.slot, who: f.lane.sender.account.refusable(),
	}
	e.spawn(func(ctx context.Context) {
		if err := p.run(ctx); err != nil {
			e.calls.report(ctx, func() { e.fail(err) })
			return
		}
		e.calls.report(ctx, func() { e.onPosted(f, p.submission, p.failure, p.took) })
	})
}

// posting is a POST under way: what its goroutine needs of the batch, as it was when the
// POST began, and how it ended.
type posting struct {
	*storeCalls
	f            *openBatch
	number       int
	group        string
	records      []catalog.Record
	variant      int
	hadAmbiguity bool
	slot         *quota.Slot
	who          refusable

	submission platform.Submission
	failure    *platform.Error
	answer     string // the text of the answer, "" for none
	took       time.Duration
}

// run makes the POST and has it recorded how it ended.
func (p *posting) run(ctx context.Context) error {
	began := time.Now()
	p.submission, p.failure = p.submit(ctx)
	p.took = time.Since(began)
	perr := p.failure
	attempt := attemptOf(p.f, p.number, p.submission, perr, p.answer)
	if perr != nil && (perr.RetryAfter > 0 || attempt.Result == ledger.NotTaken && !p.hadAmbiguity) {
		attempt.NextAt = attempt.At.Add(max(perr.RetryAfter, p.f.lane.policy().RetryMin))
	}
	if !unsent(perr) {
		p.hear(ctx, p.slot, p.who, perr, quotasOf(p.submission.Quotas, perr))
	}
	if perr != nil && perr.Scope == platform.ScopeCaller {
		return nil
	}
	return p.recordAttempt(ctx, attempt)
}

// submit encodes and sends. A panic while a body is put together is the batch's
// problem: bisecting finds the record that causes it.
func (p *posting) submit(ctx context.Context) (submission platform.Submission, perr *platform.Error) {
	body, perr := p.encode(ctx)
	if perr != nil {
		return platform.Submission{}, perr
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	ctx, span := p.f.startCall(ctx, p.cfg.Tracer, "submit")
	ctx, kept := platform.KeepAnswer(ctx)
	submission, err := p.callSubmit(ctx, body)
	p.answer = kept.Text()
	perr = asPlatformError(err)
	endCall(span, perr)
	if perr != nil {
		return submission, perr
	}
	if broken := submission.Broken(len(p.records)); broken != "" {
		return platform.Submission{}, &platform.Error{
			Scope: platform.ScopePlatform, Ambiguous: true, Unclear: true, Operation: "POST", Message: broken, Quotas: submission.Quotas,
		}
	}
	return submission, nil
}

// callSubmit makes the POST. A panic while its answer is read is an answer that
// nobody understands: the platform may have taken the batch.
func (p *posting) callSubmit(ctx context.Context, body []byte) (submission platform.Submission, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "reading the answer to a POST panicked; it counts as no answer",
				slog.String("batch_id", p.f.batch.ID.String()), slog.String("panic", fmt.Sprint(r)))
			err = &platform.Error{Scope: platform.ScopePlatform, Ambiguous: true, Unclear: true, Operation: "POST", Message: "Courier could not read the answer; please report it"}
		}
	}()
	return p.f.lane.endpoint.Submit(ctx, body, p.group, p.records)
}

func (p *posting) encode(ctx context.Context) (body []byte, perr *platform.Error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "putting a body together panicked; the batch is bisected to find the record",
				slog.String("batch_id", p.f.batch.ID.String()), slog.String("panic", fmt.Sprint(r)))
			perr = &platform.Error{Scope: platform.ScopeBatch, Operation: "encode", Message: "Courier could not put the request together; please report it", Err: errors.Join(errUnsent, errPanic)}
		}
	}()
	body, err := p.f.lane.endpoint.Encode(make([]byte, 0, bodySize(p.f.lane.endpoint, p.records)), p.group, p.records, p.variant)
	if err != nil {
		return nil, &platform.Error{Scope: platform.ScopeBatch, Operation: "encode", Message: err.Error(), Err: errors.Join(errUnsent, err)}
	}
	if len(body) > p.f.lane.endpoint.Limits().MaxBytes {
		return nil, &platform.Error{Scope: platform.ScopeBatch, TooLarge: true, Operation: "encode", Message: "the body is larger than the platform's cap", Err: errUnsent}
	}
	return body, nil
}

// bodySize is an upper bound of a body, so that it is put together in one piece of
// memory instead of being copied each time it grows.
func bodySize(endpoint platform.Endpoint, records []catalog.Record) int {
	size := endpoint.Overhead()
	for i := range records {
		size += endpoint.RecordSize(records[i].Key, records[i].Change)
	}
	return size
}

// asPlatformError makes sure that an error has a kind: one without is taken for
// an ambiguous failure of the platform, the safest guess.
func asPlatformError(err error) *platform.Error {
	if err == nil {
		return nil
	}
	if perr, ok := errors.AsType[*platform.Error](err); ok {
		return perr
	}
	return &platform.Error{Scope: platform.ScopePlatform, Ambiguous: true, Message: err.Error(), Err: err}
}

// quotasOf is what an answer told of quotas, whether it was one or a refusal.
func quotasOf(answered []platform.Quota, perr *platform.Error) []platform.Quota {
	if perr != nil {
		return perr.Quotas
	}
	return answered
}
