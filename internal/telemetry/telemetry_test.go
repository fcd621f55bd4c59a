package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, options telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	options.Service = "worker"
	started, err := telemetry.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, started.Shutdown(context.Background())) })
	return started
}

func variables(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestSpanOfTheLargestBatchKeepsAllItsLinks(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tel := start(t, telemetry.Options{SpanExporter: spans})
	links := make([]trace.Link, 5000)
	for i := range links {
		links[i] = trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})}
	}
	_, span := tel.Tracers.Tracer("test").Start(t.Context(), "batch", trace.WithLinks(links...))
	span.End()
	require.Len(t, spans.GetSpans()[0].Links, 5000)
	require.Zero(t, spans.GetSpans()[0].DroppedLinks)
}

func TestNilTellsNothing(t *testing.T) {
	t.Parallel()
	var instruments *telemetry.Instruments
	ctx := t.Context()
	instruments.Received(ctx, 1, 1)
	instruments.Recorded(ctx, 1, time.Second)
	instruments.Cut(ctx, telemetry.Where{}, "age", 1, 1, 1)
	instruments.Posted(ctx, telemetry.Where{}, label.Accepted, label.None, time.Second)
	instruments.Polled(ctx, telemetry.Where{}, label.Pending, label.None, time.Second)
	instruments.Ended(ctx, telemetry.Where{}, telemetry.Finished{Outcomes: map[label.Outcome]int{label.Succeeded: 1}})
	instruments.Retried(ctx, telemetry.Where{}, label.Again, 1)
	instruments.DeadLettered(ctx, "a", catalog.Refused, 1)
	instruments.LeaseChanged(ctx, "lost")
	stop, err := instruments.Observe(func() telemetry.Snapshot { return telemetry.Snapshot{} })
	require.NoError(t, err)
	require.NoError(t, stop())
	var none *telemetry.Telemetry
	require.NoError(t, none.Shutdown(ctx))
}

func TestEveryMeasurementReachesPrometheus(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{})
	ctx, i := t.Context(), tel.Instruments
	where := telemetry.Where{Account: "acme", Platform: "meta", Type: "FLIGHT"}
	i.Received(ctx, 3, 10)
	i.Recorded(ctx, 10, time.Millisecond)
	i.Cut(ctx, where, "age", 10, 12, 4000)
	i.Posted(ctx, where, label.Ambiguous, label.Platform, time.Second)
	i.Polled(ctx, where, label.Finished, label.None, time.Second)
	i.Ended(ctx, where, telemetry.Finished{Took: time.Minute, Outcomes: map[label.Outcome]int{label.Succeeded: 9, label.Failed: 1}, Latencies: []time.Duration{2 * time.Second}})
	i.Retried(ctx, where, label.Again, 1)
	i.DeadLettered(ctx, "acme", catalog.Refused, 1)
	i.LeaseChanged(ctx, "acquired")
	stop, err := i.Observe(func() telemetry.Snapshot {
		return telemetry.Snapshot{
			Partitions: []telemetry.PartitionState{{Partition: 3, Lag: 5, Position: 100}},
			Accounts:   []telemetry.AccountState{{Account: "acme", Platform: "meta", OldestHandle: time.Minute}},
			Quotas:     []telemetry.QuotaState{{Scope: "meta/catalog/1/batch", UsedPercent: 40, Remaining: -1}},
			OpenGroups: 2, WaitingItems: 3, WaitingBytes: 4,
		}
	})
	require.NoError(t, err)

	page := get(t, tel.Handler(&telemetry.Health{}), "/metrics", http.StatusOK)
	for _, want := range []string{
		"courier_mutations_received_total", "courier_mutations_recorded_total", "courier_record_duration_seconds_bucket",
		"courier_batch_items_bucket", "courier_batch_size_bytes_bucket", "courier_batch_mutations_total",
		`courier_posts_total`, "courier_post_duration_seconds_count", "courier_polls_total", "courier_poll_duration_seconds_count",
		"courier_batch_duration_seconds_count", "courier_outcomes_total", "courier_mutation_latency_seconds_sum", "courier_retries_total",
		"courier_dead_letters_total", "courier_lease_changes_total", "courier_partition_reader_restarts",
		"courier_partition_lag", "courier_partition_position", "courier_leases_held", "courier_groups_open", "courier_items_waiting",
		"courier_waiting_size_bytes", "courier_account_paused", "courier_account_breaker", "courier_account_batches_in_flight",
		"courier_account_waiting", "courier_account_batches_ambiguous", "courier_account_oldest_handle_seconds",
		"courier_account_oldest_waiting_seconds", "courier_quota_used_percent", "courier_quota_blocked_seconds", "go_goroutine",
	} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "courier_quota_remaining", "not told is not zero")
	require.NoError(t, stop())
}

func get(t *testing.T, handler http.Handler, path string, status int) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(t, status, recorder.Code, path)
	return recorder.Body.String()
}

func TestProbes(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{})
	synctest.Test(t, func(t *testing.T) {
		health := &telemetry.Health{}
		handler := tel.Handler(health)
		var broken error
		health.AddCheck("database", func(context.Context) error { return broken })
		beat := health.AddHeartbeat("leases", time.Minute)

		get(t, handler, "/livez", http.StatusOK)
		require.Contains(t, get(t, handler, "/startupz", http.StatusServiceUnavailable), "not over")
		get(t, handler, "/readyz", http.StatusServiceUnavailable)
		health.Started()
		get(t, handler, "/startupz", http.StatusOK)
		get(t, handler, "/readyz", http.StatusOK)

		broken = errors.New("connection refused")
		require.JSONEq(t, `{"status":"failing","failures":{"database":"connection refused"}}`, get(t, handler, "/readyz", http.StatusServiceUnavailable))
		get(t, handler, "/livez", http.StatusOK)
		broken = nil
		health.Draining()
		require.Contains(t, get(t, handler, "/readyz", http.StatusServiceUnavailable), "stopping")

		time.Sleep(61 * time.Second)
		require.Contains(t, get(t, handler, "/livez", http.StatusServiceUnavailable), "silent for 1m1s")
		beat()
		get(t, handler, "/livez", http.StatusOK)
	})
}

func TestServerAnswersAndEnds(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{})
	server, err := telemetry.Serve(t.Context(), "127.0.0.1:0", tel.Handler(&telemetry.Health{}), tel.Logger)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + server.Address() + "/livez")
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.JSONEq(t, `{"status":"ok"}`, string(body))

	_, err = telemetry.Serve(t.Context(), server.Address(), http.NotFoundHandler(), tel.Logger)
	require.ErrorContains(t, err, "listening for probes and metrics")
	require.NoError(t, server.Close(t.Context()))
}

func TestLogLinesCarryTheTrace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tel := start(t, telemetry.Options{LogOutput: &out, SpanExporter: tracetest.NewInMemoryExporter()})
	ctx, span := tel.Tracers.Tracer("test").Start(t.Context(), "post")
	tel.Logger.With("a", 1).InfoContext(ctx, "sent")
	span.End()
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
	require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])

	out.Reset()
	telemetry.NewLogger(&out, "text", slog.LevelWarn).Info("quiet")
	require.Empty(t, out.String())
}

func TestExportersFollowTheStandardVariables(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	console, err := telemetry.Start(t.Context(), telemetry.Options{LogOutput: &out, Lookup: variables("OTEL_TRACES_EXPORTER", "console")})
	require.NoError(t, err)
	_, span := console.Tracers.Tracer("test").Start(t.Context(), "post")
	span.SetStatus(codes.Error, "no")
	span.End()
	require.NoError(t, console.Shutdown(t.Context()))
	require.Contains(t, out.String(), `"span":"post"`)
	require.Contains(t, out.String(), `"error":"no"`)

	silent := start(t, telemetry.Options{Lookup: variables("OTEL_TRACES_EXPORTER", "console", "OTEL_SDK_DISABLED", "true")})
	_, span = silent.Tracers.Tracer("test").Start(t.Context(), "post")
	require.False(t, span.IsRecording())
	span.End()

	for _, variable := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"} {
		_, err := telemetry.Start(t.Context(), telemetry.Options{Lookup: variables(variable, "zipkin")})
		require.ErrorContains(t, err, variable+`: "zipkin" is not allowed`)
	}
}

func TestOTLPReachesACollector(t *testing.T) {
	requests := make(chan string, 64)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		requests <- r.URL.Path
		w.WriteHeader(http.StatusOK)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Lookup: variables("OTEL_TRACES_EXPORTER", "otlp", "OTEL_METRICS_EXPORTER", "otlp")})
	require.NoError(t, err)
	_, span := tel.Tracers.Tracer("test").Start(t.Context(), "post")
	span.End()
	tel.Instruments.Received(t.Context(), 1, 1)
	require.NoError(t, tel.Shutdown(t.Context()))
	http.DefaultClient.CloseIdleConnections()
	close(requests)
	seen := map[string]bool{}
	for path := range requests {
		seen[path] = true
	}
	require.Equal(t, map[string]bool{"/v1/traces": true, "/v1/metrics": true}, seen)
}
