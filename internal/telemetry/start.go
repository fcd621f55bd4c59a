package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// MaxLinks is how many links a span keeps: as many as the largest batch has
// records, and some that were merged. The SDK's own limit is 128.
const MaxLinks = 8192

const scopeName = "github.com/catalog-courier/catalog-courier"

// Options say what to set up. Exporters follow the standard variables:
// OTEL_TRACES_EXPORTER (none, otlp, console; default none),
// OTEL_METRICS_EXPORTER (none, otlp; Prometheus is always served) and all
// OTEL_EXPORTER_OTLP_… that the exporters themselves read.
type Options struct {
	Service string // service.name unless OTEL_SERVICE_NAME says otherwise
	Version string
	// Lookup reads an environment variable; os.LookupEnv in a program.
	Lookup func(name string) (string, bool)
	// LogOutput gets the log lines and the spans of the console exporter.
	LogOutput io.Writer
	LogFormat string // json or text
	LogLevel  slog.Level
	// SpanExporter and MetricReader are added to what the variables ask for; tests
	// use them.
	SpanExporter sdktrace.SpanExporter
	MetricReader sdkmetric.Reader
}

// Telemetry is everything a process tells about itself. A nil *Telemetry tells
// nothing.
type Telemetry struct {
	Logger      *slog.Logger
	Instruments *Instruments
	// Tracers makes spans; it records none where no exporter is asked for.
	Tracers trace.TracerProvider
	// Meters is for libraries that measure themselves.
	Meters metric.MeterProvider
	// Registry holds what /metrics serves.
	Registry *prometheus.Registry

	closers []func(context.Context) error
}

// Start sets up logs, traces and metrics. The caller calls Shutdown.
func Start(ctx context.Context, options Options) (*Telemetry, error) {
	t := &Telemetry{Registry: prometheus.NewRegistry()}
	if options.Lookup == nil {
		options.Lookup = func(string) (string, bool) { return "", false }
	}
	t.Logger = NewLogger(cmp.Or[io.Writer](options.LogOutput, io.Discard), options.LogFormat, options.LogLevel)
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", options.Service), attribute.String("service.version", options.Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("describing the service to OpenTelemetry: %w", err)
	}
	if err := errors.Join(t.startTraces(ctx, options, about), t.startMetrics(ctx, options, about)); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

func (t *Telemetry) startTraces(ctx context.Context, options Options, about *resource.Resource) error {
	t.Tracers = noop.NewTracerProvider()
	limits := sdktrace.NewSpanLimits()
	limits.LinkCountLimit = MaxLinks
	setup := []sdktrace.TracerProviderOption{sdktrace.WithResource(about), sdktrace.WithRawSpanLimits(limits)}
	wanted := false
	for _, name := range exporters(options, "OTEL_TRACES_EXPORTER") {
		switch name {
		case "none":
			continue
		case "otlp":
			exporter, err := otlptracehttp.New(ctx)
			if err != nil {
				return fmt.Errorf("setting up the OTLP exporter of traces: %w", err)
			}
			setup = append(setup, sdktrace.WithBatcher(exporter))
		case "console":
			setup = append(setup, sdktrace.WithBatcher(&consoleExporter{out: options.LogOutput}))
		default:
			return fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not allowed: none, otlp, console", name)
		}
		wanted = true
	}
	if options.SpanExporter != nil {
		setup, wanted = append(setup, sdktrace.WithSyncer(options.SpanExporter)), true
	}
	if wanted {
		provider := sdktrace.NewTracerProvider(setup...)
		t.Tracers = provider
		t.closers = append(t.closers, provider.Shutdown)
	}
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, options Options, about *resource.Resource) error {
	prometheusReader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.Registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("setting up the Prometheus registry: %w", err)
	}
	setup := []sdkmetric.Option{
		sdkmetric.WithResource(about), sdkmetric.WithReader(prometheusReader),
		// What is measured is batches, which belong to many traces: no measurement is an
		// example of one, and looking for one costs as much as measuring.
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	}
	for _, name := range exporters(options, "OTEL_METRICS_EXPORTER") {
		switch name {
		case "none", "prometheus":
		case "otlp":
			exporter, err := otlpmetrichttp.New(ctx)
			if err != nil {
				return fmt.Errorf("setting up the OTLP exporter of metrics: %w", err)
			}
			setup = append(setup, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
		default:
			return fmt.Errorf("OTEL_METRICS_EXPORTER: %q is not allowed: none, prometheus, otlp", name)
		}
	}
	if options.MetricReader != nil {
		setup = append(setup, sdkmetric.WithReader(options.MetricReader))
	}
	provider := sdkmetric.NewMeterProvider(setup...)
	t.Meters = provider
	t.closers = append(t.closers, provider.Shutdown)
	if err := runtime.Start(runtime.WithMeterProvider(provider)); err != nil {
		return fmt.Errorf("measuring the Go runtime: %w", err)
	}
	if t.Instruments, err = NewInstruments(provider.Meter(scopeName)); err != nil {
		return fmt.Errorf("declaring the measurements: %w", err)
	}
	return nil
}

// exporters reads a comma-separated variable; OTEL_SDK_DISABLED turns all off.
func exporters(options Options, variable string) []string {
	if disabled, _ := options.Lookup("OTEL_SDK_DISABLED"); strings.EqualFold(disabled, "true") {
		return nil
	}
	value, _ := options.Lookup(variable)
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// shutdownTimeout bounds the last export; it must be shorter than what the
// system gives a stopping process.
const shutdownTimeout = 5 * time.Second

// Shutdown sends what is still buffered and ends the exporters. It works with a
// cancelled context too: only the context's values are used.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var failures error
	for _, closeNext := range t.closers {
		failures = errors.Join(failures, closeNext(ctx))
	}
	t.closers = nil
	return failures
}
