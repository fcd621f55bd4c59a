//nolint:thelper // these are tests, not helpers: a failure is where it happens
package queuetest

import (
	"context"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

func empty(t *testing.T, h Harness) {
	state, err := h.Log.State(t.Context())
	require.NoError(t, err)
	require.Zero(t, state.Messages)
	require.Zero(t, state.Last)
	require.Equal(t, h.Partitions, state.Partitions)
	_, ok, err := h.Log.At(t.Context(), 1)
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = h.Log.From(t.Context(), 1)
	require.NoError(t, err)
	require.False(t, ok)
	newest, err := h.Log.Newest(t.Context(), 0)
	require.NoError(t, err)
	require.Zero(t, newest)
	require.NoError(t, queue.Verify(t.Context(), h.Log, ledger.Anchor{}))
	for _, partition := range []int{-1, h.Partitions} {
		_, err = h.Open(t.Context(), queue.ReaderConfig{Partition: partition})
		require.Error(t, err, "there is no such partition")
	}
}

func startsAfterPosition(t *testing.T, h Harness) {
	results := append(h.Publish(t, changes("acme", 0, 8)...), h.Publish(t, changes("acme", 8, 12)...)...)
	all := take(t, h.open(t, "acme", ledger.Anchor{}), 0, 20)
	for i, arrival := range all {
		require.Equal(t, results[i].Sequence, arrival.Mutation.Position.Sequence)
		require.Equal(t, results[i].Line, arrival.Mutation.Position.Line)
		require.Equal(t, i+1 < len(results) && results[i+1].Sequence == results[i].Sequence, arrival.More)
	}
	from := ledger.AnchorOf(all[7].Mutation)
	require.NotEmpty(t, from.MessageID)
	from.Position.Generation = 7
	reader := h.open(t, "acme", from)
	rest := take(t, reader, 8, 12)
	require.Equal(t, int64(7), rest[0].Mutation.Position.Generation)
	nothingLeft(t, reader)
	found, ok, err := h.Log.At(t.Context(), from.Position.Sequence)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, from.MessageID, found.MessageID)
	require.True(t, from.Time.Equal(found.Time))

	end := h.open(t, "acme", last(all))
	h.Publish(t, changes("acme", 20, 1)...)
	take(t, end, 20, 1)
}

func ownPartition(t *testing.T, h Harness) {
	require.NotEqual(t, queue.PartitionOf("acme", h.Partitions), queue.PartitionOf("other", h.Partitions))
	h.Publish(t, changes("acme", 0, 5)...)
	others := h.Publish(t, changes("other", 100, 5)...)
	h.Publish(t, changes("acme", 5, 5)...)
	take(t, h.open(t, "acme", ledger.Anchor{}), 0, 10)
	take(t, h.open(t, "other", ledger.Anchor{}), 100, 5)
	newest, err := h.Log.Newest(t.Context(), queue.PartitionOf("other", h.Partitions))
	require.NoError(t, err)
	require.Equal(t, others[4].Sequence, newest)
}

func skips(t *testing.T, h Harness) {
	results := h.Publish(t, changes("acme", 0, 30)...)
	config := h.config("acme", ledger.Anchor{})
	config.Skip = []ledger.Range{between(results[20], results[29]), between(results[0], results[4]), between(results[2], results[9])}
	reader := h.openWith(t, config)
	fresh := take(t, reader, 10, 10)
	require.False(t, fresh[9].More, "of a pack all but these lines are recorded")
	nothingLeft(t, reader)
	h.Publish(t, changes("acme", 30, 1)...)
	take(t, reader, 30, 1)
}

func repeats(t *testing.T, h Harness) {
	one := changes("acme", 0, 1)
	one[0].ID = "the-same"
	first := h.Publish(t, one...)
	again := h.Publish(t, one...)
	require.Equal(t, publish.Stored, first[0].Outcome)
	require.Equal(t, publish.Duplicate, again[0].Outcome)
	require.Equal(t, first[0].Sequence, again[0].Sequence)
	h.Publish(t, changes("acme", 1, 1)...)
	take(t, h.open(t, "acme", ledger.Anchor{}), 0, 2)
}

func ends(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := reader.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	reader.Close()
	reader.Close()
	_, err = reader.Next(t.Context())
	require.ErrorIs(t, err, queue.ErrClosed)
}

func brokenConnection(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	for round := range 3 {
		h.Publish(t, changes("acme", 100*round, 60)...)
		take(t, reader, 100*round, 60)
		h.Disconnect(t)
		h.Publish(t, changes("acme", 100*round+60, 40)...)
		take(t, reader, 100*round+60, 40)
	}
	require.NotZero(t, reader.Restarts())
	nothingLeft(t, reader)
}

// rewound reads until the reader says that the stream was restored.
func rewound(t *testing.T, reader Reader) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, err := reader.Next(ctx); err != nil {
			require.ErrorIs(t, err, queue.ErrStreamRestored)
			return
		}
	}
}

func putBack(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	h.Publish(t, changes("acme", 0, 10)...)
	take(t, reader, 0, 10)
	putBack := h.Copy(t)
	h.Publish(t, changes("acme", 10, 10)...)
	lost := take(t, reader, 10, 10)
	putBack()
	// The other history is as long as the one that was read.
	h.Publish(t, changes("acme", 50, 20)...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := reader.Next(ctx)
	require.ErrorIs(t, err, queue.ErrStreamRestored, "nothing of the other history is returned")
	_, err = h.Open(t.Context(), h.config("acme", last(lost)))
	require.ErrorIs(t, err, queue.ErrStreamRestored)
	require.ErrorIs(t, queue.Verify(t.Context(), h.Log, last(lost)), queue.ErrStreamRestored)
}

func putBackHarmlessly(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	h.Publish(t, changes("acme", 0, 10)...)
	take(t, reader, 0, 10)
	putBack := h.Copy(t)
	h.Publish(t, changes("other", 0, 10)...)
	putBack()
	h.Publish(t, changes("acme", 10, 5)...)
	take(t, reader, 10, 5)
}

// A position may stand before the point to which the stream was restored, and what
// is recorded above it beyond: then other messages have those sequences now.
func skippedIsRecorded(t *testing.T, h Harness) {
	h.Publish(t, changes("acme", 0, 8)...)
	h.Publish(t, changes("acme", 8, 8)...)
	putBack := h.Copy(t)
	newer := h.Publish(t, changes("acme", 16, 2)...)
	recorded := take(t, h.open(t, "acme", ledger.Anchor{}), 0, 18)
	config := h.config("acme", ledger.AnchorOf(recorded[7].Mutation))
	config.Skip, config.SkippedLast = []ledger.Range{between(newer[0], newer[0])}, ledger.AnchorOf(recorded[16].Mutation)
	config.ChunkMessages = 1
	reader := h.openWith(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, err := reader.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "8", first[0].Mutation.ItemID)
	putBack()
	h.Publish(t, changes("acme", 50, 5)...)
	rewound(t, reader)
	_, err = h.Open(t.Context(), config)
	require.ErrorIs(t, err, queue.ErrStreamRestored)
}

func newestAnchor(t *testing.T, h Harness) {
	h.Publish(t, changes("acme", 0, 10)...)
	putBack := h.Copy(t)
	h.Publish(t, changes("acme", 10, 10)...)
	recorded := take(t, h.open(t, "acme", ledger.Anchor{}), 0, 20)
	putBack()
	h.Publish(t, changes("acme", 50, 20)...)
	calls := 0
	newest, ok, err := queue.FindAnchor(t.Context(), h.Log, func(_ context.Context, sequence uint64) (ledger.Anchor, bool, error) {
		calls++
		for i, arrival := range slices.Backward(recorded) {
			anchor := ledger.AnchorOf(arrival.Mutation)
			anchor.Time = anchor.Time.Truncate(time.Microsecond) // as Postgres keeps it
			if anchor.Position.Sequence <= sequence && i%2 == 0 {
				return anchor, true, nil
			}
		}
		return ledger.Anchor{}, false, nil
	})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, recorded[8].Mutation.Position.Sequence, newest.Position.Sequence, "every other one was recorded")
	require.LessOrEqual(t, calls, 7, "a binary search")
	newest.Position.Generation = 1
	again := h.open(t, "acme", newest)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var items, rest []string
	for i := range 10 {
		if recorded[i].Mutation.Position.Sequence > newest.Position.Sequence {
			rest = append(rest, strconv.Itoa(i))
		}
	}
	for len(items) < len(rest)+20 {
		chunk, err := again.Next(ctx)
		require.NoError(t, err)
		for _, arrival := range chunk {
			require.Equal(t, int64(1), arrival.Mutation.Position.Generation)
			items = append(items, arrival.Mutation.ItemID)
		}
	}
	require.Equal(t, append(rest, "50", "51"), items[:len(rest)+2])
	require.Equal(t, "69", items[len(rest)+19])
}

func idle(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	_, ok, err := reader.Idle(t.Context())
	require.NoError(t, err)
	require.False(t, ok, "the stream is empty")

	results := h.Publish(t, changes("other", 0, 5)...)
	anchor, ok, err := reader.Idle(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, results[4].Sequence, anchor.Position.Sequence)
	require.NoError(t, queue.Verify(t.Context(), h.Log, anchor))
	_, ok, err = reader.Idle(t.Context())
	require.NoError(t, err)
	require.False(t, ok, "nothing new")

	h.Publish(t, changes("acme", 0, 1)...)
	h.Publish(t, changes("other", 5, 1)...)
	_, ok, err = reader.Idle(t.Context())
	require.NoError(t, err)
	require.False(t, ok, "a message of the partition was not returned yet")
	take(t, reader, 0, 1)
	anchor, ok, err = reader.Idle(t.Context())
	require.NoError(t, err)
	require.True(t, ok)

	// After the last message read was trimmed the anchor stands in for it.
	require.NoError(t, h.Log.PurgeBefore(t.Context(), anchor.Position.Sequence))
	h.Disconnect(t)
	h.Publish(t, changes("acme", 1, 1)...)
	take(t, reader, 1, 1)
}

func idleAfterSkipped(t *testing.T, h Harness) {
	results := h.Publish(t, changes("acme", 0, 5)...)
	config := h.config("acme", ledger.Anchor{})
	config.Skip = []ledger.Range{between(results[3], results[4])}
	reader := h.openWith(t, config)
	take(t, reader, 0, 3)
	require.Eventually(t, func() bool { // what is skipped arrives by itself
		anchor, ok, err := reader.Idle(t.Context())
		require.NoError(t, err)
		return ok && anchor.Position.Sequence == results[4].Sequence
	}, patience, time.Millisecond)
}

func idlePassesNothing(t *testing.T, h Harness) {
	reader := h.open(t, "acme", ledger.Anchor{})
	const count = 300
	var publishers sync.WaitGroup
	for _, account := range []string{"acme", "other"} {
		publishers.Go(func() {
			for i := range count {
				h.Publish(t, changes(account, i, 1)...)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var passed uint64
	for read := 0; read < count; {
		brief, stop := context.WithTimeout(ctx, time.Millisecond)
		chunk, _ := reader.Next(brief)
		stop()
		require.NoError(t, ctx.Err())
		for _, arrival := range chunk {
			require.Equal(t, strconv.Itoa(read), arrival.Mutation.ItemID)
			require.Greater(t, arrival.Mutation.Position.Sequence, passed, "the position had passed this message")
			read++
		}
		anchor, ok, err := reader.Idle(ctx)
		require.NoError(t, err)
		if ok {
			passed = anchor.Position.Sequence
		}
	}
	publishers.Wait()
	// Whether the position moved while they published is chance; now it must.
	h.Publish(t, changes("other", count, 1)...)
	anchor, ok, err := reader.Idle(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.Greater(t, anchor.Position.Sequence, passed)
}

func trimming(t *testing.T, h Harness) {
	ends := h.messages(t, "acme", 20)
	arrivals := take(t, h.open(t, "acme", ledger.Anchor{}), 0, ends[19])
	positions := make([]ledger.Anchor, h.Partitions)
	for i := range positions {
		positions[i] = last(arrivals)
	}
	positions[0] = last(arrivals[:ends[9]])
	now := time.Now().Add(48 * time.Hour)
	for _, age := range []queue.Age{
		{Now: now, Window: 24 * time.Hour},                                          // old by their timestamps alone
		{Now: now.Add(-48 * time.Hour), Window: 24 * time.Hour, Known: 20},          // old by all but their timestamps
		{Window: 24 * time.Hour, Known: 20},                                         // nobody knows what time it is
		{Now: now.AddDate(0, 0, -95), Window: 24 * time.Hour, Known: math.MaxInt64}, // a clock that is behind
	} {
		kept, err := queue.TrimByAge(t.Context(), h.Log, positions, age)
		require.NoError(t, err)
		require.Zero(t, kept.Purged)
		require.Equal(t, uint64(20), kept.Messages)
	}
	some, err := queue.TrimByAge(t.Context(), h.Log, positions, queue.Age{Now: now, Window: 24 * time.Hour, Known: 4})
	require.NoError(t, err)
	require.Equal(t, uint64(4), some.Purged, "those that were there when the window began")
	state, err := h.Log.State(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), state.Now, time.Minute)
	result, err := queue.Trim(t.Context(), h.Log, positions, 24*time.Hour, now)
	require.NoError(t, err)
	require.Equal(t, uint64(5), result.Purged)
	require.False(t, result.Shrunk)
	require.Equal(t, uint64(11), result.Messages)
	for _, position := range positions {
		require.NoError(t, queue.Verify(t.Context(), h.Log, position))
	}
	first, ok, err := h.Log.From(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, uint64(10), first.Position.Sequence)
	_, ok, err = h.Log.At(t.Context(), 9)
	require.NoError(t, err)
	require.False(t, ok)
	take(t, h.open(t, "acme", positions[0]), ends[9], ends[19]-ends[9])

	again, err := queue.Trim(t.Context(), h.Log, positions, 24*time.Hour, now)
	require.NoError(t, err)
	require.Zero(t, again.Purged)
	positions[0] = last(arrivals[:ends[8]])
	again, err = queue.Trim(t.Context(), h.Log, positions, 24*time.Hour, now)
	require.NoError(t, err)
	require.Zero(t, again.Purged, "a position before the first message leaves all as it is")
	positions[0] = positions[1]
	again, err = queue.Trim(t.Context(), h.Log, positions, 24*time.Hour, now)
	require.NoError(t, err)
	require.Equal(t, uint64(1), again.Messages, "the message they all stand on")
}

func mirror(t *testing.T, h Harness) {
	known := map[uuid.UUID]bool{}
	open := func(partition int) (Mirror, queue.Noted) {
		own, noted, err := h.Mirror(t.Context(), partition, func(id uuid.UUID) bool { return known[id] })
		require.NoError(t, err)
		return own, noted
	}
	sent := func(commits int64) ledger.Sent {
		return ledger.Sent{Transaction: uuid.New(), Commits: commits, Slowest: 3 * time.Second}
	}
	first, noted := open(7)
	require.Zero(t, noted)
	require.NoError(t, first.Put(t.Context(), sent(41)))
	before := sent(42)
	require.NoError(t, first.Put(t.Context(), before))
	require.NoError(t, first.Put(t.Context(), before), "as it does to show that it lives")
	_, noted = open(6)
	require.Zero(t, noted)

	known[before.Transaction] = true
	second, noted := open(7)
	require.Equal(t, queue.Noted{Sent: before, Found: true}, noted)
	late := sent(43)
	require.NoError(t, first.Put(t.Context(), late), "the owner before is late with its last")
	require.ErrorIs(t, second.Put(t.Context(), sent(50)), ledger.ErrOtherHistory, "which the next one does not know")
	known[late.Transaction] = true
	second, _ = open(7)
	require.NoError(t, first.Put(t.Context(), late))
	after := sent(5)
	require.NoError(t, second.Put(t.Context(), after), "this one it knows; and numbers say nothing")
	require.ErrorIs(t, first.Put(t.Context(), late), ledger.ErrOtherHistory, "an owner that was frozen hides nothing")

	// The owner after a lost tail knows nothing of what is noted.
	third, noted := open(7)
	require.Equal(t, after.Transaction, noted.Transaction)
	moved, err := third.Moved(t.Context())
	require.NoError(t, err)
	require.False(t, moved)
	require.NoError(t, second.Put(t.Context(), after), "the other history is alive")
	moved, err = third.Moved(t.Context())
	require.NoError(t, err)
	require.True(t, moved)
	moved, err = third.Moved(t.Context())
	require.NoError(t, err)
	require.False(t, moved)
	require.NoError(t, third.Put(t.Context(), sent(1)), "it has seen all of it")
	require.ErrorIs(t, second.Put(t.Context(), sent(51)), ledger.ErrOtherHistory)
}
