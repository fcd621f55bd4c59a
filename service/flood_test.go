package service_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// badMebibyte is a message of nearly 1 MiB that is no valid JSON and does not compress.
func badMebibyte(i int) string {
	noise := make([]byte, 780_000)
	_, _ = rand.Read(noise) // never fails
	text := base64.StdEncoding.EncodeToString(noise)
	return `{"item_id":"` + strconv.Itoa(i) + text[:len(text)-40] + `"`
}

// peakMemory is the most memory that the worker's process of that name has had so far,
// in bytes. Only Linux tells it.
func peakMemory(t *testing.T, name string) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the memory of another process is only known on Linux")
	}
	processes, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, p := range processes {
		environ, err := os.ReadFile("/proc/" + p.Name() + "/environ")
		if err != nil || !bytes.Contains(environ, []byte("="+name+"\x00")) {
			continue
		}
		status, err := os.ReadFile("/proc/" + p.Name() + "/status")
		require.NoError(t, err)
		_, after, found := strings.Cut(string(status), "VmHWM:")
		require.True(t, found)
		kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		require.NoError(t, err)
		return kilobytes << 10
	}
	require.Fail(t, "no such process", name)
	return 0
}

// TestAFloodOfLargeBadMessages ends in dead letters, within the memory that the worker
// may have; other accounts of the partition wait a bounded time, and no account's dead
// letters take more than they may.
func TestAFloodOfLargeBadMessages(t *testing.T) {
	count := 300
	if testing.Short() {
		count = 160 // still more than fits into the memory, and more than twice what is kept
	}
	const (
		limit      = 128 << 20
		mostKept   = 64 << 20
		mostMemory = 2 * limit // what waits, its copies for the database and NATS, and the program
	)
	env := rig.Start(t, rig.Options{Listen: true, Settings: rig.Settings{
		"nats.partitions": 1, "worker.memory_limit": "128MiB", "worker.dead_letters.max_bytes": "64MiB",
		"worker.record_within": "5s",
	}})
	for i := range count {
		env.PublishRaw("catalog.mutations."+rig.PinterestAccount+".us.RETAIL", badMebibyte(i), nil)
	}
	const name = "flooded-worker"
	process := env.StartProcess(name, nil)
	began := time.Now()
	env.Await("the flood is being written", 2*time.Minute, func() bool {
		return env.Count("select count(*) from courier.dead_letter") > 0
	})
	good := env.Publish(upserts(rig.Products, "neighbour", 5)...)
	published := time.Now()
	for _, id := range good {
		env.AwaitStatus(id, "succeeded", time.Minute)
	}
	t.Logf("a neighbour behind the flood took %s", time.Since(published).Round(time.Millisecond))
	env.Await("all are dead letters", 2*time.Minute, func() bool {
		return env.Count("select count(*) from courier.dead_letter") == count
	})
	t.Logf("%d MiB took %s; peak memory %d MiB", count, time.Since(began).Round(time.Millisecond), peakMemory(t, name)>>20)
	if !raceDetector { // which takes several times the memory itself
		require.Less(t, peakMemory(t, name), int64(mostMemory))
	}
	env.Await("the oldest messages are dropped", time.Minute, func() bool {
		return env.Count("select coalesce(sum(octet_length(body)), 0) from courier.dead_letter") <= mostKept
	})
	require.Equal(t, count, env.Count("select count(*) from courier.mutation_status where status = 'invalid'"))
	require.Equal(t, count, env.Count("select count(*) from courier.dead_letters where reason_code = $1", string(catalog.InvalidJSON)))
	dropped := env.Count("select count(*) from courier.dead_letters where lost_bytes > 0 and body is null and reason_text like '%is not kept%'")
	require.Greater(t, dropped, count/2)
	require.Zero(t, env.Count("select count(*) from courier.dead_letter where lost is null and id < (select max(id) from courier.dead_letter where lost is not null)"), "the oldest are dropped first")
	require.Equal(t, 1, process.Log.Count("worker.dead_letters.max_bytes"), "said once")
	require.NoError(t, process.Terminate(time.Minute))
}
