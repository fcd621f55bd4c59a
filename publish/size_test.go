package publish

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/queue"
)

// withOneTooLarge are publications whose one at place is of about size bytes. Newer
// changes of its item come behind it.
func withOneTooLarge(count, place, size int) []Publication {
	all := publications(0, count)
	all[place].Data = fmt.Appendf(nil, `{"item_id":"%d","operation":"UPSERT","attributes":{"x":"%s"}}`, count-1, strings.Repeat("x", size))
	return all
}

func requireOneRefused(t *testing.T, results []Result, place int) {
	t.Helper()
	require.Equal(t, Summary{Stored: len(results) - 1, Refused: 1}, Summarize(results))
	require.True(t, results[place].NotStored)
	problem := new(catalog.Problem)
	require.ErrorAs(t, results[place].Err, &problem)
	require.Equal(t, catalog.MessageTooLarge, problem.Reason)
}

func TestMessageOverTheServersMaxPayloadIsRefusedAlone(t *testing.T) {
	t.Parallel()
	const most = 2 << 10
	server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: t.TempDir(), MaxPayload: most})
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	connection, err := server.Connect()
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	require.NoError(t, err)
	_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	publisher := NewPublisher(js, Options{PackLines: 1})

	results, err := publisher.Publish(t.Context(), withOneTooLarge(20, 4, most))
	require.NoError(t, err)
	requireOneRefused(t, results, 4)
	require.ErrorContains(t, results[4].Err, "max_payload")

	// Headers count too.
	long := publications(20, 22)
	long[0].Headers = []catalog.Header{{Name: "note", Value: strings.Repeat("n", most)}}
	results, err = publisher.Publish(t.Context(), long)
	require.NoError(t, err)
	requireOneRefused(t, results, 0)

	// Of those in between, the server's answer decides for none: all sizes end.
	for size := most - 700; size < most; size += 50 {
		results, err = publisher.Publish(t.Context(), withOneTooLarge(3, 1, size))
		require.NoErrorf(t, err, "%d bytes", size)
		require.LessOrEqualf(t, Summarize(results).Refused, 1, "%d bytes", size)
	}
}

func TestMessageOverTheStreamsMaxMsgSizeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	for name, batches := range map[string]bool{"atomic batches": true, "single messages": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, queue.StreamConfig{})
			config := b.handle(t).CachedInfo().Config
			config.AllowAtomicPublish, config.MaxMsgSize = batches, 1<<10
			_, err := b.js.UpdateStream(t.Context(), config)
			require.NoError(t, err)
			publisher := NewPublisher(b.js, Options{PackLines: 1})
			results, err := publisher.Publish(t.Context(), withOneTooLarge(20, 4, 4<<10))
			require.NoError(t, err)
			requireOneRefused(t, results, 4)
			require.ErrorContains(t, results[4].Err, "max_msg_size")
			results, err = publisher.Publish(t.Context(), withOneTooLarge(1, 0, 4<<10))
			require.NoError(t, err)
			requireOneRefused(t, results, 0)
		})
	}
}

// TestAShortDuplicateWindowShortensTheBudget: a message that is repeated after the stream
// forgot its id would be stored twice.
func TestAShortDuplicateWindowShortensTheBudget(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	publisher := NewPublisher(b.js, Options{PackLines: 1})
	require.NoError(t, publisher.CheckStream(t.Context(), queue.DefaultStreamName))
	require.EqualValues(t, DefaultRetryFor, publisher.retryFor.Load())
	config := b.handle(t).CachedInfo().Config
	config.Duplicates = 4 * time.Second
	_, err := b.js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, publisher.CheckStream(t.Context(), queue.DefaultStreamName))
	require.EqualValues(t, 3600*time.Millisecond, publisher.retryFor.Load())

	require.NoError(t, b.js.DeleteStream(t.Context(), queue.DefaultStreamName))
	began := time.Now()
	_, err = publisher.Publish(t.Context(), publications(0, 3))
	require.ErrorContains(t, err, "no stream takes the subject")
	require.Less(t, time.Since(began), 30*time.Second)
}
