package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

// streamStoreFailed is the server's code for a message it could not store, for
// instance because the stream is full.
const streamStoreFailed jetstream.ErrorCode = 10077

// streamMessageTooLarge is the server's code for a message over the stream's max_msg_size.
const streamMessageTooLarge jetstream.ErrorCode = 10054

// maxIncomplete is how often a batch may arrive incomplete, which a change of the
// stream's leader causes too, until its messages are published one by one.
const maxIncomplete = 2

// What servers of a cluster answer while they change roles.
const (
	notLeader     jetstream.ErrorCode = 10009
	streamOffline jetstream.ErrorCode = 10118
)

// publishBatch publishes up to MaxBatch messages in order. What NATS does not let the
// user publish is left out, and the others are sent without it.
func (p *Publisher) publishBatch(ctx context.Context, batch []outgoing) error {
	for len(batch) > 0 { // each round but the last one leaves a message out
		if err := ctx.Err(); err != nil { // nothing of the batch is sent
			return endOf(ctx, err)
		}
		watch := p.options.Denials.watch(batch)
		limited, cancel := watch.within(ctx)
		err := p.publishAllowed(limited, batch)
		cancel()
		rest, denied, fatal := watch.leaveOut(batch)
		switch {
		case err == nil:
			return nil
		case fatal != nil:
			return fatal
		case denied == 0 || ctx.Err() != nil:
			return err
		}
		batch = rest
	}
	return nil
}

// publishAllowed publishes in the best way the server knows.
func (p *Publisher) publishAllowed(ctx context.Context, batch []outgoing) error {
	if len(batch) == 1 {
		return p.publishSingly(ctx, batch)
	}
	if p.noBatches.Load() {
		return p.publishAsync(ctx, batch)
	}
	incomplete := 0
	err := p.retry(ctx, func(ctx context.Context) error {
		err := p.publishAtomically(ctx, batch)
		if hasCode(err, jetstreamext.JSErrCodeBatchPublishIncomplete) {
			if incomplete++; incomplete >= maxIncomplete {
				return final{err}
			}
		}
		return err
	})
	switch {
	case hasCode(err, jetstreamext.JSErrCodeBatchPublishDuplicateMsgID):
		// One duplicate and the server stores none of the batch. It may also be the
		// batch itself: stored, and its acknowledgement lost.
		return p.publishSingly(ctx, batch)
	case hasCode(err, jetstreamext.JSErrCodeBatchPublishIncomplete), hasCode(err, streamMessageTooLarge):
		// The server refuses a message inside a batch without saying which.
		return p.publishSingly(ctx, batch)
	case hasCode(err, jetstreamext.JSErrCodeBatchPublishNotEnabled):
		p.noBatches.Store(true)
		return p.publishAsync(ctx, batch)
	default:
		return err
	}
}

// publishAtomically stores all of the batch or none of it.
func (p *Publisher) publishAtomically(ctx context.Context, batch []outgoing) error {
	// No acknowledgement is asked for but the last: waiting for others ignores ctx.
	flow := jetstreamext.BatchFlowControl{AckTimeout: p.options.Timeout}
	publisher, err := jetstreamext.NewBatchPublisher(p.js, flow)
	if err != nil {
		return err
	}
	last := len(batch) - 1
	for _, out := range batch[:last] {
		if err := publisher.AddMsg(out.message()); err != nil {
			return err
		}
	}
	refused := make([]func(), len(batch))
	for i, out := range batch {
		refused[i] = out.sent()
	}
	ack, err := publisher.CommitMsg(ctx, batch[last].message())
	if err != nil {
		if answered(err) {
			for _, undo := range refused {
				undo()
			}
		}
		return err
	}
	// The messages of a batch have consecutive sequences.
	for i, out := range batch {
		out.stored(ack.Sequence-uint64(last-i), false) //nolint:gosec // i is at most last
	}
	return nil
}

// publishSingly publishes one message after the other and learns of each whether
// it is a duplicate. Those that are stored already are passed over.
func (p *Publisher) publishSingly(ctx context.Context, batch []outgoing) error {
	for _, out := range batch {
		if out.result.Outcome != Refused || out.result.Err != nil {
			continue
		}
		err := p.retry(ctx, func(ctx context.Context) error {
			refused := out.sent()
			ack, err := p.js.PublishMsg(ctx, out.message())
			switch {
			case err == nil:
				out.stored(ack.Sequence, ack.Duplicate)
			case answered(err):
				refused()
			}
			return err
		})
		switch {
		case hasCode(err, streamMessageTooLarge) && len(out.lines) > 0:
			if err := p.publishSingly(ctx, out.split()); err != nil {
				return err
			}
		case hasCode(err, streamMessageTooLarge):
			out.refuseTooLarge(err)
		case err != nil:
			return err
		}
	}
	return nil
}

// publishAsync sends all messages and then waits for their acknowledgements. Messages
// without one are published singly then, unless that could put an item's older change
// behind its newer one.
func (p *Publisher) publishAsync(ctx context.Context, batch []outgoing) error {
	err := p.sendAsync(ctx, batch)
	tooLarge := hasCode(err, streamMessageTooLarge) // a pack; its lines may not be
	if err == nil || ctx.Err() != nil || !transient(err) && !tooLarge {
		return publishError(err)
	}
	p.options.Retrying(err)
	if !repeatable(batch) {
		return fmt.Errorf("a newer change of the same item is stored already, so the older one is not repeated: %w", err)
	}
	return p.publishSingly(ctx, batch)
}

// sendAsync returns the first failure that repeating does not help against, else the
// first one.
func (p *Publisher) sendAsync(ctx context.Context, batch []outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	futures := make([]jetstream.PubAckFuture, 0, len(batch))
	refused := make([]func(), 0, len(batch))
	var failed error
	for _, out := range batch {
		// Without a stall wait, a full window is an error instead of a pause. The
		// client's own attempts would change the order.
		future, err := p.js.PublishMsgAsync(out.message(),
			jetstream.WithStallWait(p.options.Timeout), jetstream.WithRetryAttempts(0))
		if err != nil {
			failed = err
			break
		}
		futures, refused = append(futures, future), append(refused, out.sent())
	}
	for i, future := range futures {
		select {
		case ack := <-future.Ok():
			batch[i].stored(ack.Sequence, ack.Duplicate)
		case err := <-future.Err():
			if answered(err) {
				refused[i]()
			}
			if hasCode(err, streamMessageTooLarge) && len(batch[i].lines) == 0 {
				batch[i].refuseTooLarge(err)
				continue
			}
			if failed == nil || transient(failed) && !transient(err) && !hasCode(err, streamMessageTooLarge) {
				failed = err
			}
		case <-ctx.Done():
			if failed == nil || transient(failed) {
				failed = fmt.Errorf("waiting for acknowledgements: %w", ctx.Err())
			}
			return failed
		}
	}
	return failed
}

// repeatable reports that no message without an acknowledgement has a newer change of
// the same item stored behind it. An item that cannot be told is any item of its subject.
func repeatable(batch []outgoing) bool {
	type item struct {
		subject, id  string
		localization catalog.Localization
	}
	newer := map[item]bool{}
	subjects := map[string]bool{}
	for _, out := range slices.Backward(batch) {
		arrival := message.Decode(message.Raw{Subject: out.Subject, Headers: out.message().Header, Data: out.Data})
		whole := item{subject: out.Subject}
		this := item{out.Subject, arrival.Mutation.ItemID, arrival.Mutation.Localization}
		if arrival.Problem != nil {
			this = whole
		}
		if out.result.Err != nil {
			continue // the stream will never have it
		}
		if out.result.Outcome != Refused {
			newer[this], subjects[this.subject] = true, true
		} else if newer[this] || newer[whole] || this == whole && subjects[this.subject] {
			return false
		}
	}
	return true
}

// retry repeats a call that the server did not answer or was too busy for.
func (p *Publisher) retry(ctx context.Context, call func(context.Context) error) error {
	const firstPause, longestPause = 50 * time.Millisecond, 2 * time.Second
	schedule := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	// The last attempt ends with the budget too: no repeat comes after the stream has
	// forgotten the ids of the first attempt. None begins shortly before the end: cut off,
	// it could not say what it met, and whether it stored anything.
	budget := time.Duration(p.retryFor.Load())
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	const lastShare = 4
	lastStart := time.Now().Add(budget - budget/lastShare)
	var last error
	_ = backoff.RetryNotify(func() error {
		if last != nil && time.Now().After(lastStart) {
			return backoff.Permanent(last)
		}
		attempt, cancel := context.WithTimeout(limited, p.options.Timeout)
		defer cancel()
		last = call(attempt)
		if last != nil && !transient(last) {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(schedule, limited), func(err error, _ time.Duration) { p.options.Retrying(err) })
	switch {
	case last == nil, !transient(last) && ctx.Err() == nil:
		return publishError(last)
	case ctx.Err() != nil:
		return endOf(ctx, last)
	default:
		if errors.Is(last, nats.ErrNoResponders) || errors.Is(last, jetstream.ErrNoStreamResponse) {
			last = fmt.Errorf("%w (no stream takes the subject, or the stream has no leader)", last)
		}
		return fmt.Errorf("repeated for %s in vain: %w", budget, last)
	}
}

// endOf is the error of a call that the context's end cut short.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// answered reports an error that is the server's own answer: nothing is stored.
func answered(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode != jetstreamext.JSErrCodeBatchPublishDuplicateMsgID || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse)
}

// transient reports errors after which the same call may succeed. The call may
// have been carried out all the same; its message ids make repeating it safe.
func transient(err error) bool {
	if _, ok := errors.AsType[final](err); ok {
		return false
	}
	for _, cause := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrStaleConnection, nats.ErrNoServers,
		jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
		jetstreamext.ErrInvalidBatchAck,
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, // of a write before the client knows that it is disconnected
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	const tooManyRequests, unavailable = 429, 503
	switch api.ErrorCode {
	case jetstreamext.JSErrCodeBatchPublishIncomplete, jetstreamext.JSErrCodeBatchPublishMissingSeq, notLeader, streamOffline:
		return true
	case streamStoreFailed: // a store that is closing, or a leader that is not one any more
		return publishErrorKind(api) == nil
	default:
		return api.Code == tooManyRequests || api.Code == unavailable
	}
}

// final is an error that repeating does not help against, whatever its code says.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// publishError gives a full stream its kind.
func publishError(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return err
	}
	if kind := publishErrorKind(api); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

// publishErrorKind is nil where the error has no kind of its own.
func publishErrorKind(api *jetstream.APIError) error {
	if api.ErrorCode == streamStoreFailed && strings.Contains(api.Description, "maximum") {
		return ErrStreamFull
	}
	return nil
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == code
}
