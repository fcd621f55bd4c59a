package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestIdleWorkerRests: a worker of all 64 partitions without any message uses next
// to nothing of a processor.
func TestIdleWorkerRests(t *testing.T) {
	t.Parallel()
	const partitions, looked, most = 64, 6 * time.Second, 0.25
	env := rig.Start(t, rig.Options{Listen: true, Settings: rig.Settings{
		"nats.partitions": partitions, "worker.lease_ttl": "10s", "worker.record_within": "5s",
	}})
	p := env.StartProcess("a", nil)
	env.Await("the worker has all", patience, func() bool { return env.Owned()["a"] == partitions })
	ids := env.Publish(upserts(rig.Retail, "one", 1)...)
	env.AwaitStatus(ids[0], "succeeded", patience)

	before := p.ProcessorTime()
	<-time.After(looked) // the time that is measured, not a wait for something
	used := (p.ProcessorTime() - before).Seconds() / looked.Seconds()
	t.Logf("an idle worker with %d partitions uses %.1f%% of one processor", partitions, 100*used)
	require.Less(t, used, most)
}
