package rig

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// Mutation writes down a change of an item of the lane.
func Mutation(lane catalog.Lane, itemID string, operation catalog.Operation, attributes any) publish.Mutation {
	return publish.Mutation{
		Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type,
		ItemID: itemID, Operation: operation, Attributes: attributes,
	}
}

// Publish publishes mutations in order and returns their ids.
func (e *Env) Publish(mutations ...publish.Mutation) (ids []string) {
	e.tb.Helper()
	return e.PublishWithin(e.tb.Context(), mutations...)
}

// PublishWithin publishes as part of the trace of ctx.
func (e *Env) PublishWithin(ctx context.Context, mutations ...publish.Mutation) (ids []string) {
	e.tb.Helper()
	publications := make([]publish.Publication, len(mutations))
	for i, mutation := range mutations {
		publication, err := mutation.Publication()
		require.NoError(e.tb, err)
		publications[i], ids = publication, append(ids, publication.ID)
	}
	results, err := e.publisher.Publish(ctx, publications)
	require.NoError(e.tb, err)
	// After a broken connection some may have been stored the first time.
	require.Zero(e.tb, publish.Summarize(results).Refused)
	return ids
}

// PublishRaw publishes a message as it is, past every check but the server's, and
// returns its sequence.
func (e *Env) PublishRaw(subject, body string, header nats.Header) uint64 {
	e.tb.Helper()
	ack, err := e.js.PublishMsg(e.tb.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(body)})
	require.NoError(e.tb, err)
	return ack.Sequence
}

// Published reads all messages of the stream, in order.
func (e *Env) Published() []catalog.Arrival {
	e.tb.Helper()
	arrivals, err := evidence.Messages(e.tb.Context(), e.js, e.streamConfig().Name)
	require.NoError(e.tb, err)
	return arrivals
}

// IsDuplicate publishes the message as it was and reports whether the stream
// swallows it.
func (e *Env) IsDuplicate(message catalog.Message) bool {
	e.tb.Helper()
	ack, err := e.js.PublishMsg(e.tb.Context(), &nats.Msg{Subject: message.Subject, Header: headersOf(message), Data: message.Data})
	require.NoError(e.tb, err)
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
func (e *Env) Replay(letters ...persistence.DeadLetter) {
	e.tb.Helper()
	ctx := e.tb.Context()
	for _, letter := range letters {
		header := headersOf(letter.Message)
		// The old one would be swallowed as a duplicate.
		header[jetstream.MsgIDHeader] = []string{uuid.NewString()}
		_, err := e.js.PublishMsg(ctx, &nats.Msg{Subject: letter.Message.Subject, Header: header, Data: letter.Message.Data})
		require.NoError(e.tb, err)
		marked, err := e.Store.MarkReplayed(ctx, []int64{letter.ID}, time.Now())
		require.NoError(e.tb, err)
		require.Equal(e.tb, int64(1), marked)
	}
}
