package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Log is a stream's stored messages, as far as positions are compared with them
// and they are trimmed. *Stream is the real one. The anchors it returns have no
// generation: a stream knows of none.
type Log interface {
	// Identity is what the stream says of itself, each part "" where it says nothing.
	// The error is ErrStreamGone when there is no stream.
	Identity(ctx context.Context) (ledger.StreamIdentity, error)
	// State is how far the stream reaches now.
	State(ctx context.Context) (LogState, error)
	// At finds the message at a sequence; ok is false when there is none.
	At(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error)
	// From finds the first message at or after a sequence; ok is false when there is
	// none.
	From(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error)
	// Newest is the sequence of a partition's newest message, 0 when it has none. The
	// store is asked, not a consumer, whose count trails what is stored.
	Newest(ctx context.Context, partition int) (uint64, error)
	// PurgeBefore removes every message before a sequence.
	PurgeBefore(ctx context.Context, sequence uint64) error
}

// LogState is what a stream holds.
type LogState struct {
	First, Last uint64 // sequences; First is Last+1 when it is empty
	Messages    uint64
	Bytes       uint64
	Limit       int64 // of the bytes; not positive: none
	Partitions  int
	// Now is the broker's clock when it said all that.
	Now time.Time
}

var _ Log = (*Stream)(nil)

// State asks the server how far the stream reaches.
func (s *Stream) State(ctx context.Context) (LogState, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := s.handle.Info(ctx)
	if err != nil {
		return LogState{}, fmt.Errorf("asking for the state of stream %s: %w", s.name, err)
	}
	return LogState{
		First: info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs, Bytes: info.State.Bytes,
		Limit: info.Config.MaxBytes, Partitions: s.partitions, Now: info.TimeStamp,
	}, nil
}

// At reads the message at a sequence.
func (s *Stream) At(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	return s.anchor(ctx, sequence)
}

// From reads the first message at or after a sequence.
func (s *Stream) From(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	return s.anchor(ctx, sequence, jetstream.WithGetMsgSubject(">"))
}

func (s *Stream) anchor(ctx context.Context, sequence uint64, options ...jetstream.GetMsgOpt) (anchor ledger.Anchor, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	message, err := s.handle.GetMsg(ctx, sequence, options...)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return ledger.Anchor{}, false, nil
	case err != nil:
		return ledger.Anchor{}, false, fmt.Errorf("reading message %d of stream %s: %w", sequence, s.name, err)
	default:
		return anchorOfRaw(message), true, nil
	}
}

// Newest asks the stream's store for the newest message of a partition.
func (s *Stream) Newest(ctx context.Context, partition int) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	message, err := s.handle.GetLastMsgForSubject(ctx, partitionFilter(partition))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking for the newest message of partition %d: %w", partition, err)
	}
	return message.Sequence, nil
}

// PurgeBefore removes everything before a sequence, never by subject: that would
// read the messages.
func (s *Stream) PurgeBefore(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.handle.Purge(ctx, jetstream.WithPurgeSequence(sequence)); err != nil {
		return fmt.Errorf("trimming stream %s before %d: %w", s.name, sequence, err)
	}
	return nil
}
