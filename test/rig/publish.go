package rig

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Mutation writes down a change of an item of the lane.
func Mutation(lane catalog.Lane, itemID string, operation catalog.Operation, attributes any) publish.Mutation {
	return publish.Mutation{
		Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type,
		ItemID: itemID, Operation: operation, Attributes: attributes,
	}
}

// Publish publishes mutations in order and returns their ids.
func (b *Bed) Publish(mutations ...publish.Mutation) (ids []string) {
	b.tb.Helper()
	return b.PublishWithin(b.tb.Context(), mutations...)
}

// PublishWithin publishes as part of the trace of ctx.
func (b *Bed) PublishWithin(ctx context.Context, mutations ...publish.Mutation) (ids []string) {
	b.tb.Helper()
	publications := make([]publish.Publication, len(mutations))
	for i, mutation := range mutations {
		publication, err := mutation.Publication()
		require.NoError(b.tb, err)
		publications[i], ids = publication, append(ids, publication.ID)
	}
	results, err := b.publisher.Publish(ctx, publications)
	require.NoError(b.tb, err)
	// After a broken connection some may have been stored the first time.
	require.Zero(b.tb, publish.Summarize(results).Refused)
	return ids
}

// PublishRaw publishes a message as it is, past every check but the server's, and
// returns its sequence.
func (b *Bed) PublishRaw(subject, body string, header nats.Header) uint64 {
	b.tb.Helper()
	ack, err := b.js.PublishMsg(b.tb.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(body)})
	require.NoError(b.tb, err)
	return ack.Sequence
}

// Published reads all messages of the stream, in order.
func (b *Bed) Published() []catalog.Arrival {
	b.tb.Helper()
	const page = 1000
	ctx, config := b.tb.Context(), b.streamConfig()
	stream, err := b.js.Stream(ctx, config.Name)
	require.NoError(b.tb, err)
	state := stream.CachedInfo().State
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	require.NoError(b.tb, err)
	arrivals := make([]catalog.Arrival, 0, state.Msgs)
	for len(arrivals) < int(state.Msgs) { //nolint:gosec // far below the limit
		left := int(state.Msgs) - len(arrivals) //nolint:gosec // far below the limit
		messages, err := consumer.Fetch(min(page, left), jetstream.FetchMaxWait(10*time.Second))
		require.NoError(b.tb, err)
		before := len(arrivals)
		for stored := range messages.Messages() {
			about, err := stored.Metadata()
			require.NoError(b.tb, err)
			arrivals = append(arrivals, message.Decode(message.Raw{
				Subject: stored.Subject(), Headers: stored.Headers(), Data: stored.Data(), Time: about.Timestamp,
				Position: catalog.Position{Sequence: about.Sequence.Stream}, ReceivedAt: about.Timestamp,
			}))
		}
		require.NoError(b.tb, messages.Error())
		require.Greater(b.tb, len(arrivals), before, "the stream gave no more messages")
	}
	return arrivals
}

// IsDuplicate publishes the message as it was and reports whether the stream
// swallows it.
func (b *Bed) IsDuplicate(message catalog.Message) bool {
	b.tb.Helper()
	ack, err := b.js.PublishMsg(b.tb.Context(), &nats.Msg{Subject: message.Subject, Header: headersOf(message), Data: message.Data})
	require.NoError(b.tb, err)
	return ack.Duplicate
}

func headersOf(message catalog.Message) nats.Header {
	header := nats.Header{}
	for _, h := range message.Headers {
		header[h.Name] = append(header[h.Name], h.Value)
	}
	return header
}

// Replay publishes dead letters once more and notes that it did.
func (b *Bed) Replay(letters ...persistence.DeadLetter) {
	b.tb.Helper()
	ctx := b.tb.Context()
	for _, letter := range letters {
		header := headersOf(letter.Message)
		// The old one would be swallowed as a duplicate.
		header[jetstream.MsgIDHeader] = []string{uuid.NewString()}
		_, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: letter.Message.Subject, Header: header, Data: letter.Message.Data})
		require.NoError(b.tb, err)
		marked, err := b.Store.MarkReplayed(ctx, []int64{letter.ID}, time.Now())
		require.NoError(b.tb, err)
		require.Equal(b.tb, int64(1), marked)
	}
}
