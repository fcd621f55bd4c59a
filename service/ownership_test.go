package service_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestPartitionsSpreadEvenly over the workers that are there, within 10 s, and are
// handed over when one stops, without anybody waiting for a lease to expire.
func TestPartitionsSpreadEvenly(t *testing.T) {
	t.Parallel()
	const leaseTTL = time.Minute
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"nats.partitions": 16, "worker.lease_ttl": leaseTTL.String()}})
	env.StartWorker("a", rig.WorkerOptions{})
	workload := threeLanes(21)
	env.Await("the only worker has all", patience, func() bool { return env.Owned()["a"] == 16 })
	env.Publish(workload.Next(200)...)

	second := env.StartWorker("b", rig.WorkerOptions{})
	began := time.Now()
	env.Await("two workers have half each", patience, func() bool {
		owned := env.Owned()
		return owned["a"] == 8 && owned["b"] == 8
	})
	t.Logf("spread over two after %s", time.Since(began).Round(time.Millisecond))
	require.Less(t, time.Since(began), 10*time.Second)
	env.Publish(workload.Next(200)...)

	began = time.Now()
	require.NoError(t, second.Stop())
	env.Await("what was handed over is taken", patience, func() bool { return env.Owned()["a"] == 16 })
	t.Logf("handed over after %s", time.Since(began).Round(time.Millisecond))
	require.Less(t, time.Since(began), 10*time.Second, "long before the lease would expire")
	env.Publish(workload.Next(200)...)
	env.AwaitFinal(600, patience)
	env.CheckInvariants()
}

// TestFrozenWorkerDoesNoHarm: a worker that stands still in the middle of writing
// a POST loses its partitions. When it goes on it sends not one more byte of the
// POST, writes nothing down, and comes back as a worker like any other.
func TestFrozenWorkerDoesNoHarm(t *testing.T) {
	t.Parallel()
	const items, size = 900, 8 << 10
	env := rig.Start(t, rig.Options{
		Listen: true,
		Settings: rig.Settings{
			"defaults.batch.max_items": items, "defaults.batch.max_bytes": "10MiB",
			"defaults.batch.max_age": "8s", // time for all of them to be read, on a slow machine too
			"worker.record_within":   "5s", "defaults.settle": "2s",
		},
	})
	first := env.StartProcess("a", nil)
	env.Await("the first worker has all", patience, func() bool { return env.Owned()["a"] == 8 })
	arrived, goOn := env.PinterestInterceptor.HoldNextPost()
	t.Cleanup(goOn)
	large := upserts(rig.Retail, "large", items)
	for i := range large {
		large[i].Attributes.(map[string]any)["description"] = strings.Repeat("x", size) //nolint:forcetypeassert // made by Whole
	}
	env.Publish(large...)
	select {
	case bytes := <-arrived:
		require.Greater(t, bytes, int64(6<<20), "sockets take the whole body, which nobody can take back")
	case <-time.After(patience):
		t.Fatal("no POST arrived")
	}
	first.Suspend() // the platform has read the head of the request, and nothing else
	newer := env.Publish(upserts(rig.Retail, "large", 10)...)
	env.StartProcess("b", nil)
	env.Await("the second worker has all", patience, func() bool { return env.Owned()["b"] == 8 })
	env.AwaitFinal(items+10, 2*patience)
	takenBefore := env.Pinterest.Counters().Accepted
	first.Resume()
	goOn() // now the platform reads the rest
	env.Await("the sleeper learns that its partitions have another owner", patience, func() bool {
		return env.Owned()["a"] == 4 && env.Owned()["b"] == 4
	})
	require.Equal(t, takenBefore, env.Pinterest.Counters().Accepted, "the frozen POST never arrived whole")
	require.Equal(t, "succeeded", env.StatusOf(newer[9]).Status)
	env.CheckInvariants()
}

// TestFreezesAtRandomMoments: workers stand still for longer than their lease
// while mutations flow, and go on.
func TestFreezesAtRandomMoments(t *testing.T) {
	t.Parallel()
	platform := sandbox.Options{Delay: 30 * time.Millisecond, Jitter: 60 * time.Millisecond}
	env := rig.Start(t, rig.Options{
		Pinterest: platform, Meta: platform, Listen: true,
		Settings: rig.Settings{"defaults.batch.max_items": 50, "defaults.settle": "2s", "worker.lease_ttl": "1s"},
	})
	workers := []*rig.Process{env.StartProcess("a", nil), env.StartProcess("b", nil)}
	workload, published := threeLanes(22), 0
	publish := func() {
		for range 8 {
			env.Publish(workload.Next(50)...)
			published += 50
		}
	}
	for round := range 4 {
		publish()
		sleeper := workers[round%2]
		env.Await("something is under way", patience, func() bool {
			return env.Count(`SELECT count(*) FROM courier.batch WHERE finished_at IS NULL`) > 0
		})
		sleeper.Suspend()
		publish()
		env.Await("the other has all", patience, func() bool { return env.Owned()[workers[1-round%2].Name] == 8 })
		sleeper.Resume()
		env.Await("the sleeper has work again", patience, func() bool { return env.Owned()[sleeper.Name] > 0 })
	}
	env.AwaitFinal(published, 2*patience)
	env.CheckInvariants()
}

// TestIdlePartitionsFollowTheStream: the positions of partitions without messages
// move along with the stream, so that it can be trimmed; a position's own message
// is kept.
func TestIdlePartitionsFollowTheStream(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{Edit: func(c *config.Config) {
		c.NATS.Stream.ReplayWindow = time.Millisecond // no file may say so
	}})
	env.Publish(upserts(rig.Retail, "one", 50)...)
	env.AwaitFinal(50, patience)
	env.Await("all positions are at the stream's end", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.lease WHERE sequence = 50`) == 8
	})
	stream, err := env.JetStream().Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	env.Await("the stream is trimmed", 2*patience, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.FirstSeq == 50
	})
	ids := env.Publish(upserts(rig.Products, "two", 5)...)
	for _, id := range ids {
		env.AwaitStatus(id, "succeeded", patience)
	}
	require.Equal(t, 55, env.Count(`SELECT count(*) FROM courier.mutation_status`))
}

// TestManyAccountsShareWorkers: every account is worked by one worker at a time,
// and all get their turn.
func TestManyAccountsShareWorkers(t *testing.T) {
	t.Parallel()
	const accounts = 30
	settings, lanes := rig.Settings{}, make([]catalog.Lane, 0, accounts)
	for i := range accounts {
		name := fmt.Sprintf("shop-%d", i)
		settings["accounts."+name+".platform"] = "meta"
		settings["accounts."+name+".access_token"] = "token-" + name
		settings["accounts."+name+".catalogs.products"] = map[string]any{"catalog_id": strconv.Itoa(7000 + i)}
		lanes = append(lanes, catalog.Lane{Account: name, Catalog: "products", Type: "PRODUCT_ITEM"})
	}
	env := rig.Start(t, rig.Options{Settings: settings})
	env.StartWorker("a", rig.WorkerOptions{})
	env.StartWorker("b", rig.WorkerOptions{})
	workload := rig.NewWorkload(23)
	workload.Lanes, workload.Items = lanes, 20
	env.Publish(workload.Next(2000)...)
	env.AwaitFinal(2000, 2*patience)
	env.CheckInvariants()
}
