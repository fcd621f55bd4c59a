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
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("a", rig.WorkerOptions{})
	workload, published := threeLanes(11), 0
	for range 3 {
		for range 4 {
			env.Publish(workload.Next(100)...)
			published += 100
		}
		env.NATS.Restart(t)
		env.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(env.JetStream().Conn()) })
	}
	env.Publish(workload.Next(100)...)
	env.AwaitFinal(published+100, patience)
	env.CheckInvariants()
	require.NoError(t, w.Stop())
}

// TestDatabaseConnectionsBreak: every connection of the workers is cut again and
// again, in the middle of whatever they do.
func TestDatabaseConnectionsBreak(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	workload, published, cut := threeLanes(12), 0, 0
	for range 12 {
		for range 3 {
			env.Publish(workload.Next(50)...)
			published += 50
		}
		// A quick machine is through before the worker has connected again: each round
		// waits for something to cut.
		env.Await("there is a connection to cut", patience, func() bool {
			broken := env.Count(`SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'catalog-courier'`)
			cut += broken
			return broken > 0
		})
	}
	require.GreaterOrEqual(t, cut, 12)
	env.AwaitFinal(published, 2*patience)
	env.CheckInvariants()
}

// TestStreamPutBack: a store that is restored from an older copy is found out,
// though neither the stream's identity nor its last sequence tells. Nothing is
// recorded twice, and what is published afterwards is delivered.
func TestStreamPutBack(t *testing.T) {
	t.Parallel()
	for _, after := range []int{10, 100} { // fewer and more than what the copy lacks
		t.Run(fmt.Sprint(after, " new messages"), func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			w := env.StartWorker("a", rig.WorkerOptions{})
			env.Publish(upserts(rig.Retail, "kept", 30)...)
			env.AwaitFinal(30, patience)
			env.NATS.Stop()
			putBack := env.NATS.Copy(t)
			env.NATS.Run(t)
			env.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(env.JetStream().Conn()) })
			lost := env.Publish(upserts(rig.Retail, "lost", 40)...)
			env.AwaitFinal(70, patience)

			env.NATS.Stop()
			putBack()
			env.NATS.Run(t)
			env.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(env.JetStream().Conn()) })
			// These take the sequences of the lost ones once more.
			fresh := env.Publish(upserts(rig.Retail, "fresh", after)...)
			for _, id := range fresh {
				s := env.AwaitStatus(id, "succeeded", patience)
				require.Equal(t, int64(1), s.Position.Generation)
			}
			w.AwaitLog("restored from an older copy", patience)
			env.AwaitFinal(70+after, patience)
			require.Equal(t, 70+after, env.Count(`SELECT count(DISTINCT mutation_id) FROM courier.mutation_status`))
			require.Equal(t, 70+after, env.Count(`SELECT count(*) FROM courier.mutation_status`), "nothing twice")
			require.Len(t, env.Items(rig.Retail), 70+after)
			require.Equal(t, "succeeded", env.StatusOf(lost[0]).Status)
		})
	}
}

// TestStreamPutBackWhileNobodyLooks: the same between two lives of a worker.
func TestStreamPutBackWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, "kept", 20)...)
	env.AwaitFinal(20, patience)
	env.NATS.Stop()
	putBack := env.NATS.Copy(t)
	env.NATS.Run(t)
	env.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(env.JetStream().Conn()) })
	env.Publish(upserts(rig.Retail, "lost", 10)...)
	env.AwaitFinal(30, patience)
	require.NoError(t, w.Stop())
	env.NATS.Stop()
	putBack()
	env.NATS.Run(t)
	env.Await("the publisher is connected again", patience, func() bool { return natstest.Answers(env.JetStream().Conn()) })
	fresh := env.Publish(upserts(rig.Retail, "fresh", 25)...)
	second := env.StartWorker("b", rig.WorkerOptions{})
	for _, id := range fresh {
		env.AwaitStatus(id, "succeeded", patience)
	}
	second.AwaitLog("restored from an older copy", patience)
	require.Equal(t, 55, env.Count(`SELECT count(*) FROM courier.mutation_status`))
}

// TestWorkerWaitsForTheBroker: it says so, and begins once the broker is there.
func TestWorkerWaitsForTheBroker(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	id := env.Publish(upserts(rig.Retail, "early", 1)...)[0]
	env.NATS.Stop()
	w := env.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("NATS cannot be used yet, trying again", patience)
	env.NATS.Run(t)
	env.AwaitStatus(id, "succeeded", patience)
}

// TestWorkerWaitsForTheDatabase: for its being there, and for its schema. What it
// logs holds no password.
func TestWorkerWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("absent", rig.WorkerOptions{Settings: rig.Settings{
		"database.url": "postgres://courier:canary-database-password@127.0.0.1:1/courier",
	}})
	w.AwaitLog("the database cannot be used yet, trying again", patience)
	require.NoError(t, w.Stop(), "a worker that waits can be stopped")
	require.False(t, w.Log.Contains("canary-database-password"))

	empty := pgtest.Database(t)
	w = env.StartWorker("empty", rig.WorkerOptions{Settings: rig.Settings{"database.url": empty}})
	w.AwaitLog("run worker migrate", patience)
	_, err := persistence.Migrate(t.Context(), empty)
	require.NoError(t, err)
	w.AwaitLog("partition acquired", patience)
	require.NoError(t, w.Stop())
}

// TestWorkerRefusesWhatCannotWork ends at once, with a reason.
func TestWorkerRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	require.NoError(t, startedAndStopped(env))

	other := env.StartWorker("more-partitions", rig.WorkerOptions{Settings: rig.Settings{"nats.partitions": 16}})
	err := other.Wait(patience)
	require.ErrorIs(t, err, persistence.ErrPartitions)
	require.ErrorContains(t, err, "8")
}

func startedAndStopped(env *rig.Env) error {
	w := env.StartWorker("first", rig.WorkerOptions{})
	w.AwaitLog("partition acquired", patience)
	return w.Stop()
}

// TestTakeOverFollowsWhatIsOpen: handles, ambiguous POSTs and waiting mutations of
// a worker that is gone are brought to their end by the next.
func TestTakeOverFollowsWhatIsOpen(t *testing.T) {
	t.Parallel()
	slow := sandbox.Options{Delay: 2 * time.Second}
	env := rig.Start(t, rig.Options{Pinterest: slow, Meta: slow})
	first := env.StartWorker("a", rig.WorkerOptions{})
	workload := threeLanes(13)
	env.Publish(workload.Next(300)...)
	env.Await("handles are known", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.batch_status WHERE state = 'submitted'`) >= 2
	})
	require.NoError(t, first.Stop())
	require.Positive(t, env.Count(`SELECT count(*) FROM courier.batch WHERE finished_at IS NULL`))
	env.StartWorker("b", rig.WorkerOptions{})
	env.AwaitFinal(300, 2*patience)
	env.CheckInvariants()
}
