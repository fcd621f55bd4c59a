package queue

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func TestPrefetchIsBounded(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	b.publish(t, "acme", 0, 500)
	reader := b.open(t, func(c *ReaderConfig) { c.PrefetchMessages, c.ChunkMessages = 20, 10 })
	// Nobody calls Next: the reader holds one chunk and what it asked for ahead.
	require.Eventually(t, func() bool {
		reader.mu.Lock()
		defer reader.mu.Unlock()
		return reader.waiting == 10 && len(reader.session.messages) > 0
	}, patience, time.Millisecond)
	// Several heartbeats pass; a reader that is not listened to stays as it is.
	deadline := time.NewTimer(10 * reader.config.heartbeat)
	defer deadline.Stop()
	<-deadline.C
	require.LessOrEqual(t, len(reader.session.messages), 20+statusRoom/2)
	info, err := reader.session.info(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, info.Delivered.Consumer, uint64(30))
	take(t, reader, 0, 500)
	require.Zero(t, reader.Restarts())
}

func TestCloseRemovesTheConsumer(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	reader := b.open(t, nil)
	reader.Close()
	reader.Close()
	info, err := b.stream.handle.Info(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.State.Consumers)
}

func TestRestartsOfTheServerLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	reader := b.open(t, func(c *ReaderConfig) { c.PrefetchMessages, c.ChunkMessages = 50, 20 })
	const rounds, perRound = 4, 400
	for round := range rounds {
		b.publish(t, "acme", round*perRound, perRound)
		// Read a part, so that the restart finds the reader in the middle.
		var first []catalog.Arrival
		for len(first) < perRound/2 {
			chunk, err := reader.Next(t.Context())
			require.NoError(t, err)
			first = append(first, chunk...)
		}
		for i, arrival := range first {
			require.Equal(t, strconv.Itoa(round*perRound+i), arrival.Mutation.ItemID)
		}
		b.server.Restart(t)
		take(t, reader, round*perRound+len(first), perRound-len(first))
	}
	require.NotZero(t, reader.Restarts())
	require.Eventually(t, func() bool { _, err := reader.Pending(t.Context()); return err == nil }, patience, time.Millisecond)
	nothingLeft(t, reader)
}

func TestAGapIsReadAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	reader := b.open(t, nil)
	b.publish(t, "acme", 0, 5)
	take(t, reader, 0, 5)
	// Somebody else takes messages from the same consumer: to the reader they are
	// lost on the way.
	inbox := b.js.Conn().NewInbox()
	stolen := make(chan *nats.Msg, 100)
	subscription, err := b.js.Conn().ChanSubscribe(inbox, stolen)
	require.NoError(t, err)
	defer func() { _ = subscription.Unsubscribe() }()
	reader.mu.Lock()
	target := reader.session.target
	reader.mu.Unlock()
	for range 20 {
		require.NoError(t, b.js.Conn().PublishRequest(target, inbox, []byte(`{"batch":3,"expires":5000000000}`)))
	}
	require.NoError(t, b.js.Conn().Flush())
	// The reader's own two requests are first in turn; after them it is the thief's.
	b.publish(t, "acme", 5, 10000)
	take(t, reader, 5, 10000)
	require.NotEmpty(t, stolen)
	require.NotZero(t, reader.Restarts())
}

func TestARemovedConsumerIsMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	reader := b.open(t, nil)
	for round := range 3 {
		b.publish(t, "acme", 10*round, 10)
		take(t, reader, 10*round, 10)
		reader.mu.Lock()
		name := reader.session.name
		reader.mu.Unlock()
		require.NoError(t, b.js.DeleteConsumer(t.Context(), DefaultStreamName, name))
		require.Eventually(t, func() bool { return reader.Restarts() == uint64(round+1) }, patience, time.Millisecond)
	}
}

func TestAStalledConsumerIsMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	reader := b.open(t, func(c *ReaderConfig) { c.StallTimeout = 100 * time.Millisecond; c.heartbeat = 50 * time.Millisecond })
	reader.mu.Lock()
	name := reader.session.name
	reader.mu.Unlock()
	// A paused consumer goes on sending heartbeats and delivers nothing.
	_, err := b.js.PauseConsumer(t.Context(), DefaultStreamName, name, time.Now().Add(time.Hour))
	require.NoError(t, err)
	b.publish(t, "acme", 0, 10)
	take(t, reader, 0, 10)
	require.NotZero(t, reader.Restarts())
}

func TestBadMessagesArriveWithTheirProblem(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	// The server lets all of these through.
	const body = `{"item_id":"SKU-1","operation":"DELETE"}`
	for subject, text := range map[string]string{
		"catalog.mutations.acme.u$s.RETAIL": body,
		"catalog.mutations.acme.us.RÉTAIL":  body,
		"catalog.mutations.acme.us.RETAIL":  "not JSON",
	} {
		_, err := b.js.Publish(t.Context(), subject, []byte(text))
		require.NoError(t, err)
	}
	reader := b.open(t, nil)
	seen := 0
	for seen < 3 {
		chunk, err := reader.Next(t.Context())
		require.NoError(t, err)
		for _, arrival := range chunk {
			require.NotNil(t, arrival.Problem)
			seen++
		}
	}
}

func TestFindAnchorWithoutAMatch(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	b.publish(t, "acme", 0, 10)
	_, ok, err := FindAnchor(t.Context(), b.stream, func(_ context.Context, sequence uint64) (ledger.Anchor, bool, error) {
		return ledger.Anchor{Position: catalog.Position{Sequence: sequence}, MessageID: "other"}, true, nil
	})
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	b := newBroker(t, StreamConfig{})
	b.publish(t, "acme", 0, 3)
	arrivals := take(t, b.open(t, nil), 0, 3)
	anchor := ledger.AnchorOf(arrivals[1].Mutation)
	require.NoError(t, b.stream.Verify(t.Context(), anchor))
	require.NoError(t, b.stream.Verify(t.Context(), ledger.Anchor{}), "the beginning always matches")
	for _, other := range []ledger.Anchor{
		{Position: anchor.Position, Time: anchor.Time.Add(time.Millisecond), MessageID: anchor.MessageID},
		{Position: anchor.Position, Time: anchor.Time, MessageID: "other"},
		{Position: catalog.Position{Sequence: 99}, Time: anchor.Time, MessageID: anchor.MessageID},
	} {
		require.ErrorIs(t, b.stream.Verify(t.Context(), other), ErrStreamRestored)
	}
	require.NoError(t, b.stream.handle.Purge(t.Context()))
	require.ErrorIs(t, b.stream.Verify(t.Context(), anchor), ErrStreamRestored, "purged by hand")
}

func TestReplySubjects(t *testing.T) {
	t.Parallel()
	want := place{sequence: 7, consumerSequence: 3, time: time.Unix(0, 1700000000000000001)}
	for _, reply := range []string{
		"$JS.ACK.S.c.1.7.3.1700000000000000001.0",
		"$JS.ACK.domain.hash.S.c.1.7.3.1700000000000000001.0",
		"$JS.ACK._.hash.S.c.1.7.3.1700000000000000001.0.random",
	} {
		got, ok := parseReply(reply)
		require.True(t, ok, reply)
		require.Equal(t, want, got)
	}
	for _, reply := range []string{"", "_INBOX.1", "$JS.ACK.S.c.1.7.3", "$JS.ACK.S.c.1.x.3.1.0", "$JS.ACK.S.c.1.7.3.99999999999999999999.0"} {
		_, ok := parseReply(reply)
		require.False(t, ok, reply)
	}
}
