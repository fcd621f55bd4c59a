package service_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// reload gives a worker another configuration.
func reload(env *rig.Env, w *rig.Worker, address string, settings rig.Settings) {
	c := env.Config(address, settings)
	w.Reload(func() (*config.Config, error) { return c, nil })
}

// TestReloadUnderLoad: limits, tokens and addresses change again and again in the middle
// of the work. Nothing is lost, and no change overtakes a newer one of its item.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	slow := sandbox.Options{Delay: 30 * time.Millisecond, Jitter: 60 * time.Millisecond}
	env := rig.Start(t, rig.Options{Pinterest: slow, Meta: slow})
	w := env.StartWorker("a", rig.WorkerOptions{})
	workload, published := threeLanes(31), 0
	const rounds = 12
	for round := range rounds {
		env.Publish(workload.Next(100)...)
		published += 100
		address := []string{"a", "b", "c"}[round%3]
		calls := func() int { return env.MetaInterceptor.Calls(address) + env.PinterestInterceptor.Calls(address) }
		before := calls()
		reload(env, w, address, rig.Settings{
			"defaults.batch.max_items": 7 + 40*(round%2), "defaults.concurrency": 1 + round%4,
			"accounts." + rig.MetaAccount + ".access_token": fmt.Sprint("canary-token-", round),
		})
		env.Await("the configuration is in use", patience, func() bool {
			return w.Log.Count(`"msg":"the configuration was read again and is in use"`) == round+1
		})
		env.Publish(workload.Next(50)...)
		published += 50
		env.Await("the address is used", patience, func() bool { return calls() > before })
	}
	env.AwaitFinal(published, 3*patience)
	env.CheckInvariants()
	require.GreaterOrEqual(t, w.Log.Count("the partition goes on with the new configuration of its accounts"), rounds)
	require.Zero(t, w.Log.Count(`"level":"ERROR"`), w.Log)
	require.NoError(t, w.Stop())
}

// TestReloadFollowsWhatItSent: a handle is asked for where it was given, and the next
// batch goes to the new address. Partitions of other accounts notice nothing.
func TestReloadFollowsWhatItSent(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{Delay: 3 * time.Second}})
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(upserts(rig.Products, "first", 5)...)
	env.Await("the batch was taken", patience, func() bool { return env.Meta.Counters().Accepted > 0 })
	env.Await("its handle is recorded", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.batch_status WHERE state = 'submitted'`) > 0
	})
	c := env.Config("b", nil)
	pinterest := c.Accounts[rig.PinterestAccount]
	pinterest.BaseURL = env.Config("a", nil).Accounts[rig.PinterestAccount].BaseURL
	c.Accounts[rig.PinterestAccount] = pinterest // as it was
	w.Reload(func() (*config.Config, error) { return c, nil })
	w.AwaitLog("the partition goes on with the new configuration of its accounts", patience)
	polled := env.MetaInterceptor.Calls("a")
	env.AwaitFinal(5, patience)
	require.Greater(t, env.MetaInterceptor.Calls("a"), polled)
	require.Zero(t, env.MetaInterceptor.Calls("b"))
	env.Publish(upserts(rig.Products, "second", 5)...)
	env.AwaitFinal(10, patience)
	require.Positive(t, env.MetaInterceptor.Calls("b"))
	require.NotEqual(t, queue.PartitionOf(rig.MetaAccount, 8), queue.PartitionOf(rig.PinterestAccount, 8))
	require.Equal(t, 1, w.Log.Count("the partition goes on with the new configuration of its accounts"))
	env.CheckInvariants()
}

// lateAccount is one that only some configurations have.
func lateAccount() rig.Settings {
	return rig.Settings{
		"accounts.late.platform": "meta", "accounts.late.access_token": "canary-late",
		"accounts.late.catalogs.products": map[string]any{"catalog_id": "3003"},
	}
}

// standingOf is whether account_status has an account configured, and its state.
func standingOf(t *testing.T, env *rig.Env, account string) string {
	t.Helper()
	var configured bool
	var state string
	err := env.DB.QueryRow(t.Context(), `SELECT configured, state FROM courier.account_status WHERE account = $1`, account).Scan(&configured, &state)
	if errors.Is(err, pgx.ErrNoRows) {
		return ""
	}
	require.NoError(t, err)
	return fmt.Sprint(configured, " ", state)
}

// TestReloadAddsAndRemovesAccounts: what waits for a new account is delivered, and what
// comes for a removed one becomes invalid after the grace time; account_status follows.
func TestReloadAddsAndRemovesAccounts(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: lateAccount()})
	without := rig.Settings{"worker.unknown_account_grace": "3s"}
	for key := range lateAccount() {
		without[key] = nil
	}
	with := rig.Settings{"worker.unknown_account_grace": "3s"}
	w := env.StartWorker("a", rig.WorkerOptions{Settings: without})
	late := catalog.Lane{Account: "late", Catalog: "products", Type: "PRODUCT_ITEM"}
	env.Publish(upserts(late, "early", 3)...)
	w.AwaitLog("mutations arrive for an account or catalog that is not configured", patience)
	env.Await("the account waits for its configuration", patience, func() bool { return standingOf(t, env, "late") == "false not configured" })
	reload(env, w, "a", with)
	env.AwaitFinal(3, patience)
	require.Equal(t, map[string]int{"succeeded": 3}, env.CheckInvariants())
	env.Await("the account is configured", patience, func() bool { return standingOf(t, env, "late") == "true active" })

	reload(env, w, "a", without)
	env.Await("the account is configured no more", patience, func() bool { return standingOf(t, env, "late") == "false not configured" })
	require.Equal(t, "true active", standingOf(t, env, rig.MetaAccount))
	env.Await("the account is removed", patience, func() bool { return w.Log.Count("goes on with the new configuration") == 2 })
	id := env.Publish(upserts(late, "after", 1)...)[0]
	require.Equal(t, "unknown_account", env.AwaitStatus(id, "invalid", patience).Errors[0].Code)
}

// TestReloadRefusesWhatIsBroken: the worker goes on as it was and says so, names what
// needs a restart, and takes the next good configuration.
func TestReloadRefusesWhatIsBroken(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	meters := metric.NewManualReader()
	w := env.StartWorker("a", rig.WorkerOptions{Meters: meters})
	env.Publish(upserts(rig.Products, "first", 2)...)
	env.AwaitFinal(2, patience)

	broken := errors.New("courier.yaml:7: accounts.x: platform is missing")
	w.Reload(func() (*config.Config, error) { return nil, broken })
	w.AwaitLog(broken.Error(), patience)
	require.InDelta(t, 1, gaugeOf(t, meters, "courier.config.reload.refused"), 0)

	unmakeable := env.Config("a", nil)
	account := unmakeable.Accounts[rig.MetaAccount]
	account.ClientID = "an app without an encryption key"
	unmakeable.Accounts[rig.MetaAccount] = account
	w.Reload(func() (*config.Config, error) { return unmakeable, nil })
	w.AwaitLog("COURIER_ENCRYPTION_KEY", patience)
	require.Equal(t, 2, w.Log.Count("the new configuration is refused; the worker goes on as it was"))
	env.Publish(upserts(rig.Products, "second", 2)...)
	env.AwaitFinal(4, patience)

	reload(env, w, "a", rig.Settings{"worker.lease_ttl": "3s", "defaults.concurrency": 9})
	w.AwaitLog(`"need_a_restart":["worker.lease_ttl"]`, patience)
	require.InDelta(t, 0, gaugeOf(t, meters, "courier.config.reload.refused"), 0)
	require.InDelta(t, 1, gaugeOf(t, meters, "courier.config.reload.restart_needed"), 0)
	env.Publish(upserts(rig.Products, "third", 2)...)
	env.AwaitFinal(6, patience)
	env.CheckInvariants()
}

// gaugeOf is the value of a gauge without labels.
func gaugeOf(t *testing.T, meters *metric.ManualReader, name string) float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, meters.Collect(t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if gauge, ok := m.Data.(metricdata.Gauge[float64]); ok && m.Name == name && len(gauge.DataPoints) == 1 {
				return gauge.DataPoints[0].Value
			}
		}
	}
	require.Fail(t, "there is no such gauge", name)
	return 0
}
