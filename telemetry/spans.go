package telemetry

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// destination is what spans call the stream: never the subject with its names.
const destination = "catalog.mutations"

// MaxLinks is how many links a span keeps: as many as the largest batch has
// records, and some that were merged.
const MaxLinks = 8192

// Tracing starts the spans of a mutation's way. A nil *Tracing starts none.
//
// A batch is not a child of any of its mutations: it links to the span in which
// each was published. POST and polls are children of the batch's span.
type Tracing struct {
	tracer trace.Tracer
}

// NewTracing makes spans with the provider; nil when the provider records none.
func NewTracing(provider trace.TracerProvider) *Tracing {
	if _, silent := provider.(noop.TracerProvider); silent {
		return nil
	}
	return &Tracing{tracer: provider.Tracer(scopeName)}
}

const scopeName = "github.com/catalog-courier/catalog-courier"

// Span is a span under way. The zero value is none.
type Span struct {
	span trace.Span
}

// End ends the span; an error marks it as failed. Its text must hold no secret.
func (s Span) End(err error, attributes ...attribute.KeyValue) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attributes...)
	if err != nil {
		s.span.RecordError(err)
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}

// Context is the span's own, to be kept where a later span should be its child.
func (s Span) Context() trace.SpanContext {
	if s.span == nil {
		return trace.SpanContext{}
	}
	return s.span.SpanContext()
}

func (t *Tracing) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, options...) //nolint:spancheck // the caller ends it through Span.End
	return ctx, Span{span: span}                       //nolint:spancheck // as above
}

// Receive starts the span of reading a page of a partition, linked to where its
// mutations were published.
func (t *Tracing) Receive(ctx context.Context, partition int, arrivals []catalog.Arrival) (context.Context, Span) {
	if t == nil { // links cost time: none are collected for nobody
		return ctx, Span{}
	}
	links := make([]trace.Link, 0, min(len(arrivals), MaxLinks))
	for _, arrival := range arrivals {
		links = appendLink(links, arrival.Mutation)
	}
	return t.start(ctx, "receive "+destination, trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...),
		trace.WithAttributes(append(messaging("receive", len(arrivals)),
			attribute.String("messaging.destination.partition.id", strconv.Itoa(partition)))...))
}

// Process starts the span of a batch, from its being cut to its end, linked to
// where each of its mutations was published.
func (t *Tracing) Process(ctx context.Context, batchID string, where Where, records []catalog.Record) (context.Context, Span) {
	if t == nil { // links cost time: none are collected for nobody
		return ctx, Span{}
	}
	links := make([]trace.Link, 0, min(len(records), MaxLinks))
	mutations := 0
	for _, record := range records {
		mutations += len(record.Constituents)
		for _, m := range record.Constituents {
			links = appendLink(links, m)
		}
	}
	return t.start(ctx, "process "+destination, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...),
		trace.WithAttributes(append(messaging("process", mutations), attribute.String("courier.batch.id", batchID),
			attribute.Int("courier.batch.items", len(records)), AccountKey.String(where.Account),
			PlatformKey.String(where.Platform), TypeKey.String(string(where.Type)))...))
}

// Post starts the span of one POST, the attempt counted from 1.
func (t *Tracing) Post(ctx context.Context, where Where, attempt int) (context.Context, Span) {
	return t.start(ctx, "post "+where.Platform, trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		PlatformKey.String(where.Platform), attribute.Int("http.request.resend_count", attempt-1)))
}

// Poll starts the span of one look at a handle.
func (t *Tracing) Poll(ctx context.Context, where Where, handle string) (context.Context, Span) {
	return t.start(ctx, "poll "+where.Platform, trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		PlatformKey.String(where.Platform), attribute.String("courier.handle", handle)))
}

func messaging(operation string, count int) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.destination.name", destination),
		attribute.Int("messaging.batch.message_count", count),
	}
}

// Producer is the span in which the mutation was published, as its headers tell;
// not valid when they tell none.
func Producer(m *catalog.Mutation) trace.SpanContext {
	if m == nil || m.TraceParent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{"traceparent": m.TraceParent, "tracestate": m.TraceState}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

func appendLink(links []trace.Link, m *catalog.Mutation) []trace.Link {
	if len(links) >= MaxLinks {
		return links
	}
	producer := Producer(m)
	if !producer.IsValid() {
		return links
	}
	return append(links, trace.Link{
		SpanContext: producer,
		Attributes:  []attribute.KeyValue{attribute.String("messaging.message.id", m.ID)},
	})
}
