package queue

import (
	"context"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Idle lets the position of a quiet partition follow the stream, so that the
// stream can be trimmed. When ok, every message of the partition up to the
// anchor has been returned by Next; once they are all recorded, the anchor is the
// partition's position. ok is false when there is nothing new to say.
func (r *Reader) Idle(ctx context.Context) (anchor ledger.Anchor, ok bool, err error) {
	last, told, quiet := r.quiet()
	if !quiet {
		return ledger.Anchor{}, false, nil
	}
	anchor, ok, err = IdleUpTo(ctx, r.stream, r.config, last, told)
	if err != nil || !ok {
		return ledger.Anchor{}, false, err
	}
	r.follow(anchor)
	return anchor, true, nil
}

// IdleUpTo finds the stream's last message, if there is none of the partition
// between it and last, the last one that was read or skipped. The anchor is of
// last's generation. Nothing up to told is news.
//
// The order of the questions matters. First the stream's last sequence L; then
// the newest message of the partition: if that one was read, so was everything of
// the partition up to L. The last question is whether the stream is still the one
// that was read (else ErrForeignStream or ErrStreamRestored): then the answers before it
// were about that one too.
func IdleUpTo(ctx context.Context, log Log, config ReaderConfig, last ledger.Anchor, told uint64) (anchor ledger.Anchor, ok bool, err error) {
	state, err := log.State(ctx)
	if err != nil || state.Last <= told {
		return ledger.Anchor{}, false, err
	}
	newest, err := log.Newest(ctx, config.Partition)
	if err != nil || newest > last.Position.Sequence {
		return ledger.Anchor{}, false, err
	}
	anchor, ok, err = log.At(ctx, state.Last)
	if err != nil || !ok { // removed since
		return ledger.Anchor{}, false, err
	}
	if err := CheckIdentity(ctx, log, config.Identity); err != nil {
		return ledger.Anchor{}, false, err
	}
	if err := Verify(ctx, log, last); err != nil {
		return ledger.Anchor{}, false, err
	}
	anchor.Position.Generation = last.Position.Generation
	return anchor, true, nil
}

// quiet is the last message received, the last sequence that was returned or told,
// and whether Next has returned everything.
func (r *Reader) quiet() (last ledger.Anchor, told uint64, quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.told, r.waiting == 0 && r.session != nil
}

// follow makes the anchor the message to verify after a reconnect: the last one
// received may be trimmed once the position has passed it.
func (r *Reader) follow(anchor ledger.Anchor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = max(r.told, anchor.Position.Sequence)
	if anchor.Position.Sequence > r.last.Position.Sequence {
		r.last = anchor
	}
}
