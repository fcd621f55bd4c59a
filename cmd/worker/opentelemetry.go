package main

import (
	"context"
	"log/slog"
	"net/url"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// exporters logs the troubles of what sends traces and metrics to a collector.
type exporters struct {
	log *slog.Logger
	// secrets are the headers for the collector. It may repeat them when it refuses
	// what it is sent, and its answer is in the error.
	secrets *strings.Replacer
}

// listenToExporters logs what exporters report from now on. They report through two
// globals alone, and to the standard logger without them.
func listenToExporters(ctx context.Context, log *slog.Logger, lookup func(string) (string, bool)) *exporters {
	e := &exporters{log: log, secrets: collectorSecrets(lookup)}
	otel.SetLogger(logr.FromSlogHandler(messagesOnly{log.Handler()}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		e.warn(ctx, "OpenTelemetry has trouble", err)
	}))
	return e
}

func (e *exporters) warn(ctx context.Context, message string, err error) {
	e.log.WarnContext(ctx, message, slog.String("error", e.secrets.Replace(err.Error()))) //nolint:sloglint // one of two fixed texts
}

// shortestSecret spares words such as a tenant's number, which are in every message.
const shortestSecret = 6

// collectorSecrets finds the values of headers in the standard variables, as they are
// written there and as they are sent.
func collectorSecrets(lookup func(string) (string, bool)) *strings.Replacer {
	var pairs []string
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"} {
		headers, _ := lookup(name)
		for header := range strings.SplitSeq(headers, ",") {
			_, written, _ := strings.Cut(header, "=")
			sent, err := url.PathUnescape(written)
			if err != nil {
				continue // it is not sent
			}
			sent = strings.TrimSpace(sent)
			_, credentials, _ := strings.Cut(sent, " ") // of "Bearer …" and the like
			for _, value := range []string{written, sent, credentials} {
				if len(value) >= shortestSecret {
					pairs = append(pairs, value, "[redacted]")
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// messagesOnly drops all attributes: where a variable cannot be read they have its
// value, such as a key for the collector.
type messagesOnly struct{ slog.Handler }

// Handle implements slog.Handler.
func (h messagesOnly) Handle(ctx context.Context, record slog.Record) error {
	return h.Handler.Handle(ctx, slog.NewRecord(record.Time, record.Level, "OpenTelemetry: "+record.Message, record.PC))
}

// WithAttrs implements slog.Handler.
func (h messagesOnly) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h messagesOnly) WithGroup(string) slog.Handler { return h }
