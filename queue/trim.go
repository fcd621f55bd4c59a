package queue

import (
	"context"
	"math"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
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

// Age says which messages are older than the replay window.
type Age struct {
	// Now is the time it is, and Window the replay window: what is stored before
	// Now - Window, by its own timestamp, is older.
	Now    time.Time
	Window time.Duration
	// Known is the sequence up to which messages are known to be older than the window
	// otherwise than by their timestamps, which are the broker's clock at the time.
	// Nothing after it is older, whatever its timestamp says.
	Known uint64
}

// Trim is TrimByAge by the messages' timestamps alone.
func Trim(ctx context.Context, log Log, positions []ledger.Anchor, window time.Duration, now time.Time) (TrimResult, error) {
	return TrimByAge(ctx, log, positions, Age{Now: now, Window: window, Known: math.MaxUint64 - 1})
}

// TrimByAge removes from the front of the stream what is recorded in all partitions
// and older than the replay window. positions are the recorded positions of all
// partitions; with one of them still at the beginning nothing is removed.
//
// Each position is compared with the stream first: a position of a stream that
// was restored from an older copy (ErrStreamRestored) says nothing about what the present
// one holds. The message each position stands on is kept, for that comparison.
//
// Over half of its size limit the stream is trimmed down to half by shortening
// the window, oldest messages first, before the limit refuses producers. What is
// not recorded is never removed.
func TrimByAge(ctx context.Context, log Log, positions []ledger.Anchor, age Age) (TrimResult, error) {
	found, err := log.State(ctx)
	if err != nil {
		return TrimResult{}, err
	}
	state := trimState{LogState: found, recorded: lowestPosition(positions, found.Partitions)}
	result := TrimResult{Messages: state.Messages, Bytes: state.Bytes}
	if state.Messages == 0 || state.recorded <= state.First {
		return result, nil
	}
	for _, position := range positions {
		if err := Verify(ctx, log, position); err != nil {
			return result, err
		}
	}
	if state.expired, err = firstSince(ctx, log, state, age.Now.Add(-age.Window)); err != nil {
		return result, err
	}
	state.expired = min(state.expired, max(age.Known+1, state.First))
	keepFrom, shrunk := state.decide()
	if keepFrom <= state.First {
		return result, nil
	}
	if err := log.PurgeBefore(ctx, keepFrom); err != nil {
		return result, err
	}
	after, err := log.State(ctx)
	if err != nil {
		return result, err
	}
	return TrimResult{
		Purged: state.Messages - min(after.Messages, state.Messages), Shrunk: shrunk,
		Messages: after.Messages, Bytes: after.Bytes,
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
	LogState
	recorded uint64 // all partitions are recorded up to here
	expired  uint64 // the first message inside the window; Last+1 if none is
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
	if s.Limit <= 0 || s.Messages == 0 {
		return s.First
	}
	half := uint64(s.Limit) / 2
	if s.Bytes <= half {
		return s.First
	}
	share := float64(s.Bytes-half) / float64(s.Bytes)
	return s.First + uint64(share*float64(s.Last-s.First+1))
}

// firstSince finds the first message stored at or after a time, last+1 if there
// is none, by binary search: about 30 reads in a stream of a thousand million.
func firstSince(ctx context.Context, log Log, state trimState, since time.Time) (uint64, error) {
	// Beyond what is recorded nothing is removed, whatever its age.
	low, high := state.First, min(state.Last, state.recorded)+1
	for low < high {
		middle := low + (high-low)/2
		found, ok, err := log.From(ctx, middle)
		if err != nil {
			return 0, err
		}
		switch {
		case !ok || found.Position.Sequence >= high:
			high = middle // only removed messages between middle and high
		case found.Time.Before(since):
			low = found.Position.Sequence + 1
		default:
			high = middle
		}
	}
	return low, nil
}
