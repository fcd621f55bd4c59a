package outcome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// PublisherName is the consumer that publishes to the stream.
const PublisherName = "events"

// Publisher publishes outcomes to the stream of outcome events. It is safe for concurrent
// use.
type Publisher struct {
	// JetStream is the connection's. Ensure makes the stream, or gives it its limits; it
	// is called again after a failure that may mean that the stream is gone.
	JetStream jetstream.JetStream
	Ensure    func(ctx context.Context) error
	// Published, when not nil, is told how many events of each status were acknowledged.
	Published func(events map[Status]int)
	// Dropped, when not nil, is told of an event that the server does not take, whatever
	// is tried: the others go on.
	Dropped func(e *Event, err error)
}

const (
	// atOnce is the most messages of an atomic batch that JetStream takes.
	atOnce = 1000
	// ackWait bounds the wait for acknowledgements of one piece of a page.
	ackWait = 10 * time.Second
	// codeTooLarge is JetStream's answer to a message over the stream's limit.
	codeTooLarge jetstream.ErrorCode = 10054
)

// Work publishes a page and moves the cursor once all of it is acknowledged. See
// Consumer.Work.
func (p *Publisher) Work(ctx context.Context, r *Reader, page ledger.OutboxPage) error {
	if !p.JetStream.Conn().IsConnected() {
		return fmt.Errorf("publishing %d outcome events: %w", len(page.Outcomes), nats.ErrDisconnected)
	}
	for first := 0; first < len(page.Outcomes); first += atOnce {
		if err := p.publish(ctx, page.Outcomes[first:min(first+atOnce, len(page.Outcomes))]); err != nil {
			return errors.Join(err, p.ensureAfter(ctx, err))
		}
	}
	return r.Done(ctx)
}

// ensureAfter makes the stream where a failure may mean that there is none.
func (p *Publisher) ensureAfter(ctx context.Context, err error) error {
	if !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return p.Ensure(ctx)
}

// publish stores all of the outcomes. A batch is stored whole or not at all, and with one
// flush to the disk; where the server refuses that, as it does when one of the messages is
// stored already, or one is larger than it takes, they are sent one by one.
func (p *Publisher) publish(ctx context.Context, outcomes []Outcome) error {
	events := make([]Event, len(outcomes))
	messages := make([]*nats.Msg, len(outcomes))
	counts := map[Status]int{}
	for i := range outcomes {
		var err error
		if events[i], err = EventOf(&outcomes[i]); err != nil {
			return err
		}
		messages[i] = events[i].Message()
		messages[i].Header.Set(nats.ExpectedStreamHdr, queue.OutcomesName) // not another one with the subjects
		counts[outcomes[i].Status]++
	}
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	var err error
	if len(messages) > 1 {
		err = p.atomically(ctx, messages)
	}
	if _, refused := errors.AsType[*jetstream.APIError](err); refused || errors.Is(err, nats.ErrMaxPayload) || len(messages) == 1 {
		err = p.singly(ctx, events, messages)
	}
	if err != nil {
		return fmt.Errorf("publishing %d outcome events: %w", len(messages), err)
	}
	if p.Published != nil {
		p.Published(counts)
	}
	return nil
}

func (p *Publisher) atomically(ctx context.Context, messages []*nats.Msg) error {
	batch, err := jetstreamext.NewBatchPublisher(p.JetStream, jetstreamext.BatchFlowControl{AckTimeout: ackWait})
	if err != nil {
		return err
	}
	last := len(messages) - 1
	for _, m := range messages[:last] {
		if err := batch.AddMsg(m); err != nil {
			return err
		}
	}
	_, err = batch.CommitMsg(ctx, messages[last])
	return err
}

// singly sends all messages and waits for their acknowledgements. One that is stored
// already is acknowledged too.
func (p *Publisher) singly(ctx context.Context, events []Event, messages []*nats.Msg) error {
	futures := make([]jetstream.PubAckFuture, 0, len(messages))
	for _, m := range messages {
		m.Reply = ""
		for _, name := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
			m.Header.Del(name)
		}
		future, err := p.JetStream.PublishMsgAsync(m, jetstream.WithStallWait(ackWait), jetstream.WithRetryAttempts(0))
		if errors.Is(err, nats.ErrMaxPayload) {
			p.drop(&events[len(futures)], err)
			futures = append(futures, nil)
			continue
		}
		if err != nil {
			return err
		}
		futures = append(futures, future)
	}
	for i, future := range futures {
		if future == nil {
			continue
		}
		select {
		case <-future.Ok():
		case err := <-future.Err():
			refusal, refused := errors.AsType[*jetstream.APIError](err)
			if !refused || refusal.ErrorCode != codeTooLarge {
				return err
			}
			p.drop(&events[i], err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for acknowledgements: %w", ctx.Err())
		}
	}
	return nil
}

func (p *Publisher) drop(e *Event, err error) {
	if p.Dropped != nil {
		p.Dropped(e, err)
	}
}
