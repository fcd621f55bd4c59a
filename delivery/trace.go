package delivery

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

// startSpan begins the span of a batch, from its cut to its end. A batch is
// nobody's child: it links to each mutation's own trace.
func (f *openBatch) startSpan(ctx context.Context, tracer trace.Tracer) {
	lane := f.batch.Lane
	_, f.span = tracer.Start(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), "process catalog batch", //nolint:spancheck // close or releaseAll ends it
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("courier.platform", f.lane.account.Platform),
			attribute.String("courier.account", lane.Account),
			attribute.String("courier.catalog", lane.Catalog),
			attribute.String("courier.catalog_type", string(lane.Type)),
			attribute.String("courier.batch.id", f.batch.ID.String()),
			attribute.Int("messaging.batch.message_count", len(f.batch.Records)),
		))
	if f.span.IsRecording() { // links cost time: none are collected for nobody
		f.link()
	}
}

// link links the batch's span to the producers' spans of its mutations, where they
// sent one. How many links a span keeps is the provider's limit.
func (f *openBatch) link() {
	f.forEachConstituent(func(m *catalog.Mutation) {
		if m.TraceParent == "" {
			return
		}
		carrier := propagation.MapCarrier{"traceparent": m.TraceParent, "tracestate": m.TraceState}
		producer := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		if producer.IsValid() {
			f.span.AddLink(trace.Link{SpanContext: producer})
		}
	})
}

// startCall begins the span of one call to the platform, a child of the batch's.
func (f *openBatch) startCall(ctx context.Context, tracer trace.Tracer, operation string) (context.Context, trace.Span) {
	if f.span != nil {
		ctx = trace.ContextWithSpan(ctx, f.span)
	}
	return tracer.Start(ctx, operation+" catalog batch", trace.WithSpanKind(trace.SpanKindClient), //nolint:spancheck // endCall ends it
		trace.WithAttributes(attribute.Int("http.request.resend_count", f.attempt-1)))
}

func endCall(span trace.Span, perr *platform.Error) {
	if perr != nil {
		span.RecordError(errors.New(perr.Outline()))
		span.SetStatus(codes.Error, perr.Scope.String())
		span.SetAttributes(attribute.String("error.type", perr.Scope.String()))
	}
	span.End()
}

// endBatchSpan says on the batch's span what became of its records.
func endBatchSpan(f *openBatch, c *conclusion) {
	if f.span == nil {
		return
	}
	for outcome, n := range c.outcomes {
		f.span.SetAttributes(attribute.Int("courier.records."+string(outcome), n))
	}
	for reason, n := range c.retries {
		f.span.SetAttributes(attribute.Int("courier.records."+string(reason), n))
	}
	f.span.SetAttributes(attribute.String("courier.batch.state", string(c.outcome.State)))
	if c.outcome.Failed > 0 {
		f.span.SetStatus(codes.Error, "records failed")
	}
}
