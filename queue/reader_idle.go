package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/ledger"
)

// Idle lets the position of a quiet partition follow the stream, so that the
// stream can be trimmed. When ok, every message of the partition up to the
// anchor has been returned by Next; once they are all recorded, the anchor is the
// partition's position. ok is false when there is nothing new to say.
//
// The order of the questions matters. First the stream's last sequence L; then
// the newest message of the partition: if that one was returned by Next, so was
// everything of the partition up to L. The stream's store is asked for it, not
// the consumer, whose count of pending messages trails what is stored. The last
// question is whether the stream is still the one that was read: then the
// answers before it were about that one too.
func (r *Reader) Idle(ctx context.Context) (anchor ledger.Anchor, ok bool, err error) {
	last, quiet := r.quiet()
	if !quiet {
		return ledger.Anchor{}, false, nil
	}
	state, err := r.stream.Info(ctx)
	if err != nil {
		return ledger.Anchor{}, false, err
	}
	if state.LastSeq <= last.Position.Sequence {
		return ledger.Anchor{}, false, nil
	}
	newest, err := r.newest(ctx)
	if err != nil || newest > last.Position.Sequence {
		return ledger.Anchor{}, false, err
	}
	anchor, err = r.stream.anchorAt(ctx, state.LastSeq)
	if err != nil {
		if errors.Is(err, jetstream.ErrMsgNotFound) { // removed since
			return ledger.Anchor{}, false, nil
		}
		return ledger.Anchor{}, false, fmt.Errorf("reading the last message of stream %s: %w", r.stream.name, err)
	}
	if err := r.stream.Verify(ctx, last); err != nil {
		return ledger.Anchor{}, false, err
	}
	anchor.Position.Generation = r.config.From.Position.Generation
	r.follow(anchor)
	return anchor, true, nil
}

// quiet is the last message received, and whether Next has returned everything
// up to it.
func (r *Reader) quiet() (ledger.Anchor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.waiting == 0 && r.session != nil
}

// newest is the sequence of the partition's newest message, 0 if there is none.
func (r *Reader) newest(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	message, err := r.stream.handle.GetLastMsgForSubject(ctx, partitionFilter(r.config.Partition))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking for the newest message of partition %d: %w", r.config.Partition, err)
	}
	return message.Sequence, nil
}

// follow makes the anchor the message to verify after a reconnect: the last one
// received may be trimmed once the position has passed it.
func (r *Reader) follow(anchor ledger.Anchor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if anchor.Position.Sequence > r.last.Position.Sequence {
		r.last = anchor
	}
}
