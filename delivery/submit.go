package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
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

// step moves an open batch on as far as it can go now.
func (e *Engine) step(f *openBatch, now time.Time) {
	switch f.phase {
	case phaseReady:
		e.trySend(f, now)
	case phaseFollowing:
		e.pollDue(f, now)
	case phaseSettling:
		if now.Before(f.holdUntil) {
			e.batches.schedule(f, f.holdUntil)
			return
		}
		e.conclude(f, now)
	case phaseRecording, phaseAnnouncing, phaseSending, phaseConcluding:
		// A report moves it on.
	}
}

// trySend sends the open batch if it may be sent now.
func (e *Engine) trySend(f *openBatch, now time.Time) {
	if e.shut() {
		if f.slot != nil {
			f.cancelPost()
		}
		e.batches.schedule(f, now.Add(idleWake))
		return
	}
	if f.slot != nil { // the first POST: its slot was taken with the cut
		if e.maySend(f, now) {
			e.post(f)
			return
		}
		f.cancelPost()
	}
	if e.life.draining {
		return
	}
	if f.damaged != "" {
		f.unknown = &platform.Error{Scope: platform.ScopeBatch, Message: "what the database kept of the batch cannot be read, so that it is not sent again: " + f.damaged}
		e.endFollowing(f, now)
		return
	}
	if f.torn {
		f.abandon = "its changes do not merge any more as they did when it was recorded"
		e.endFollowing(f, now)
		return
	}
	if now.Before(f.sendAt) {
		e.wait(f, now, f.sendAt, "")
		return
	}
	if f.lane.mustWait(f, now) {
		e.wait(f, now, f.lane.nextTry(f), "every batch of its catalog is refused")
		return
	}
	if !f.taken() && f.attempt > 1 && !f.unsentHalf() && e.hasNewer(f) {
		// No copy of it can have arrived and newer changes wait: sending it as it is
		// would only spend a call on what is stale.
		f.abandon = "newer changes of its items wait"
		e.conclude(f, now)
		return
	}
	account := f.lane.sender.account
	if !account.mayCall(now) {
		e.wait(f, now, account.nextLook(now), "the account is paused")
		return
	}
	slot, again := e.cfg.Scopes.AcquireSince(e.life.began, f.lane.key.Account, f.lane.sender.scopes, f.lane.policy().Concurrency, e.calls.wake)
	if slot == nil {
		if again.IsZero() {
			e.batches.waitForSlot(f, f.lane.sender.scopes)
			return
		}
		e.wait(f, now, again, "its quota is used up, or the platform rests")
		return
	}
	f.slot = slot
	account.began()
	e.probeIfStopped(f, now)
	if f.attempt == 1 {
		e.post(f) // the batch row implies the first POST
		return
	}
	e.announce(f, now)
}

// announce puts the intent of a further POST into the next transaction; after the commit
// onAnnounced makes it.
func (e *Engine) announce(f *openBatch, now time.Time) {
	f.to(phaseAnnouncing)
	e.jobs.next.tx.Intents = append(e.jobs.next.tx.Intents, ledger.Intent{BatchID: f.batch.ID, Attempt: f.attempt, At: now})
	e.jobs.next.after(func() { e.onAnnounced(f) })
}

// onAnnounced makes the POST, unless a pause was told since or the database refused
// the intent.
func (e *Engine) onAnnounced(f *openBatch) {
	f.to(phaseReady)
	if e.jobs.isolated.withheld(f) {
		f.cancelPost()
		f.sendAt = later(f.sendAt, time.Now().Add(refusedPause))
		e.batches.schedule(f, f.sendAt)
		return
	}
	e.step(f, time.Now())
}

// cancelPost gives back the slot of a POST that was not made after all, and with it the
// account's probe, if it was one.
func (f *openBatch) cancelPost() {
	f.slot.Cancel()
	f.slot = nil
	f.lane.sender.account.probing = false
}

// maySend reports whether nothing was learnt since the cut that forbids the POST:
// recording may take long where the database is in trouble.
func (e *Engine) maySend(f *openBatch, now time.Time) bool {
	account := f.lane.sender.account
	return !account.state.ByHand && !f.lane.mustWait(f, now) && (!account.paused || account.probing) &&
		!e.cfg.Scopes.BlockedUntil(f.lane.sender.scopes).After(now)
}

// hasNewer reports whether newer changes of the open batch's items wait.
func (e *Engine) hasNewer(f *openBatch) bool {
	if e.batcher.Spilled(f.lane.key) {
		return true
	}
	for i := range f.batch.Records {
		if e.batcher.Waits(f.batch.Records[i].Key) {
			return true
		}
	}
	return false
}

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
	took       time.Duration
}

// run makes the POST and has it recorded how it ended.
func (p *posting) run(ctx context.Context) error {
	began := time.Now()
	p.submission, p.failure = p.submit(ctx)
	p.took = time.Since(began)
	perr := p.failure
	attempt := attemptOf(p.f, p.number, p.submission, perr)
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
	submission, err := p.callSubmit(ctx, body)
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

// variantOf is how often the batch's content was skipped as a duplicate or tried:
// each time the bytes change.
func variantOf(f *openBatch) int {
	variant := f.attempt - 1
	for i := range f.batch.Records {
		variant = max(variant, f.batch.Records[i].Newest().Attempts)
	}
	return variant
}

func attemptOf(f *openBatch, number int, submission platform.Submission, perr *platform.Error) ledger.Attempt {
	attempt := ledger.Attempt{BatchID: f.batch.ID, Number: number, At: time.Now()}
	switch {
	case perr == nil:
		attempt.Result, attempt.Handles = ledger.Accepted, submission.Handles
		attempt.Notes = encodeNotes(submission.Verdicts)
	case perr.Ambiguous:
		attempt.Result, attempt.Error = ledger.Ambiguous, perr.Error()
	default:
		attempt.Result, attempt.Error = ledger.NotTaken, perr.Error()
	}
	return attempt
}

// note is one record's verdict in Attempt.Notes.
type note struct {
	Index    int              `json:"i"`
	Outcome  platform.Outcome `json:"o"`
	Errors   []ledger.Issue   `json:"e,omitempty"`
	Warnings []ledger.Issue   `json:"w,omitempty"`
}

func encodeNotes(verdicts []platform.Verdict) []byte {
	var notes []note
	for i, v := range verdicts {
		if v.Outcome != platform.Unknown || len(v.Errors)+len(v.Warnings) > 0 {
			notes = append(notes, note{Index: i, Outcome: v.Outcome, Errors: v.Errors, Warnings: v.Warnings})
		}
	}
	if notes == nil {
		return nil
	}
	encoded, err := json.Marshal(notes)
	if err != nil {
		return nil // numbers and strings always encode
	}
	return encoded
}

func decodeNotes(encoded []byte, records int) ([]platform.Verdict, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	var notes []note
	if err := json.Unmarshal(encoded, &notes); err != nil {
		return nil, fmt.Errorf("decode what an answer said of single records: %w", err)
	}
	verdicts := make([]platform.Verdict, records)
	for _, n := range notes {
		if n.Index >= 0 && n.Index < records {
			verdicts[n.Index] = platform.Verdict{Outcome: n.Outcome, Errors: n.Errors, Warnings: n.Warnings}
		}
	}
	return verdicts, nil
}

// quotasOf is what an answer told of quotas, whether it was one or a refusal.
func quotasOf(answered []platform.Quota, perr *platform.Error) []platform.Quota {
	if perr != nil {
		return perr.Quotas
	}
	return answered
}

// onPosted goes on after a POST whose result is recorded.
func (e *Engine) onPosted(f *openBatch, submission platform.Submission, perr *platform.Error, took time.Duration) {
	now := time.Now()
	if unsent(perr) {
		f.cancelPost()
	} else {
		f.slot.Release(perr, quotasOf(submission.Quotas, perr))
		f.slot = nil
		e.learnFromPost(f.lane.sender.account, perr)
		f.heardRefusal(e, perr, now)
		e.observeLane(f, perr, now)
	}
	e.cfg.Observer.Submitted(f.lane.key, resultLabel(perr), causeLabel(perr), took)
	if perr == nil {
		f.resend.Reset()
		f.lane.sender.account.took = f.lastPost
		f.posts = append(f.posts, post{number: f.attempt, notes: submission.Verdicts, final: submission.Final})
		e.noteAnswer(f, nil, submission.Note)
		if submission.Final {
			e.endFollowing(f, now) // there is nothing to poll
			return
		}
		e.startPolling(f, f.attempt, submission.Handles, now)
		return
	}
	if perr.Scope != platform.ScopeCaller {
		e.log.InfoContext(e.calls.ctx, "a POST failed", slog.String("batch_id", f.batch.ID.String()),
			slog.String("account", f.batch.Lane.Account), slog.Int("attempt", f.attempt),
			slog.String("scope", perr.Scope.String()), slog.Any("error", perr))
	}
	e.onPostFailed(f, perr, now)
}

// heardRefusal notes when the batch was refused.
func (f *openBatch) heardRefusal(e *Engine, perr *platform.Error, now time.Time) {
	if perr == nil || perr.Scope != platform.ScopeBatch {
		return
	}
	e.batches.moment++
	f.refusedLast, f.refusedAt = e.batches.moment, now
	if reason := reasonOf(perr); f.refusedFirst == 0 || f.refusedFor != reason {
		f.refusedFirst, f.refusedFor = e.batches.moment, reason
	}
}

// onPostFailed decides what becomes of a batch whose POST failed.
func (e *Engine) onPostFailed(f *openBatch, perr *platform.Error, now time.Time) {
	f.to(phaseReady)
	if perr.Ambiguous {
		f.holdUntil = later(f.holdUntil, now.Add(e.life.settle(f.lane.policy())))
	}
	switch {
	case perr.Scope == platform.ScopeBatch || perr.Scope == platform.ScopeItem:
		f.refusal = perr
		e.endFollowing(f, now)
	case perr.Scope == platform.ScopeCaller:
		if perr.Ambiguous {
			f.attempt++
		}
		e.batches.schedule(f, now.Add(f.lane.policy().RetryMin))
	case f.unclearPost(perr):
		f.unknown = perr
		e.endFollowing(f, now)
	default:
		f.attempt++
		f.sendAt = now.Add(max(perr.RetryAfter, f.resend.NextBackOff()))
		e.batches.schedule(f, f.sendAt)
	}
}

// unclearPost counts an answer that does not say what became of the POST. An outage
// only postpones; whom such an answer meets each time would be sent for ever.
func (f *openBatch) unclearPost(perr *platform.Error) bool {
	if perr.Unclear {
		f.unclear++
	}
	return perr.Unclear && f.unclear >= f.lane.policy().MaxAttempts
}

// settle is how long an ambiguous copy of a batch may still be applied.
func (l *life) settle(policy *Policy) time.Duration {
	return Settle(policy.Settle, l.slowest)
}

func resultLabel(perr *platform.Error) label.Post {
	switch {
	case perr == nil:
		return label.Accepted
	case perr.Ambiguous:
		return label.Ambiguous
	default:
		return label.NotTaken
	}
}

func causeLabel(perr *platform.Error) label.Cause {
	if perr == nil {
		return label.None
	}
	switch perr.Scope {
	case platform.ScopeItem:
		return label.Item
	case platform.ScopeBatch:
		return label.Batch
	case platform.ScopeAccount:
		return label.Account
	case platform.ScopeQuota:
		return label.Quota
	case platform.ScopeCaller:
		return label.Caller
	case platform.ScopePlatform:
	}
	return label.Platform
}
