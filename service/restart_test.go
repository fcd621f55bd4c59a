package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// threeLanes is a workload on everything the environment knows.
func threeLanes(seed uint64) *rig.Workload {
	workload := rig.NewWorkload(seed)
	workload.Lanes = []catalog.Lane{rig.Retail, rig.Products, rig.Flights}
	workload.Items = 200
	return workload
}

// TestBrokerRestartsMidway: nothing is lost and nothing recorded twice.
func TestBrokerRestartsMidway(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	w := bed.StartWorker("a", rig.WorkerOptions{})
	workload, published := threeLanes(11), 0
	for range 3 {
		for range 4 {
			bed.Publish(workload.Next(100)...)
			published += 100
		}
		bed.NATS.Restart(t)
		bed.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(bed.JetStream().Conn()) })
	}
	bed.Publish(workload.Next(100)...)
	bed.AwaitFinal(published+100, patience)
	bed.CheckInvariants()
	require.NoError(t, w.Stop())
}

// TestDatabaseConnectionsBreak: every connection of the workers is cut again and
// again, in the middle of whatever they do.
func TestDatabaseConnectionsBreak(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	bed.StartWorker("a", rig.WorkerOptions{})
	workload, published, cut := threeLanes(12), 0, 0
	for range 12 {
		for range 3 {
			bed.Publish(workload.Next(50)...)
			published += 50
		}
		// A quick machine is through before the worker has connected again: each round
		// waits for something to cut.
		bed.Await("there is a connection to cut", patience, func() bool {
			broken := bed.Count(`SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'catalog-courier'`)
			cut += broken
			return broken > 0
		})
	}
	require.GreaterOrEqual(t, cut, 12)
	bed.AwaitFinal(published, 2*patience)
	bed.CheckInvariants()
}

// TestStreamPutBack: a store that is restored from an older copy is found out,
// though neither the stream's identity nor its last sequence tells. Nothing is
// recorded twice, and what is published afterwards is delivered.
func TestStreamPutBack(t *testing.T) {
	t.Parallel()
	for _, after := range []int{10, 100} { // fewer and more than what the copy lacks
		t.Run(fmt.Sprint(after, " new messages"), func(t *testing.T) {
			t.Parallel()
			bed := rig.Start(t, rig.Options{})
			w := bed.StartWorker("a", rig.WorkerOptions{})
			bed.Publish(upserts(rig.Retail, "kept", 30)...)
			bed.AwaitFinal(30, patience)
			bed.NATS.Stop()
			putBack := bed.NATS.Copy(t)
			bed.NATS.Run(t)
			bed.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(bed.JetStream().Conn()) })
			lost := bed.Publish(upserts(rig.Retail, "lost", 40)...)
			bed.AwaitFinal(70, patience)

			bed.NATS.Stop()
			putBack()
			bed.NATS.Run(t)
			bed.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(bed.JetStream().Conn()) })
			// These take the sequences of the lost ones once more.
			fresh := bed.Publish(upserts(rig.Retail, "fresh", after)...)
			for _, id := range fresh {
				s := bed.AwaitStatus(id, "succeeded", patience)
				require.Equal(t, int64(1), s.Position.Generation)
			}
			w.AwaitLog("restored from an older copy", patience)
			bed.AwaitFinal(70+after, patience)
			require.Equal(t, 70+after, bed.Count(`SELECT count(DISTINCT mutation_id) FROM courier.mutation_status`))
			require.Equal(t, 70+after, bed.Count(`SELECT count(*) FROM courier.mutation_status`), "nothing twice")
			require.Len(t, bed.Items(rig.Retail), 70+after)
			require.Equal(t, "succeeded", bed.StatusOf(lost[0]).Status)
		})
	}
}

// TestStreamPutBackWhileNobodyLooks: the same between two lives of a worker.
func TestStreamPutBackWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	w := bed.StartWorker("a", rig.WorkerOptions{})
	bed.Publish(upserts(rig.Retail, "kept", 20)...)
	bed.AwaitFinal(20, patience)
	bed.NATS.Stop()
	putBack := bed.NATS.Copy(t)
	bed.NATS.Run(t)
	bed.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(bed.JetStream().Conn()) })
	bed.Publish(upserts(rig.Retail, "lost", 10)...)
	bed.AwaitFinal(30, patience)
	require.NoError(t, w.Stop())
	bed.NATS.Stop()
	putBack()
	bed.NATS.Run(t)
	bed.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(bed.JetStream().Conn()) })
	fresh := bed.Publish(upserts(rig.Retail, "fresh", 25)...)
	second := bed.StartWorker("b", rig.WorkerOptions{})
	for _, id := range fresh {
		bed.AwaitStatus(id, "succeeded", patience)
	}
	second.AwaitLog("restored from an older copy", patience)
	require.Equal(t, 55, bed.Count(`SELECT count(*) FROM courier.mutation_status`))
}

// TestWorkerWaitsForTheBroker: it says so, and begins once the broker is there.
func TestWorkerWaitsForTheBroker(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	id := bed.Publish(upserts(rig.Retail, "early", 1)...)[0]
	bed.NATS.Stop()
	w := bed.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("NATS cannot be used yet, trying again", patience)
	bed.NATS.Run(t)
	bed.AwaitStatus(id, "succeeded", patience)
}

// TestWorkerWaitsForTheDatabase: for its being there, and for its schema. What it
// logs holds no password.
func TestWorkerWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	w := bed.StartWorker("absent", rig.WorkerOptions{Settings: rig.Settings{
		"database.url": "postgres://courier:canary-database-password@127.0.0.1:1/courier",
	}})
	w.AwaitLog("the database cannot be used yet, trying again", patience)
	require.NoError(t, w.Stop(), "a worker that waits can be stopped")
	require.False(t, w.Log.Contains("canary-database-password"))

	empty := pgtest.Database(t)
	w = bed.StartWorker("empty", rig.WorkerOptions{Settings: rig.Settings{"database.url": empty}})
	w.AwaitLog("run worker migrate", patience)
	_, err := persistence.Migrate(t.Context(), empty)
	require.NoError(t, err)
	w.AwaitLog("partition acquired", patience)
	require.NoError(t, w.Stop())
}

// TestWorkerRefusesWhatCannotWork ends at once, with a reason.
func TestWorkerRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	bed := rig.Start(t, rig.Options{})
	require.NoError(t, startedAndStopped(bed))

	other := bed.StartWorker("more-partitions", rig.WorkerOptions{Settings: rig.Settings{"nats.partitions": 16}})
	err := other.Wait(patience)
	require.ErrorIs(t, err, persistence.ErrPartitions)
	require.ErrorContains(t, err, "8")

	account := bed.StartWorker("account", rig.WorkerOptions{Settings: rig.Settings{
		"accounts.acme-pinterest.catalogs.us": map[string]any{"country": "ZZ", "language": "en-US"},
	}})
	require.ErrorContains(t, account.Wait(patience), "country")
}

func startedAndStopped(bed *rig.Env) error {
	w := bed.StartWorker("first", rig.WorkerOptions{})
	w.AwaitLog("partition acquired", patience)
	return w.Stop()
}

// TestTakeOverFollowsWhatIsOpen: handles, ambiguous POSTs and waiting mutations of
// a worker that is gone are brought to their end by the next.
func TestTakeOverFollowsWhatIsOpen(t *testing.T) {
	t.Parallel()
	slow := sandbox.Options{Delay: 2 * time.Second}
	bed := rig.Start(t, rig.Options{Pinterest: slow, Meta: slow})
	first := bed.StartWorker("a", rig.WorkerOptions{})
	workload := threeLanes(13)
	bed.Publish(workload.Next(300)...)
	bed.Await("handles are known", patience, func() bool {
		return bed.Count(`SELECT count(*) FROM courier.batch_status WHERE state = 'submitted'`) >= 2
	})
	require.NoError(t, first.Stop())
	require.Positive(t, bed.Count(`SELECT count(*) FROM courier.batch WHERE finished_at IS NULL`))
	bed.StartWorker("b", rig.WorkerOptions{})
	bed.AwaitFinal(300, 2*patience)
	bed.CheckInvariants()
}
