package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// consoleExporter writes each span as one line of JSON, for people who try things
// out without a collector.
type consoleExporter struct {
	mu  sync.Mutex
	out io.Writer
}

type consoleSpan struct {
	Name     string    `json:"span"`
	TraceID  string    `json:"trace_id"`
	SpanID   string    `json:"span_id"`
	ParentID string    `json:"parent_span_id,omitempty"`
	Start    time.Time `json:"start"`
	Seconds  float64   `json:"seconds"`
	Links    int       `json:"links,omitempty"`
	Error    string    `json:"error,omitempty"`
}

func (e *consoleExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out == nil {
		return nil
	}
	encoder := json.NewEncoder(legible.NewJSONWriter(e.out))
	for _, span := range spans {
		line := consoleSpan{
			Name: span.Name(), TraceID: span.SpanContext().TraceID().String(), SpanID: span.SpanContext().SpanID().String(),
			Start: span.StartTime(), Seconds: span.EndTime().Sub(span.StartTime()).Seconds(),
			Links: len(span.Links()), Error: span.Status().Description,
		}
		if span.Parent().IsValid() {
			line.ParentID = span.Parent().SpanID().String()
		}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (e *consoleExporter) Shutdown(context.Context) error { return nil }
