package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// positionsOf reads everything of the account acme and returns a position of each partition: at the
// arrival with the given index, the others at the last message.
func (b *broker) positionsOf(t *testing.T, index, count int) []ledger.Anchor {
	t.Helper()
	arrivals := take(t, b.open(t, nil), 0, count)
	positions := make([]ledger.Anchor, b.stream.Partitions())
	for i := range positions {
		positions[i] = anchorOfLast(arrivals)
	}
	positions[0] = ledger.AnchorOf(arrivals[index].Mutation)
	return positions
}

func TestTrimKeepsTheReplayWindow(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{Partitions: 1})
	b.publish(t, "acme", 0, 10)
	boundary, err := b.stream.handle.GetMsg(t.Context(), 10)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return time.Now().After(boundary.Time.Add(time.Millisecond)) }, patience, time.Millisecond)
	b.publish(t, "acme", 10, 10)
	positions := b.positionsOf(t, 19, 20)

	result, err := Trim(t.Context(), b.stream, positions, time.Hour, time.Now())
	require.NoError(t, err)
	require.Zero(t, result.Purged)
	// An hour after the boundary exactly the first ten are too old.
	result, err = Trim(t.Context(), b.stream, positions, time.Hour, boundary.Time.Add(time.Hour+time.Nanosecond))
	require.NoError(t, err)
	require.Equal(t, uint64(10), result.Purged)
}

func TestTrimWaitsForEveryPartition(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{Partitions: 2})
	b.publish(t, "acme", 0, 10)
	positions := b.positionsOf(t, 9, 10)
	future := time.Now().Add(time.Hour)
	for _, incomplete := range [][]ledger.Anchor{nil, positions[:1], {positions[0], {}}} {
		result, err := Trim(t.Context(), b.stream, incomplete, time.Minute, future)
		require.NoError(t, err)
		require.Zero(t, result.Purged)
	}
	positions[1].MessageID = "of another timeline"
	_, err := Trim(t.Context(), b.stream, positions, time.Minute, future)
	require.ErrorIs(t, err, ErrStreamRestored)
}

func TestTrimFindsItsWayAroundRemovedMessages(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{Partitions: 1})
	b.publish(t, "acme", 0, 20)
	positions := b.positionsOf(t, 19, 20)
	for sequence := uint64(5); sequence < 15; sequence++ {
		require.NoError(t, b.stream.handle.DeleteMsg(t.Context(), sequence))
	}
	result, err := Trim(t.Context(), b.stream, positions, time.Minute, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, uint64(1), result.Messages)
}

func TestAFullerStreamGetsAShorterWindow(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{Partitions: 1, MaxBytes: 200 << 10})
	b.publish(t, "acme", 0, 600)
	positions := b.positionsOf(t, 599, 600)
	before, err := b.stream.Info(t.Context())
	require.NoError(t, err)
	require.Greater(t, before.Bytes, uint64(100<<10), "over half full")

	result, err := Trim(t.Context(), b.stream, positions, 24*time.Hour, time.Now())
	require.NoError(t, err)
	require.True(t, result.Shrunk)
	require.LessOrEqual(t, result.Bytes, uint64(101<<10))
	require.Greater(t, result.Bytes, uint64(90<<10), "no more than needed")
	b.publish(t, "acme", 600, 100)
}

func TestTrimNeverRemovesWhatIsNotRecorded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint64Range(1, 1000).Draw(t, "first")
		last := first + rapid.Uint64Range(0, 1000).Draw(t, "length")
		state := trimState{
			LogState: LogState{
				First: first, Last: last, Messages: last - first + 1,
				Bytes: rapid.Uint64Range(1, 1<<30).Draw(t, "bytes"),
				Limit: rapid.Int64Range(-1, 1<<30).Draw(t, "limit"),
			},
			recorded: rapid.Uint64Range(0, last).Draw(t, "recorded"),
			expired:  rapid.Uint64Range(first, last+1).Draw(t, "expired"),
		}
		keepFrom, shrunk := state.decide()
		if keepFrom > state.recorded {
			t.Fatalf("%+v removes the message of a position: keeps from %d", state, keepFrom)
		}
		if !shrunk && keepFrom > state.expired {
			t.Fatalf("%+v removes what is inside the window: keeps from %d", state, keepFrom)
		}
		if shrunk && (state.Limit <= 0 || state.Bytes <= uint64(state.Limit)/2) {
			t.Fatalf("%+v shortens the window without need", state)
		}
	})
}
