package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/ledger"
)

// TrimResult says what a trim did and left.
type TrimResult struct {
	Purged uint64 // messages removed
	// Shrunk reports that the window was shortened because the stream is over half
	// of its size limit.
	Shrunk   bool
	Messages uint64 // left in the stream
	Bytes    uint64
}

// Trim removes from the front of the stream what is recorded in all partitions
// and older than the replay window. positions are the recorded positions of all
// partitions; with one of them still at the beginning nothing is removed.
//
// Each position is compared with the stream first: a position of a stream that
// was put back to an older copy (ErrRewound) says nothing about what the present
// one holds. The message each position stands on is kept, for that comparison.
//
// Over half of its size limit the stream is trimmed down to half by shortening
// the window, oldest messages first, before the limit refuses producers. What is
// not recorded is never removed.
func Trim(ctx context.Context, stream *Stream, positions []ledger.Anchor, window time.Duration, now time.Time) (TrimResult, error) {
	info, err := stream.handle.Info(ctx)
	if err != nil {
		return TrimResult{}, fmt.Errorf("asking for the state of stream %s: %w", stream.name, err)
	}
	state := trimState{
		first: info.State.FirstSeq, last: info.State.LastSeq,
		messages: info.State.Msgs, bytes: info.State.Bytes, limit: info.Config.MaxBytes,
		recorded: lowestPosition(positions, stream.partitions),
	}
	result := TrimResult{Messages: state.messages, Bytes: state.bytes}
	if state.messages == 0 || state.recorded <= state.first {
		return result, nil
	}
	for _, position := range positions {
		if err := stream.Verify(ctx, position); err != nil {
			return result, err
		}
	}
	if state.expired, err = stream.firstSince(ctx, state, now.Add(-window)); err != nil {
		return result, err
	}
	keepFrom, shrunk := state.decide()
	if keepFrom <= state.first {
		return result, nil
	}
	// Everything before a sequence, never by subject: that would read the messages.
	if err := stream.handle.Purge(ctx, jetstream.WithPurgeSequence(keepFrom)); err != nil {
		return result, fmt.Errorf("trimming stream %s before %d: %w", stream.name, keepFrom, err)
	}
	after, err := stream.Info(ctx)
	if err != nil {
		return result, err
	}
	return TrimResult{
		Purged: state.messages - min(after.Msgs, state.messages), Shrunk: shrunk,
		Messages: after.Msgs, Bytes: after.Bytes,
	}, nil
}

// lowestPosition is the sequence up to which all partitions are recorded.
func lowestPosition(positions []ledger.Anchor, partitions int) uint64 {
	if len(positions) < partitions {
		return 0
	}
	lowest := positions[0].Position.Sequence
	for _, position := range positions[1:] {
		lowest = min(lowest, position.Position.Sequence)
	}
	return lowest
}

// trimState is all a trim is decided on.
type trimState struct {
	first, last uint64
	messages    uint64
	bytes       uint64
	limit       int64  // of the stream's bytes; not positive: none
	recorded    uint64 // all partitions are recorded up to here
	expired     uint64 // the first message inside the window; last+1 if none is
}

// decide says which message becomes the first one. It is never beyond recorded,
// which is the message that the slowest position stands on.
func (s trimState) decide() (keepFrom uint64, shrunk bool) {
	keepFrom = min(s.expired, s.recorded)
	if bySize := min(s.halfFull(), s.recorded); bySize > keepFrom {
		return bySize, true
	}
	return keepFrom, false
}

// halfFull is the first message to keep so that about half of the limit is left
// free, assuming messages of equal size; the next trim corrects it.
func (s trimState) halfFull() uint64 {
	if s.limit <= 0 || s.messages == 0 {
		return s.first
	}
	half := uint64(s.limit) / 2
	if s.bytes <= half {
		return s.first
	}
	share := float64(s.bytes-half) / float64(s.bytes)
	return s.first + uint64(share*float64(s.last-s.first+1))
}

// firstSince finds the first message stored at or after a time, last+1 if there
// is none, by binary search: about 30 reads in a stream of a thousand million.
func (s *Stream) firstSince(ctx context.Context, state trimState, since time.Time) (uint64, error) {
	// Beyond what is recorded nothing is removed, whatever its age.
	low, high := state.first, min(state.last, state.recorded)+1
	for low < high {
		middle := low + (high-low)/2
		found, err := s.nextFrom(ctx, middle)
		if err != nil {
			return 0, err
		}
		switch {
		case found == nil || found.Sequence >= high:
			high = middle // only removed messages between middle and high
		case found.Time.Before(since):
			low = found.Sequence + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// nextFrom reads the first message at or after a sequence, nil if there is none.
func (s *Stream) nextFrom(ctx context.Context, sequence uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := s.handle.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading stream %s from %d: %w", s.name, sequence, err)
	}
	return found, nil
}
