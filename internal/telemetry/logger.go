package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// NewLogger writes log lines as JSON, or as text when format is "text". Lines
// logged with the context of a span carry its trace_id and span_id. What no terminal
// should get is escaped, wherever it stands in a line. Durations are written as Go
// writes them, such as 5m0s, in both formats, and a failure to connect to Postgres in one
// line with what counts. Of warnings and errors of one
// kind the first are logged and the rest of a minute is summed up.
func NewLogger(out io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if format == "text" {
		return slog.New(traced{newLimited(slog.NewTextHandler(legible.NewWriter(out), options))})
	}
	return slog.New(traced{newLimited(slog.NewJSONHandler(legible.NewJSONWriter(out), options))})
}

// readable writes durations as text: JSON would have them as nanoseconds, which nobody
// reads. Also one that was logged as any value, or by its address. Failures to connect
// become one line: see legible.Connecting.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case time.Duration:
		a.Value = slog.StringValue(shortened(value).String())
	case *time.Duration:
		if value != nil {
			a.Value = slog.StringValue(shortened(*value).String())
		}
	case []time.Duration:
		texts := make([]string, len(value))
		for i, each := range value {
			texts[i] = shortened(each).String()
		}
		a.Value = slog.AnyValue(texts)
	case error:
		if text := value.Error(); strings.Contains(text, "\n") {
			a.Value = slog.StringValue(legible.Connecting(text))
		}
	case string:
		a.Value = slog.StringValue(legible.Connecting(value))
	}
	return a
}

// shortened leaves out digits that say nothing: 1h2m3.123456789s is read worse than
// 1h2m3.123s.
func shortened(d time.Duration) time.Duration {
	if d.Abs() >= time.Second {
		return d.Round(time.Millisecond)
	}
	return d
}

// traced adds the ids of the span in the context.
type traced struct {
	slog.Handler
}

func (h traced) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record = record.Clone()
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
