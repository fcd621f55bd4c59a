package publish

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/queue"
)

// BenchmarkPublish publishes in atomic batches of 1000 messages of 600 bytes.
func BenchmarkPublish(b *testing.B) {
	broker := newBroker(b, queue.StreamConfig{})
	publisher := NewPublisher(broker.js, Options{PackLines: 1})
	all := retail(b, b.N, 8)
	b.ReportAllocs()
	b.ResetTimer()
	_, err := publisher.Publish(context.Background(), all)
	require.NoError(b, err)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// retail makes count publications of a retail item of 600 bytes, over some accounts.
func retail(tb testing.TB, count, accounts int) []Publication {
	tb.Helper()
	body, err := os.ReadFile("../message/testdata/retail.json")
	require.NoError(tb, err)
	all := make([]Publication, count)
	for i := range all {
		all[i] = Publication{
			Subject: fmt.Sprintf("catalog.mutations.account-%d.us.RETAIL", i%accounts),
			ID:      uuid.NewString(), Data: body,
		}
	}
	return all
}
