package rig

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/service"
)

// WorkerOptions say how a worker in the test's process runs.
type WorkerOptions struct {
	Settings Settings
	// Broker is the NATS server to use; nil is the environment's own.
	Broker *natstest.Server
	// Edit changes the effective configuration, for values that no file may say.
	Edit   func(*config.Config)
	Spans  sdktrace.SpanExporter
	Meters sdkmetric.Reader
}

// Worker is a worker that runs in the test's process.
type Worker struct {
	*Running

	Log *Log

	env   *Env
	asked chan struct{}
	mu    sync.Mutex
	// reload is what the worker reads when it is asked to.
	reload func() (*config.Config, error)
}

// Reload has the worker read its configuration again and get what load returns. It does
// not wait until that is in use.
func (w *Worker) Reload(load func() (*config.Config, error)) {
	w.mu.Lock()
	w.reload = load
	w.mu.Unlock()
	select {
	case w.asked <- struct{}{}:
	default: // it has not read it yet
	}
}

func (w *Worker) load() (*config.Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reload()
}

// StartWorker runs a worker until Stop or the end of the test.
func (e *Env) StartWorker(name string, options WorkerOptions) *Worker {
	e.tb.Helper()
	settings := e.Config(name, options.Settings)
	if options.Edit != nil {
		options.Edit(settings)
	}
	w := &Worker{Log: &Log{}, env: e, asked: make(chan struct{}, 1)}
	told, err := telemetry.Start(e.tb.Context(), telemetry.Options{
		Service: "catalog-courier", LogOutput: w.Log, LogFormat: "json", LogLevel: slog.LevelDebug,
		SpanExporter: options.Spans, MetricReader: options.Meters,
	})
	require.NoError(e.tb, err)
	natsOptions := []nats.Option{nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0)}
	if options.Broker == nil {
		options.Broker = e.NATS
	}
	if options.Broker.URL() == "" {
		natsOptions = append(natsOptions, nats.InProcessServer(options.Broker))
	}
	w.Running = run(context.Background(), service.Options{
		Config: settings, Telemetry: told, Name: name, NATSOptions: natsOptions,
		Reload: &service.Reload{Load: w.load, Asked: w.asked},
	})
	e.tb.Cleanup(func() {
		w.cancel()
		<-w.done
		_ = told.Shutdown(context.Background())
		if e.tb.Failed() {
			e.tb.Logf("log of worker %s:\n%s", name, w.Log.tail(64<<10))
		}
	})
	return w
}

// Stop has the worker drain and waits until it has returned.
func (w *Worker) Stop() error {
	w.cancel()
	return w.Wait(30 * time.Second)
}

// Wait waits until the worker has returned.
func (w *Worker) Wait(within time.Duration) error {
	w.env.tb.Helper()
	select {
	case <-w.done:
		return w.err
	case <-time.After(within):
		w.env.tb.Fatalf("worker %s has not returned within %s", w.Name, within)
		return nil
	}
}

// AwaitLog waits for a log line with the words.
func (w *Worker) AwaitLog(words string, within time.Duration) {
	w.env.tb.Helper()
	w.env.Await("worker "+w.Name+" logs "+words, within, func() bool { return w.Log.Contains(words) })
}

// Log keeps what a worker logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// Contains reports whether the words were logged.
func (l *Log) Contains(words string) bool { return strings.Contains(l.String(), words) }

// Count tells how often the words were logged.
func (l *Log) Count(words string) int { return strings.Count(l.String(), words) }

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *Log) tail(limit int) string {
	text := l.String()
	return text[max(len(text)-limit, 0):]
}
