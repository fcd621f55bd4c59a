package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/queue/queuetest"
)

// TestQueueConforms: the suite that the model of a queue passes too.
func TestQueueConforms(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queuetest.Harness {
		t.Helper()
		server := natstest.Start(t)
		js := server.JetStream(t)
		stream, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
		require.NoError(t, err)
		publisher := publish.NewPublisher(js, publish.Options{})
		connected := func() {
			require.Eventually(t, func() bool { return natstest.Answers(js.Conn()) }, 20*time.Second, time.Millisecond)
		}
		return queuetest.Harness{
			Log: stream, Partitions: stream.Partitions(),
			Open: func(ctx context.Context, config queue.ReaderConfig) (queuetest.Reader, error) {
				return queue.OpenReader(ctx, stream, config)
			},
			Mirror: func(ctx context.Context, partition int, knows func(uuid.UUID) bool) (queuetest.Mirror, queue.Noted, error) {
				mirror, err := queue.OpenMirror(ctx, js, queue.StreamConfig{}) // as each owner does
				if err != nil {
					return nil, queue.Noted{}, err
				}
				return mirror.Partition(ctx, partition, knows)
			},
			PublishPacks: func(t *testing.T, lines int, mutations ...publish.Mutation) []publish.Result {
				t.Helper()
				publisher := publish.NewPublisher(js, publish.Options{PackLines: lines})
				results, err := publisher.PublishMutations(t.Context(), mutations...)
				require.NoError(t, err)
				return results
			},
			Disconnect: func(t *testing.T) {
				t.Helper()
				server.Restart(t)
				connected()
			},
			Copy: func(t *testing.T) func() {
				t.Helper()
				server.Stop()
				putBack := server.Copy(t)
				server.Run(t)
				connected()
				return func() {
					server.Stop()
					putBack()
					server.Run(t)
					connected()
				}
			},
			Bind: stream.Bind,
			Replace: func(t *testing.T, mutations ...publish.Mutation) {
				t.Helper()
				server.Stop()
				server.Wipe(t)
				server.Run(t)
				connected()
				_, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
				require.NoError(t, err)
				_, err = publisher.PublishMutations(t.Context(), mutations...)
				require.NoError(t, err)
			},
		}
	})
}
