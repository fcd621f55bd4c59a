package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// point is one series: the labels it has, and its sum, last value or count.
type point struct {
	labels attribute.Set
	value  float64
}

func points(t *testing.T, reader *metric.ManualReader) map[string][]point {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	all := map[string][]point{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					all[m.Name] = append(all[m.Name], point{p.Attributes, float64(p.Value)})
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					all[m.Name] = append(all[m.Name], point{p.Attributes, p.Value})
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					all[m.Name] = append(all[m.Name], point{p.Attributes, float64(p.Count)})
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					all[m.Name] = append(all[m.Name], point{p.Attributes, float64(p.Count)})
				}
			}
		}
	}
	return all
}

// by sums the series by the value of a label.
func by(series []point, key attribute.Key) map[string]float64 {
	sums := map[string]float64{}
	for _, p := range series {
		value, _ := p.labels.Value(key)
		sums[value.String()] += p.value
	}
	return sums
}

// TestMeasuredLabels: what real deliveries measure has the labels and values that
// docs/telemetry.md lists, and counts what it says.
func TestMeasuredLabels(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{
		Pinterest: sandbox.Options{Rules: []sandbox.ItemRule{
			{Contains: "bad", Action: sandbox.RefuseItem, Message: "The price is far too low."},
			{Contains: "mute", Action: sandbox.OmitItem},
		}},
		Settings: rig.Settings{"defaults.retry.max_attempts": 2, "defaults.batch.max_age": "300ms", "outcomes.enabled": true},
	})
	// Until it is deleted, another stream has the subjects of the events.
	_, err := env.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"catalog.outcomes.>"}})
	require.NoError(t, err)
	env.Pinterest.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.HTMLError})
	env.Pinterest.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.ResetAfter})
	env.Pinterest.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.RateLimited, Duration: time.Second})
	env.Pinterest.InjectNext(sandbox.Poll, sandbox.Fault{Kind: sandbox.Truncated})
	meters := metric.NewManualReader()
	w := env.StartWorker("a", rig.WorkerOptions{Meters: meters})
	measured := func(name string) func() bool {
		return func() bool { return len(points(t, meters)[name]) > 0 }
	}
	env.Publish(upserts(rig.Retail, "good", 5)...)
	env.Publish(upserts(rig.Retail, "bad", 2)...)
	// A merged record of which the platform never says anything: two dead letters.
	env.Publish(
		rig.Mutation(rig.Retail, "mute", catalog.Create, rig.Whole(rig.Retail.Type, "one")),
		rig.Mutation(rig.Retail, "mute", catalog.Update, map[string]any{"title": "two"}))
	env.PublishRaw("catalog.mutations."+rig.Retail.Account+"."+rig.Retail.Catalog+"."+string(rig.Retail.Type), `not JSON`, nats.Header{})
	env.AwaitFinal(10, 3*patience)
	env.Await("events could not be published", patience, measured("courier.events.failures"))
	require.NoError(t, env.JetStream().DeleteStream(t.Context(), "OTHER"))
	env.Await("events are published", patience, measured("courier.events.published"))
	reload(env, w, "a", nil)
	env.Await("the configuration was read again", patience, measured("courier.config.reloads"))
	env.Await("how far consumers are behind was counted", patience, measured("courier.outbox.lag"))

	all := points(t, meters)
	documented := map[string]telemetry.Measurement{}
	for _, m := range telemetry.Measurements() {
		documented[m.Name] = m
	}
	for name, series := range all {
		m, known := documented[name]
		if !assert.True(t, known || name[:3] == "go.", "%s is not documented", name) || !known {
			continue
		}
		for _, p := range series {
			assert.Equal(t, len(m.Labels), p.labels.Len(), "%s: %s", name, p.labels.Encoded(attribute.DefaultEncoder()))
			for _, l := range m.Labels {
				value, found := p.labels.Value(attribute.Key(l.Name))
				assert.True(t, found, "%s has no %s", name, l.Name)
				if l.Values != nil {
					assert.True(t, slices.Contains(l.Values, value.String()), "%s: %s %q is not documented", name, l.Name, value.String())
				}
			}
		}
	}
	posts, polls := by(all["courier.posts"], telemetry.ResultKey), by(all["courier.polls"], telemetry.ResultKey)
	for _, result := range label.Posts {
		assert.Positive(t, posts[string(result)], "POSTs %s", result)
	}
	for _, result := range []label.Poll{label.Finished, label.Error} {
		assert.Positive(t, polls[string(result)], "polls %s", result)
	}
	causes := by(all["courier.posts"], telemetry.CauseKey)
	assert.Positive(t, causes[string(label.Quota)])
	assert.Positive(t, causes[string(label.Platform)])
	assert.InDelta(t, posts[string(label.Accepted)], causes[string(label.None)], 0)
	assert.Equal(t, map[string]float64{
		string(catalog.Refused): 2, string(catalog.Unconfirmed): 2, string(catalog.InvalidJSON): 1,
	}, by(all["courier.dead_letters"], telemetry.ReasonKey))
	assert.Len(t, deadLetters(t, env), 5, "one for each that was counted")
	for name := range documented {
		if name != "courier.dead_letters.dropped" && name != "courier.quota.remaining" && name != "courier.quota.used" {
			assert.Contains(t, all, name)
		}
	}
}
