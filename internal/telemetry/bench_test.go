package telemetry

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/catalog-courier/catalog-courier/internal/label"
)

// BenchmarkEnded measures a finished batch of 5000 mutations.
func BenchmarkEnded(b *testing.B) {
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()), metric.WithExemplarFilter(exemplar.AlwaysOffFilter))
	instruments, err := NewInstruments(provider.Meter("bench"))
	if err != nil {
		b.Fatal(err)
	}
	latencies := make([]time.Duration, 5000)
	for i := range latencies {
		latencies[i] = time.Duration(i) * time.Millisecond
	}
	finished := Finished{Outcomes: map[label.Outcome]int{label.Succeeded: len(latencies)}, Latencies: latencies}
	b.ReportAllocs()
	for b.Loop() {
		instruments.Ended(context.Background(), Where{Account: "a", Platform: "meta", Type: "PRODUCT_ITEM"}, finished)
	}
}
