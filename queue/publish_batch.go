package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// streamStoreFailed is the server's code for a message it could not store, for
// instance because the stream is full.
const streamStoreFailed jetstream.ErrorCode = 10077

// publishBatch publishes up to MaxBatch messages in order, in the best way the
// server knows.
func (p *Publisher) publishBatch(ctx context.Context, batch []outgoing) error {
	if len(batch) == 0 {
		return nil
	}
	if len(batch) == 1 {
		return p.publishSingly(ctx, batch)
	}
	if p.noBatches.Load() {
		return p.publishAsync(ctx, batch)
	}
	err := p.retry(ctx, func(ctx context.Context) error { return p.publishAtomically(ctx, batch) })
	switch {
	case hasCode(err, jetstreamext.JSErrCodeBatchPublishDuplicateMsgID):
		// One duplicate and the server stores none of the batch. It may also be the
		// batch itself: stored, and its acknowledgement lost.
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
	flow := jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: p.options.Timeout}
	publisher, err := jetstreamext.NewBatchPublisher(p.js, flow)
	if err != nil {
		return err
	}
	last := len(batch) - 1
	for _, message := range batch[:last] {
		if err := publisher.AddMsg(message.message()); err != nil {
			return err
		}
	}
	ack, err := publisher.CommitMsg(ctx, batch[last].message())
	if err != nil {
		return err
	}
	// The messages of a batch have consecutive sequences.
	for i, message := range batch {
		message.stored(ack.Sequence-uint64(last-i), false) //nolint:gosec // i is at most last
	}
	return nil
}

// publishSingly publishes one message after the other and learns of each whether
// it is a duplicate.
func (p *Publisher) publishSingly(ctx context.Context, batch []outgoing) error {
	for _, message := range batch {
		err := p.retry(ctx, func(ctx context.Context) error {
			ack, err := p.js.PublishMsg(ctx, message.message())
			if err == nil {
				message.stored(ack.Sequence, ack.Duplicate)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// publishAsync sends all messages and then waits for their acknowledgements. A
// message that fails is not repeated, as those after it may have been stored:
// repeating it could put an item's older change behind its newer one.
func (p *Publisher) publishAsync(ctx context.Context, batch []outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	futures := make([]jetstream.PubAckFuture, 0, len(batch))
	var failed error
	for _, message := range batch {
		// Without a stall wait, a full window is an error instead of a pause.
		future, err := p.js.PublishMsgAsync(message.message(), jetstream.WithStallWait(p.options.Timeout))
		if err != nil {
			failed = err
			break
		}
		futures = append(futures, future)
	}
	for i, future := range futures {
		select {
		case ack := <-future.Ok():
			batch[i].stored(ack.Sequence, ack.Duplicate)
		case err := <-future.Err():
			batch[i].result.Err = publishError(err)
			failed = errors.Join(failed, err)
		case <-ctx.Done():
			return errors.Join(failed, fmt.Errorf("waiting for acknowledgements: %w", ctx.Err()))
		}
	}
	return publishError(failed)
}

// retry repeats a call that the server did not answer or was too busy for.
func (p *Publisher) retry(ctx context.Context, call func(context.Context) error) error {
	const firstPause, longestPause = 50 * time.Millisecond, 2 * time.Second
	schedule := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	var last error
	err := backoff.Retry(func() error {
		attempt, cancel := context.WithTimeout(ctx, p.options.Timeout)
		defer cancel()
		last = call(attempt)
		if last != nil && !transient(last) {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(backoff.WithMaxRetries(schedule, uint64(p.options.Attempts-1)), ctx)) //nolint:gosec // at least 0
	if err != nil && ctx.Err() != nil {
		return errors.Join(ctx.Err(), last)
	}
	return publishError(err)
}

// transient reports errors after which the same call may succeed. The call may
// have been carried out all the same; its message ids make repeating it safe.
func transient(err error) bool {
	for _, cause := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse, jetstreamext.ErrInvalidBatchAck,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	const tooManyRequests, unavailable = 429, 503
	switch api.ErrorCode {
	case jetstreamext.JSErrCodeBatchPublishIncomplete, jetstreamext.JSErrCodeBatchPublishMissingSeq:
		return true
	case streamStoreFailed:
		return false
	default:
		return api.Code == tooManyRequests || api.Code == unavailable
	}
}

// publishError gives a full stream its kind.
func publishError(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if ok && api.ErrorCode == streamStoreFailed && strings.Contains(api.Description, "maximum") {
		return fmt.Errorf("%w: %w", ErrStreamFull, err)
	}
	return err
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == code
}
