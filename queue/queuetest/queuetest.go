// Package queuetest is the conformance suite of what workers need of a queue: every
// queue that passes it may stand in for the one on NATS JetStream.
package queuetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Reader reads one partition: see queue.Reader.
type Reader interface {
	Next(ctx context.Context) ([]catalog.Arrival, error)
	Idle(ctx context.Context) (ledger.Anchor, bool, error)
	Pending(ctx context.Context) (uint64, error)
	Restarts() uint64
	Close()
}

// Mirror notes what was sent of a partition: see queue.PartitionMirror.
type Mirror interface {
	Put(ctx context.Context, sent ledger.Sent) error
	Moved(ctx context.Context) (bool, error)
}

// Harness is an empty queue with what a test needs around it.
type Harness struct {
	Log        queue.Log
	Partitions int
	Open       func(ctx context.Context, config queue.ReaderConfig) (Reader, error)
	Mirror     func(ctx context.Context, partition int, knows func(uuid.UUID) bool) (Mirror, queue.Noted, error)
	// PublishPacks stores mutations in order, with up to so many of them in one message, and
	// returns once they are stored.
	PublishPacks func(t *testing.T, lines int, mutations ...publish.Mutation) []publish.Result
	// Disconnect breaks all connections; they come back by themselves.
	Disconnect func(t *testing.T)
	// Copy keeps a copy of the store; the function returned puts it back.
	Copy func(t *testing.T) (putBack func())
	// Bind writes an identity into the stream.
	Bind func(ctx context.Context, identity ledger.StreamIdentity) error
	// Replace puts another stream, which holds the mutations, in the place of the
	// queue's, and breaks all connections.
	Replace func(t *testing.T, mutations ...publish.Mutation)

	lines int // of the packs of a run
}

// Publish stores mutations in order, in packs where the run is one with packs.
func (h Harness) Publish(t *testing.T, mutations ...publish.Mutation) []publish.Result {
	t.Helper()
	return h.PublishPacks(t, h.lines, mutations...)
}

// Run runs the suite: with plain messages, with packs, and with both mixed. newHarness is
// called once for each test; the queue must have at least 8 partitions.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for name, lines := range map[string]int{"plain messages": 1, "packs": 1000, "both": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T) Harness {
				t.Helper()
				h := newHarness(t)
				h.lines = lines
				return h
			})
		})
	}
}

func run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"an empty queue", empty},
		{"a reader starts after its position", startsAfterPosition},
		{"a reader reads its partition alone", ownPartition},
		{"a reader skips what is recorded", skips},
		{"a repeat of an id is dropped", repeats},
		{"next ends with its context and with close", ends},
		{"a broken connection loses and repeats nothing", brokenConnection},
		{"a store restored from before what was read is noticed", putBack},
		{"a store restored from after what was read is read on", putBackHarmlessly},
		{"what is skipped must be what was recorded", skippedIsRecorded},
		{"the newest anchor that still matches is found", newestAnchor},
		{"an idle partition follows the stream", idle},
		{"the stream may end with what is skipped", idleAfterSkipped},
		{"idleness passes no message", idlePassesNothing},
		{"trimming keeps what a position stands on", trimming},
		{"a stream has an identity of its own", ownIdentity},
		{"another stream is not opened", foreignNotOpened},
		{"another stream under a reader ends it", foreignUnderReader},
		{"an empty stream under a reader ends it", emptyUnderReader},
		{"idleness does not follow another stream", idleIgnoresForeign},
		{"the mirror tells a later owner from an earlier one", mirror},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newHarness(t))
		})
	}
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// changes are deletes of an account's items, numbered from first.
func changes(account string, first, count int) []publish.Mutation {
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		mutations[i] = publish.Mutation{
			Account: account, Catalog: "us", Type: "RETAIL", ItemID: strconv.Itoa(first + i), Operation: catalog.Delete,
		}
	}
	return mutations
}

// messages publishes so many messages, of one mutation or of several as the run has them, and
// returns for each how many mutations there are up to its end.
func (h Harness) messages(t *testing.T, account string, count int) (ends []int) {
	t.Helper()
	end := 0
	for i := range count {
		lines := 1
		switch {
		case h.lines > 4:
			lines = 8
		case h.lines > 1 && i%2 == 0:
			lines = h.lines
		}
		results := h.Publish(t, changes(account, end, lines)...)
		require.Equal(t, results[0].Sequence, results[lines-1].Sequence, "one message")
		end += lines
		ends = append(ends, end)
	}
	return ends
}

// between is the range from one mutation to another.
func between(first, last publish.Result) ledger.Range {
	return ledger.Range{First: first.Sequence, Last: last.Sequence, FirstLine: first.Line, LastLine: last.Line}
}

// config is a new owner's, of an account's partition.
func (h Harness) config(account string, from ledger.Anchor) queue.ReaderConfig {
	return queue.ReaderConfig{Partition: queue.PartitionOf(account, h.Partitions), LeaseToken: uuid.New(), From: from}
}

func (h Harness) open(t *testing.T, account string, from ledger.Anchor) Reader {
	t.Helper()
	return h.openWith(t, h.config(account, from))
}

func (h Harness) openWith(t *testing.T, config queue.ReaderConfig) Reader {
	t.Helper()
	reader, err := h.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	return reader
}

// take reads exactly count arrivals, items first, first+1 and so on.
func take(t *testing.T, reader Reader, first, count int) []catalog.Arrival {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []catalog.Arrival
	for len(all) < count {
		chunk, err := reader.Next(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, chunk)
		all = append(all, chunk...)
	}
	require.Len(t, all, count)
	for i, arrival := range all {
		require.Nil(t, arrival.Problem)
		require.Equal(t, strconv.Itoa(first+i), arrival.Mutation.ItemID)
	}
	return all
}

func nothingLeft(t *testing.T, reader Reader) {
	t.Helper()
	require.Eventually(t, func() bool {
		pending, err := reader.Pending(t.Context())
		return err == nil && pending == 0
	}, patience, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := reader.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func last(arrivals []catalog.Arrival) ledger.Anchor {
	return ledger.AnchorOf(arrivals[len(arrivals)-1].Mutation)
}
