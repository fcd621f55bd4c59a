package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestAThrottledAccountIsNotPaused: the alert of paused accounts is for people who have
// something to do. A quota that is used up is none of it.
func TestAThrottledAccountIsNotPaused(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.Meta.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.RateLimited, Duration: time.Minute})
	meters := metric.NewManualReader()
	env.StartWorker("a", rig.WorkerOptions{Meters: meters})
	env.Publish(upserts(rig.Products, "slow", 3)...)
	env.Await("the account is throttled", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = 'throttled'`, rig.MetaAccount) == 1
	})
	shown := func(name string) (value float64, found bool) {
		var all metricdata.ResourceMetrics
		require.NoError(t, meters.Collect(t.Context(), &all))
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				gauge, ok := m.Data.(metricdata.Gauge[float64])
				for i := 0; ok && m.Name == name && i < len(gauge.DataPoints); i++ {
					if account, _ := gauge.DataPoints[i].Attributes.Value(telemetry.AccountKey); account.AsString() == rig.MetaAccount {
						return gauge.DataPoints[i].Value, true
					}
				}
			}
		}
		return 0, false
	}
	env.Await("the account's changes wait in the metrics", patience, func() bool {
		waiting, _ := shown("courier.account.waiting")
		inFlight, _ := shown("courier.account.batches_in_flight")
		return waiting+inFlight > 0
	})
	paused, found := shown("courier.account.paused")
	require.True(t, found)
	require.Zero(t, paused)
	require.Positive(t, gaugeOf(t, meters, "courier.stream.max_size"))
}
