package queuemodel_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/queue/queuemodel"
	"github.com/catalog-courier/catalog-courier/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestModelConforms(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queuetest.Harness {
		t.Helper()
		const partitions = 64
		stream := queuemodel.New(partitions)
		return queuetest.Harness{
			Log: stream, Partitions: partitions,
			Open: func(ctx context.Context, config queue.ReaderConfig) (queuetest.Reader, error) {
				return stream.Open(ctx, config)
			},
			Mirror: func(ctx context.Context, partition int, knows func(uuid.UUID) bool) (queuetest.Mirror, queue.Noted, error) {
				return stream.Mirror(ctx, partition, knows)
			},
			PublishPacks: func(t *testing.T, lines int, mutations ...publish.Mutation) []publish.Result {
				t.Helper()
				results, err := stream.PublishPacks(lines, mutations...)
				require.NoError(t, err)
				return results
			},
			Disconnect: func(*testing.T) { stream.Disconnect() },
			Copy:       func(*testing.T) func() { return stream.Copy() },
			Bind:       stream.Bind,
			Replace: func(t *testing.T, mutations ...publish.Mutation) {
				t.Helper()
				other := queuemodel.New(partitions)
				_, err := other.Publish(mutations...)
				require.NoError(t, err)
				stream.Replace(other)
			},
		}
	})
}
