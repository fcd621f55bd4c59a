package httpapi

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")
	a := start(t, setup{options: Options{Meter: meter}})
	a.do(call{body: remove + "\n" + remove}).accepted(t)
	a.do(call{body: remove + "\n{}"}).problem(t, kindInvalidLines)
	a.do(call{path: lanePath + "?partial=true", body: remove + "\n{}"}).accepted(t)
	a.do(call{token: "Bearer x", body: remove}).problem(t, kindUnauthorized)
	a.do(call{method: http.MethodGet, path: "/livez"})
	require.NoError(t, a.stop())

	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	counts := map[string]int64{}
	var durations uint64
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, point := range data.DataPoints {
				for _, label := range point.Attributes.ToSlice() {
					counts[m.Name+" "+string(label.Key)+" "+label.Value.AsString()] = point.Value
				}
			}
		case metricdata.Histogram[float64]:
			require.Equal(t, "s", m.Unit)
			for _, point := range data.DataPoints {
				_, labelled := point.Attributes.Value(attribute.Key("courier.status"))
				require.True(t, labelled)
				durations += point.Count
			}
		}
	}
	require.Equal(t, map[string]int64{
		"courier.http.requests courier.status 2xx":       2,
		"courier.http.requests courier.status 4xx":       2,
		"courier.http.mutations courier.result accepted": 3,
		"courier.http.mutations courier.result refused":  3,
	}, counts)
	require.Equal(t, uint64(4), durations)
}
