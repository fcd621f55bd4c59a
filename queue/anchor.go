package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
)

// callTimeout bounds one request to the server.
const callTimeout = 5 * time.Second

// ErrRewound says that the stream does not hold the message a position stands
// on: its store was put back to an older copy, or somebody purged it by hand.
// Neither the stream's identity nor its last sequence shows this. The way on is
// a new generation from the newest anchor that still matches, see FindAnchor.
var ErrRewound = errors.New("the stream does not hold the message at the recorded position")

// Verify compares the stream with an anchor: the message at its sequence must
// have its time and its id. The error is ErrRewound when it has not, or is not
// there. An anchor without a sequence stands on nothing and always matches.
//
// Trimming keeps the message each position stands on, so a missing one is never
// the trimmer's doing. Times are compared in microseconds, which is what Postgres
// keeps of them.
func (s *Stream) Verify(ctx context.Context, anchor ledger.Anchor) error {
	sequence := anchor.Position.Sequence
	if sequence == 0 {
		return nil
	}
	found, err := s.anchorAt(ctx, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("%w: stream %s has no message %d", ErrRewound, s.name, sequence)
	case err != nil:
		return fmt.Errorf("reading message %d of stream %s: %w", sequence, s.name, err)
	case !matches(found, anchor):
		return fmt.Errorf("%w: message %d of stream %s was stored at %s with id %s, recorded are %s and %s", ErrRewound,
			sequence, s.name, found.Time.UTC().Format(time.RFC3339Nano), quoteShort(found.MessageID),
			anchor.Time.UTC().Format(time.RFC3339Nano), quoteShort(anchor.MessageID))
	default:
		return nil
	}
}

func matches(found, recorded ledger.Anchor) bool {
	return found.MessageID == recorded.MessageID &&
		found.Time.Truncate(time.Microsecond).Equal(recorded.Time.Truncate(time.Microsecond))
}

// anchorAt reads the message at a sequence; its generation is left at zero.
func (s *Stream) anchorAt(ctx context.Context, sequence uint64) (ledger.Anchor, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	message, err := s.handle.GetMsg(ctx, sequence)
	if err != nil {
		return ledger.Anchor{}, err
	}
	return anchorOfRaw(message), nil
}

func anchorOfRaw(message *jetstream.RawStreamMsg) ledger.Anchor {
	return ledger.Anchor{
		Position:  catalog.Position{Sequence: message.Sequence},
		Time:      message.Time,
		MessageID: messageID(message.Header),
	}
}

func messageID(header map[string][]string) string {
	if values := header[jetstream.MsgIDHeader]; len(values) > 0 { // the usual spelling
		return printable(values[0])
	}
	for name, values := range header {
		if len(values) > 0 && strings.EqualFold(name, jetstream.MsgIDHeader) {
			return printable(values[0])
		}
	}
	return ""
}

// RecordedAnchor finds the newest recorded anchor at or before a sequence; ok is
// false when there is none.
type RecordedAnchor func(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error)

// FindAnchor finds the newest recorded anchor that the stream still matches: the
// place to go on from after ErrRewound, in a new generation. ok is false when
// none matches; then everything the stream holds is read from its beginning.
//
// A store that was put back shares a prefix with what was recorded and differs
// after it, so a binary search will do: about log2 of the stream's length calls
// of recorded, and as many reads of the stream. What was trimmed from the stream
// cannot be compared and does not count.
func FindAnchor(ctx context.Context, stream *Stream, recorded RecordedAnchor) (newest ledger.Anchor, ok bool, err error) {
	state, err := stream.Info(ctx)
	if err != nil {
		return ledger.Anchor{}, false, err
	}
	low, high := max(state.FirstSeq, 1), state.LastSeq
	for low <= high {
		middle := low + (high-low)/2
		anchor, found, err := recorded(ctx, middle)
		if err != nil {
			return ledger.Anchor{}, false, fmt.Errorf("looking up what was recorded up to %d: %w", middle, err)
		}
		if !found || anchor.Position.Sequence < state.FirstSeq {
			low = middle + 1
			continue
		}
		switch err := stream.Verify(ctx, anchor); {
		case err == nil:
			newest, ok = anchor, true
			low = middle + 1
		case errors.Is(err, ErrRewound):
			high = anchor.Position.Sequence - 1
		default:
			return ledger.Anchor{}, false, err
		}
	}
	return newest, ok, nil
}
