package queue

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/publish"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.ServersOwn()...) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// broker is a server with the stream.
type broker struct {
	server *natstest.Server
	js     jetstream.JetStream
	stream *Stream
}

func newBroker(tb testing.TB, config StreamConfig) *broker {
	tb.Helper()
	server := natstest.Start(tb)
	js := server.JetStream(tb)
	stream, err := Ensure(context.Background(), js, config)
	require.NoError(tb, err)
	return &broker{server: server, js: js, stream: stream}
}

// publish stores count deletes of an account, items numbered from first.
func (b *broker) publish(tb testing.TB, account string, first, count int) []publish.Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		mutations[i] = publish.Mutation{
			Account: account, Catalog: "us", Type: "RETAIL",
			ItemID: strconv.Itoa(first + i), Operation: catalog.Delete,
		}
	}
	results, err := publish.NewPublisher(b.js, publish.Options{PackLines: 1}).PublishMutations(ctx, mutations...)
	require.NoError(tb, err)
	return results
}

// open starts a reader of the partition of the account acme.
func (b *broker) open(tb testing.TB, adjust func(*ReaderConfig)) *Reader {
	tb.Helper()
	config := ReaderConfig{
		Partition: PartitionOf("acme", b.stream.Partitions()), LeaseToken: uuid.New(),
		heartbeat: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	}
	if adjust != nil {
		adjust(&config)
	}
	reader, err := OpenReader(context.Background(), b.stream, config)
	require.NoError(tb, err)
	tb.Cleanup(reader.Close)
	return reader
}

// take reads exactly count arrivals and checks that they are items first,
// first+1 and so on.
func take(tb testing.TB, reader *Reader, first, count int) []catalog.Arrival {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []catalog.Arrival
	for len(all) < count {
		chunk, err := reader.Next(ctx)
		require.NoError(tb, err)
		require.NotEmpty(tb, chunk)
		all = append(all, chunk...)
	}
	require.Len(tb, all, count)
	for i, arrival := range all {
		require.Nil(tb, arrival.Problem)
		require.Equal(tb, strconv.Itoa(first+i), arrival.Mutation.ItemID)
	}
	return all
}

// nothingLeft checks that everything of the partition has been returned.
func nothingLeft(tb testing.TB, reader *Reader) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pending, err := reader.Pending(ctx)
	require.NoError(tb, err)
	require.Zero(tb, pending)
}

func anchorOfLast(arrivals []catalog.Arrival) ledger.Anchor {
	return ledger.AnchorOf(arrivals[len(arrivals)-1].Mutation)
}
