package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestOneMutationCanBeFollowed from the span in which it was published to its
// final status: in spans and in measurements.
func TestOneMutationCanBeFollowed(t *testing.T) {
	t.Parallel()
	slow := sandbox.Options{Delay: 100 * time.Millisecond}
	env := rig.Start(t, rig.Options{Pinterest: slow})
	spans, meters := tracetest.NewInMemoryExporter(), metric.NewManualReader()
	w := env.StartWorker("a", rig.WorkerOptions{Spans: spans, Meters: meters})

	ctx, published := sdktrace.NewTracerProvider().Tracer("shop").Start(t.Context(), "price changes")
	id := env.PublishWithin(ctx, rig.Mutation(rig.Retail, "T", catalog.Upsert, rig.Whole("RETAIL", "told")))[0]
	published.End()
	status := env.AwaitStatus(id, "succeeded", patience)
	require.NoError(t, w.Stop())

	batch := spanWith(t, spans, func(s tracetest.SpanStub) bool {
		return linksTo(s, published.SpanContext()) && s.SpanKind == trace.SpanKindConsumer
	})
	require.NotEqual(t, published.SpanContext().TraceID(), batch.SpanContext.TraceID(), "a batch is nobody's child")
	post := spanWith(t, spans, func(s tracetest.SpanStub) bool {
		return strings.Contains(s.Name, "submit") && s.Parent.SpanID() == batch.SpanContext.SpanID()
	})
	poll := spanWith(t, spans, func(s tracetest.SpanStub) bool {
		return strings.Contains(s.Name, "poll") && s.Parent.SpanID() == batch.SpanContext.SpanID()
	})
	require.False(t, post.StartTime.Before(batch.StartTime))
	require.False(t, poll.StartTime.Before(post.EndTime))
	require.NotContains(t, fmt.Sprint(post, poll, batch), rig.PinterestToken)
	require.False(t, status.FinishedAt.IsZero())

	measured := measure(t, meters)
	for name, want := range map[string]float64{
		"courier.mutations.received": 1, "courier.batch.items": 1, "courier.batch.mutations": 1,
		"courier.posts": 1, "courier.outcomes": 1, "courier.mutation.latency": 1,
	} {
		assert.InDelta(t, want, measured[name], 0, name)
	}
	assert.GreaterOrEqual(t, measured["courier.polls"], 1.0)
	assert.GreaterOrEqual(t, measured["courier.record.duration"], 2.0, "the batch and its outcome")
}

func spanWith(t *testing.T, exporter *tracetest.InMemoryExporter, fits func(tracetest.SpanStub) bool) tracetest.SpanStub {
	t.Helper()
	for _, span := range exporter.GetSpans() {
		if fits(span) {
			return span
		}
	}
	var names []string
	for _, span := range exporter.GetSpans() {
		names = append(names, span.Name)
	}
	require.Fail(t, "no such span", "there are %v", names)
	return tracetest.SpanStub{}
}

func linksTo(span tracetest.SpanStub, to trace.SpanContext) bool {
	for _, link := range span.Links {
		if link.SpanContext.TraceID() == to.TraceID() && link.SpanContext.SpanID() == to.SpanID() {
			return true
		}
	}
	return false
}

// measure collects all measurements: the sum of counters, the number of values of
// histograms.
func measure(t *testing.T, reader *metric.ManualReader) map[string]float64 {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	sums := map[string]float64{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					sums[m.Name] += float64(point.Value)
				}
			case metricdata.Histogram[int64]:
				for _, point := range data.DataPoints {
					sums[m.Name] += float64(point.Count)
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					sums[m.Name] += float64(point.Count)
				}
			}
		}
	}
	return sums
}

// TestNoSecretIsTold (I7): tokens are in no log line, span, measurement, view or
// dead letter, whatever a platform throws back.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	for _, kind := range []sandbox.FaultKind{sandbox.EchoToken, sandbox.HTMLError, sandbox.Truncated, sandbox.ResetAfter, sandbox.RateLimited, sandbox.EchoToken} {
		env.Pinterest.InjectNext(sandbox.Submit, sandbox.Fault{Kind: kind, Duration: time.Second})
		env.Pinterest.InjectNext(sandbox.Poll, sandbox.Fault{Kind: kind})
		if kind == sandbox.RateLimited {
			continue // Meta blocks for whole minutes
		}
		env.Meta.InjectNext(sandbox.Submit, sandbox.Fault{Kind: kind})
		env.Meta.InjectNext(sandbox.Poll, sandbox.Fault{Kind: kind})
	}
	spans, meters := tracetest.NewInMemoryExporter(), metric.NewManualReader()
	w := env.StartWorker("a", rig.WorkerOptions{Spans: spans, Meters: meters})
	const each = 12
	env.Publish(upserts(rig.Retail, "S", each)...)
	env.Publish(upserts(rig.Products, "S", each)...)
	env.PublishRaw("catalog.mutations.nobody.us.RETAIL", `{"item_id":"X","operation":"DELETE"}`, nats.Header{})
	env.AwaitFinal(2*each+1, 2*patience)
	env.Pinterest.RevokeTokens(true)
	env.Publish(upserts(rig.Retail, "revoked", 1)...)
	w.AwaitLog("the platform refuses the account", patience)
	require.Positive(t, env.Pinterest.Counters().Faults[sandbox.EchoToken])

	var told strings.Builder
	told.WriteString(w.Log.String())
	for _, span := range spans.GetSpans() {
		fmt.Fprintf(&told, "%+v %v\n", span, span.Attributes)
	}
	var collected metricdata.ResourceMetrics
	require.NoError(t, meters.Collect(t.Context(), &collected))
	measurements, err := json.Marshal(collected)
	require.NoError(t, err)
	told.Write(measurements)
	for _, relation := range []string{
		"mutation_status", "item_status", "batch_status", "account_status", "dead_letters",
		"attempt", "record_outcome", "quota_scope", "account", "worker",
	} {
		told.WriteString(env.Everything(relation))
	}
	for _, secret := range []string{rig.PinterestToken, rig.MetaToken} {
		if at := strings.Index(told.String(), secret); at >= 0 {
			require.Fail(t, "I7: a token is told", "%s", told.String()[max(at-300, 0):min(at+100, told.Len())])
		}
	}
	require.Greater(t, told.Len(), 10_000, "much was looked through")
}
