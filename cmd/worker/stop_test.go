package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/publish"
)

// soon is far longer than anything takes on a busy machine, and far shorter than the
// times that must not be waited for.
const soon = time.Minute

// lamps are upserts of so many items, from first.
func lamps(first, count int) []publish.Mutation {
	mutations := make([]publish.Mutation, count)
	for i := range mutations {
		id := strconv.Itoa(first + i)
		mutations[i] = publish.Mutation{ID: "m-" + id, ItemID: "L-" + id, Operation: catalog.Upsert, Attributes: lampOf(id)}
	}
	return mutations
}

// TestStopping: with a POST under way the first signal waits for its end, for as
// long as the budget allows, the second ends the process at once, and the next worker
// finishes what they left.
func TestStopping(t *testing.T) {
	t.Parallel()
	const each, never = 50, 10 * time.Minute
	p := newPlant(t, sandbox.Options{LateBy: 100 * time.Millisecond})
	platform := simulatedPlatform(t, p.environment, "meta")
	published := 0
	// caughtSending starts a worker and stops it once the platform has a POST that it
	// answers as told.
	caughtSending := func(name string, drain time.Duration, answer sandbox.Fault) *process {
		platform.SetPlan([]sandbox.PlannedFault{{Call: sandbox.Submit, Fault: answer, Rate: 1}})
		before := platform.Counters().Posts
		const lease = 30 * time.Second // a busy machine must not make it lose one
		w := p.startWorker(t, name, lease, drain)
		p.awaitStream(t)
		p.publish(t, lamps(published, each)...)
		published += each
		eventually(t, "a POST is under way", func() bool { return platform.Counters().Posts > before })
		w.terminate(t)
		return w
	}

	patient := caughtSending("patient", never, sandbox.Fault{Kind: sandbox.Slow, Duration: time.Second})
	require.Zero(t, patient.exitCode(t))
	require.Contains(t, patient.said.String(), "worker stopped")
	require.NotContains(t, patient.said.String(), "drain timeout exceeded")
	require.Positive(t, p.count(t, "WHERE handle IS NOT NULL"), "the answer was waited for")
	require.Zero(t, platform.Counters().Repeats)

	pressed := caughtSending("pressed", time.Second, sandbox.Fault{Kind: sandbox.Hang})
	require.Zero(t, pressed.exitCode(t), "a drain that runs out of time is a clean stop")
	require.Contains(t, pressed.said.String(), "drain timeout exceeded")

	hasty := caughtSending("hasty", never, sandbox.Fault{Kind: sandbox.Hang})
	require.NoError(t, hasty.command.Process.Signal(os.Interrupt)) // before it can have begun to drain
	hasty.requireKilled(t)                                         // by either: the system may deliver them in any order

	platform.SetPlan(nil)
	// How long a silent worker keeps its leases is for those to say who look at it.
	p.startWorker(t, "last", 3*time.Second, never)
	eventually(t, "all is final", func() bool { return p.count(t, "WHERE finished_at IS NOT NULL") == published })
	require.Equal(t, published, p.count(t, "WHERE status = 'succeeded'"))
	fresh := metasim.New(sandbox.Options{})
	defer fresh.Close()
	const key = "1000000001"
	for _, m := range lamps(0, published) {
		attributes, err := json.Marshal(m.Attributes)
		require.NoError(t, err)
		require.NoError(t, fresh.Apply(key, "PRODUCT_ITEM", &catalog.Mutation{ItemID: m.ItemID, Operation: m.Operation, Attributes: attributes}))
	}
	require.Equal(t, fresh.Items(key, "PRODUCT_ITEM"), platform.Items(key, "PRODUCT_ITEM"))
}

// startWorker runs a worker in a process of its own.
func (p *plant) startWorker(t *testing.T, name string, lease, drain time.Duration) *process {
	t.Helper()
	variables := maps.Clone(p.variables)
	variables["COURIER_WORKER_LEASE_TTL"], variables["COURIER_WORKER_DRAIN_TIMEOUT"] = lease.String(), drain.String()
	return startProcess(t, variables, "run", "--config", p.config, "--name", name)
}

// count is how many rows of mutations there are.
func (p *plant) count(t *testing.T, where string) (count int) {
	t.Helper()
	p.ask(t, &count, "SELECT count(*) FROM courier.mutation_status "+where)
	return count
}

// ask asks the database for one value.
func (p *plant) ask(t *testing.T, into any, query string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), p.environment.DatabaseURL)
	require.NoError(t, err)
	defer func() { _ = connection.Close(context.WithoutCancel(t.Context())) }()
	require.NoError(t, connection.QueryRow(t.Context(), query).Scan(into))
}
