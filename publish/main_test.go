package publish

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
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.ServersOwn()...) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

const testSubject = "catalog.mutations.acme.us.RETAIL"

// broker is a server with the stream.
type broker struct {
	server *natstest.Server
	js     jetstream.JetStream
	stream *queue.Stream
}

func newBroker(tb testing.TB, config queue.StreamConfig) *broker {
	tb.Helper()
	server := natstest.Start(tb)
	js := server.JetStream(tb)
	stream, err := queue.Ensure(context.Background(), js, config)
	require.NoError(tb, err)
	return &broker{server: server, js: js, stream: stream}
}

// handle is the stream as its own client sees it.
func (b *broker) handle(tb testing.TB) jetstream.Stream {
	tb.Helper()
	return handleOf(tb, b.js)
}

func handleOf(tb testing.TB, js jetstream.JetStream) jetstream.Stream {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := js.Stream(ctx, queue.DefaultStreamName)
	require.NoError(tb, err)
	return stream
}

// take reads count mutations of the account acme as a worker does, and checks that they
// are items 0, 1 and so on.
func (b *broker) take(tb testing.TB, count int) []catalog.Arrival {
	tb.Helper()
	reader, err := queue.OpenReader(context.Background(), b.stream, queue.ReaderConfig{
		Partition: queue.PartitionOf("acme", b.stream.Partitions()), LeaseToken: uuid.New(),
		Logger: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	})
	require.NoError(tb, err)
	tb.Cleanup(reader.Close)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []catalog.Arrival
	for len(all) < count {
		chunk, err := reader.Next(ctx)
		require.NoError(tb, err)
		all = append(all, chunk...)
	}
	require.Len(tb, all, count)
	for i, arrival := range all {
		require.Nil(tb, arrival.Problem)
		require.Equal(tb, strconv.Itoa(i), arrival.Mutation.ItemID)
	}
	return all
}
