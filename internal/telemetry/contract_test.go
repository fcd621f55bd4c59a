package telemetry_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

// everything measures with each instrument, and with each value of each label.
func everything(t *testing.T, i *telemetry.Instruments) {
	t.Helper()
	ctx, where := t.Context(), telemetry.Where{Account: "acme", Platform: "meta", Type: "FLIGHT"}
	i.Received(ctx, 3, 10)
	i.Recorded(ctx, 10, time.Millisecond)
	for _, cut := range label.Cuts {
		i.Cut(ctx, where, cut, 10, 12, 4000)
	}
	for _, cause := range label.Causes {
		for _, result := range label.Posts {
			i.Posted(ctx, where, result, cause, time.Second)
		}
		for _, result := range label.Polls {
			i.Polled(ctx, where, result, cause, time.Second)
		}
	}
	for _, outcome := range label.Outcomes {
		i.Ended(ctx, where, telemetry.Finished{
			Took: time.Minute, Outcomes: map[label.Outcome]int{outcome: 1}, Latencies: []time.Duration{time.Second},
		})
	}
	for _, reason := range label.Retries {
		i.Retried(ctx, where, reason, 1)
	}
	for _, reason := range catalog.DeadLetterReasons() {
		i.DeadLettered(ctx, "acme", reason, 1)
	}
	i.DroppedLetters(ctx, "acme", 1)
	for _, change := range label.Leases {
		i.LeaseChanged(ctx, change)
	}
	for _, result := range label.Reloads {
		i.Reloaded(ctx, result)
	}
	for _, status := range label.Statuses {
		i.PublishedEvents(ctx, status, 1)
	}
	i.EventsFailed(ctx, "events")
	stop, err := i.Observe(func() telemetry.Snapshot {
		s := telemetry.Snapshot{
			Stream:     telemetry.StreamState{Bytes: 1, MaxBytes: 2},
			Partitions: []telemetry.PartitionState{{Partition: 3}},
			Accounts:   []telemetry.AccountState{{Account: "acme", Platform: "meta", Held: 1}},
			Outbox:     []telemetry.OutboxState{{Consumer: "events", Rows: 1, Lag: time.Second}},
			Quotas:     []telemetry.QuotaState{{Scope: "meta/catalog/1/batch", UsedPercent: 40, Remaining: 3}},
		}
		for _, clock := range label.Clocks {
			s.Clocks = append(s.Clocks, telemetry.ClockState{Of: clock})
		}
		return s
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
}

var (
	typeLine  = regexp.MustCompile(`^# TYPE (courier_\w+) (\w+)$`)
	labelPair = regexp.MustCompile(`(courier_\w+)="([^"]*)"`)
)

// TestDocumentedNamesAreServed: the exporter serves exactly the names, kinds, labels and
// values of the reference. Alerts are written from it.
func TestDocumentedNamesAreServed(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{})
	everything(t, tel.Instruments)
	kinds, labels := map[string]string{}, map[string]map[string]map[string]bool{}
	for line := range strings.Lines(get(t, tel.Handler(&telemetry.Health{}), "/metrics", http.StatusOK)) {
		if found := typeLine.FindStringSubmatch(strings.TrimSpace(line)); found != nil {
			kinds[found[1]] = found[2]
			continue
		}
		name, rest, _ := strings.Cut(line, "{")
		if !strings.HasPrefix(name, "courier_") {
			continue
		}
		require.NotContains(t, rest, "otel_scope", "it would be most of the page")
		if _, known := kinds[name]; !known {
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		}
		for _, pair := range labelPair.FindAllStringSubmatch(rest, -1) {
			if labels[name] == nil {
				labels[name] = map[string]map[string]bool{}
			}
			if labels[name][pair[1]] == nil {
				labels[name][pair[1]] = map[string]bool{}
			}
			labels[name][pair[1]][pair[2]] = true
		}
	}
	documented := map[string]string{}
	for _, m := range telemetry.Measurements() {
		documented[m.Prometheus] = m.Kind
		served := labels[m.Prometheus]
		require.Len(t, served, len(m.Labels), "labels of %s: %v", m.Prometheus, served)
		for _, l := range m.Labels {
			values := served[strings.ReplaceAll(l.Name, ".", "_")]
			require.NotEmpty(t, values, "%s of %s", l.Name, m.Prometheus)
			if l.Values != nil {
				require.ElementsMatch(t, l.Values, slices.Collect(maps.Keys(values)), "%s of %s", l.Name, m.Prometheus)
			}
		}
	}
	require.Equal(t, documented, kinds)
	require.NotContains(t, documented, "courier_account_held_ratio")
	require.Contains(t, documented, "courier_account_held")
}
