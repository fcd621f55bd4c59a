package evidence

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Messages reads all mutations that the stream holds, in order, as a worker decodes them.
func Messages(ctx context.Context, js jetstream.JetStream, name string) ([]catalog.Arrival, error) {
	const page = 1000
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	total := int(stream.CachedInfo().State.Msgs) //nolint:gosec // far below the limit
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	var decoder message.Decoder
	arrivals, read := make([]catalog.Arrival, 0, total), 0
	for read < total {
		before := read
		messages, err := consumer.Fetch(min(page, total-before), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return nil, err
		}
		for stored := range messages.Messages() {
			about, err := stored.Metadata()
			if err != nil {
				return nil, err
			}
			read++
			arrivals = decoder.DecodeAll(arrivals, message.Raw{
				Subject: stored.Subject(), Headers: stored.Headers(), Data: stored.Data(), Time: about.Timestamp,
				Position: catalog.Position{Sequence: about.Sequence.Stream}, ReceivedAt: about.Timestamp,
			})
		}
		if err := messages.Error(); err != nil {
			return nil, err
		}
		if read == before {
			return nil, fmt.Errorf("the stream gave %d of %d messages", before, total)
		}
	}
	return arrivals, nil
}

// Decode is what a worker makes of a publication at a place of the stream.
func Decode(publication publish.Publication, result publish.Result, at time.Time) *catalog.Mutation {
	return message.Decode(message.Raw{
		Subject: publication.Subject, Headers: map[string][]string{"Nats-Msg-Id": {publication.ID}}, Data: publication.Data,
		Time: at, Position: catalog.Position{Sequence: result.Sequence, Line: result.Line},
	}).Mutation
}
