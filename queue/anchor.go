package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
)

// callTimeout bounds one request to the server.
const callTimeout = 5 * time.Second

// ErrStreamRestored says that the stream does not hold the message that a position
// names: its store was restored from an older copy, or somebody purged it by hand.
// Neither the stream's identity nor its last sequence shows this. The way on is
// a new generation from the newest anchor that still matches, see FindAnchor.
var ErrStreamRestored = errors.New("the stream does not hold the message at the recorded position")

// Verify compares the stream with an anchor: the message at its sequence must
// have its time and its id. The error is ErrStreamRestored when it has not, or is not
// there. An anchor without a sequence stands on nothing and always matches.
//
// Trimming keeps the message each position stands on, so a missing one is never
// the trimmer's doing. Times are compared in microseconds, which is what Postgres
// keeps of them.
func Verify(ctx context.Context, log Log, anchor ledger.Anchor) error {
	sequence := anchor.Position.Sequence
	if sequence == 0 {
		return nil
	}
	found, ok, err := log.At(ctx, sequence)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%w: it has no message %d", ErrStreamRestored, sequence)
	case !matches(found, anchor):
		return fmt.Errorf("%w: message %d was stored at %s with id %s, recorded are %s and %s", ErrStreamRestored,
			sequence, found.Time.UTC().Format(time.RFC3339Nano), message.Quote(found.MessageID),
			anchor.Time.UTC().Format(time.RFC3339Nano), message.Quote(anchor.MessageID))
	default:
		return nil
	}
}

// Verify compares the stream with an anchor: see the function Verify.
func (s *Stream) Verify(ctx context.Context, anchor ledger.Anchor) error {
	if err := Verify(ctx, s, anchor); err != nil {
		return fmt.Errorf("stream %s: %w", s.name, err)
	}
	return nil
}

func matches(found, recorded ledger.Anchor) bool {
	return ledger.Names(recorded.MessageID, found.MessageID) &&
		found.Time.Truncate(time.Microsecond).Equal(recorded.Time.Truncate(time.Microsecond))
}

func anchorOfRaw(message *jetstream.RawStreamMsg) ledger.Anchor {
	return ledger.Anchor{
		Position:  catalog.Position{Sequence: message.Sequence},
		Time:      message.Time,
		MessageID: messageID(message.Header),
	}
}

func messageID(header map[string][]string) string {
	if values := header[message.HeaderID]; len(values) > 0 { // the usual spelling
		return ledger.MessageID(message.Printable(values[0]))
	}
	id, first := "", "" // as decoding reads them
	for name, values := range header {
		if len(values) > 0 && strings.EqualFold(name, message.HeaderID) && (first == "" || name < first) {
			id, first = ledger.MessageID(message.Printable(values[0])), name
		}
	}
	return id
}

// RecordedAnchor finds the newest recorded anchor at or before a sequence; ok is
// false when there is none.
type RecordedAnchor func(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error)

// FindAnchor finds the newest recorded anchor that the stream still matches: the
// place to go on from after ErrStreamRestored, in a new generation. ok is false when
// none matches; then everything the stream holds is read from its beginning.
//
// A store that was restored shares a prefix with what was recorded and differs
// after it, so a binary search will do: about log2 of the stream's length calls
// of recorded, and as many reads of the stream. What was trimmed from the stream
// cannot be compared and does not count.
func FindAnchor(ctx context.Context, log Log, recorded RecordedAnchor) (newest ledger.Anchor, ok bool, err error) {
	state, err := log.State(ctx)
	if err != nil {
		return ledger.Anchor{}, false, err
	}
	low, high := max(state.First, 1), state.Last
	for low <= high {
		middle := low + (high-low)/2
		anchor, found, err := recorded(ctx, middle)
		if err != nil {
			return ledger.Anchor{}, false, fmt.Errorf("looking up what was recorded up to %d: %w", middle, err)
		}
		if !found || anchor.Position.Sequence < state.First {
			low = middle + 1
			continue
		}
		switch err := Verify(ctx, log, anchor); {
		case err == nil:
			newest, ok = anchor, true
			low = middle + 1
		case errors.Is(err, ErrStreamRestored):
			high = anchor.Position.Sequence - 1
		default:
			return ledger.Anchor{}, false, err
		}
	}
	return newest, ok, nil
}
