package queue

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// retail makes count publications of a retail item of 600 bytes, over some accounts.
func retail(tb testing.TB, count, accounts int) []publish.Publication {
	tb.Helper()
	body, err := os.ReadFile("../message/testdata/retail.json")
	require.NoError(tb, err)
	all := make([]publish.Publication, count)
	for i := range all {
		all[i] = publish.Publication{
			Subject: fmt.Sprintf("catalog.mutations.account-%d.us.RETAIL", i%accounts),
			ID:      uuid.NewString(), Data: body,
		}
	}
	return all
}

// BenchmarkDrain reads and decodes a backlog, which lies in one partition or is
// spread over all with a reader each.
func BenchmarkDrain(b *testing.B) {
	for name, partitions := range map[string]int{"one partition": 1, "8 partitions": 8, "64 partitions": 64} {
		b.Run(name, func(b *testing.B) {
			broker := newBroker(b, StreamConfig{Partitions: partitions})
			_, err := publish.NewPublisher(broker.js, publish.Options{}).Publish(context.Background(), retail(b, b.N, 4*partitions))
			require.NoError(b, err)
			arrived := make(chan []catalog.Arrival)
			b.ReportAllocs()
			b.ResetTimer()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			for partition := range partitions {
				reader, err := OpenReader(ctx, broker.stream, ReaderConfig{Partition: partition, LeaseToken: uuid.New()})
				require.NoError(b, err)
				b.Cleanup(reader.Close)
				go forward(ctx, reader, arrived)
			}
			for seen := 0; seen < b.N; {
				seen += len(<-arrived)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

func forward(ctx context.Context, reader *Reader, arrived chan<- []catalog.Arrival) {
	for {
		chunk, err := reader.Next(ctx)
		if err != nil {
			return
		}
		select {
		case arrived <- chunk:
		case <-ctx.Done():
			return
		}
	}
}
