package service_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/chaos/clock"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// clockProgram is cmd/worker with a clock that can be set. It is built once; later
// runs find it in the build cache.
var clockProgram = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "courier-clock-") // of all tests; TestMain removes it
	if err != nil {
		return "", err
	}
	clockFolder = folder
	program := filepath.Join(folder, "worker")
	return program, clock.Build(context.Background(), "..", "./cmd/worker", program, filepath.Join(folder, "overlay"))
})

// clockFolder is where the program is, once it is built; TestMain removes it.
var clockFolder string

const ownedPartitions = `SELECT count(*) FROM courier.lease WHERE owner IS NOT NULL`

const clocksDiffer = "the clocks of this worker and of the database differ"

// ledgerOf is what must not change by a wrong clock: every day there is, and how much
// is recorded. It waits until a worker with the right clock has made today and the three
// coming days.
func ledgerOf(env *rig.Env) [4]int {
	env.Await("the coming days are there", patience, func() bool {
		return env.Count(`SELECT count(*) FROM pg_inherits WHERE inhparent = 'courier.mutation'::regclass`) >= 4
	})
	return [4]int{
		env.Count(`SELECT count(*) FROM pg_inherits WHERE inhparent::regclass::text LIKE 'courier.%'`),
		env.Count(`SELECT count(*) FROM courier.mutation`),
		env.Count(`SELECT count(*) FROM courier.batch`),
		env.Count(`SELECT count(*) FROM courier.dead_letter`),
	}
}

// TestAWorkerWithAWrongClockDoesNothing: beside a right one, alone, and when it takes
// over. Nothing is dropped or trimmed, it says what is wrong, and the right one does
// the work.
func TestAWorkerWithAWrongClockDoesNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it looks at programs of their own, which the race detector does not")
	}
	program, err := clockProgram()
	require.NoError(t, err)
	for name, offset := range map[string]time.Duration{
		"95 days ahead": 95 * 24 * time.Hour, "95 days behind": -95 * 24 * time.Hour, "10 minutes ahead": 10 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Listen: true})
			right := env.StartProgram("right", program, nil)
			env.Publish(upserts(rig.Retail, "R", 30)...)
			env.PublishRaw("catalog.mutations.acme-pinterest.us.RETAIL", `{"item_id":"X"}`, nil)
			env.AwaitFinal(31, patience)
			before := ledgerOf(env)

			wrong := env.StartProgram("wrong", program, nil, clock.Environment(offset))
			wrong.AwaitLog(clocksDiffer, patience)
			requireNotReady(t, wrong)
			check := exec.CommandContext(t.Context(), program, "check")
			check.Env = append(os.Environ(), clock.Environment(offset), "DATABASE_URL="+env.Database, "NATS_URL="+env.NATS.URL())
			said, err := check.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(said), "FAILED clock: "+clocksDiffer)
			env.Publish(upserts(rig.Retail, "S", 30)...)
			env.AwaitFinal(61, patience)
			require.Zero(t, env.Owned()["wrong"])

			// The right one goes; whatever there is would be the wrong one's to take.
			require.NoError(t, right.Terminate(patience))
			env.Publish(upserts(rig.Products, "T", 30)...)
			<-time.After(3 * time.Second) // several of its rounds: nothing may come of them
			require.Zero(t, env.Count(ownedPartitions))
			require.Equal(t, 61, env.Count(`SELECT count(*) FROM courier.mutation`))
			require.Equal(t, 1, wrong.Log.Count("differ: it takes no partitions"), "said once")

			env.StartProgram("right-again", program, nil)
			env.AwaitFinal(91, patience)
			require.Zero(t, env.Owned()["wrong"])
			after := ledgerOf(env)
			require.Equal(t, before[0], after[0], "no day was dropped, and none made that nobody needs")
			require.Equal(t, [2]int{91, before[3]}, [2]int{after[1], after[3]})
			require.Zero(t, env.Count(`SELECT count(*) FROM courier.mutation WHERE abs(extract(epoch FROM received_at - now())) > 300`))
			require.NoError(t, wrong.Terminate(patience), "a worker that stands aside stops like any other")
			env.CheckInvariants()
		})
	}
}

// requireNotReady asks the worker's probe.
func requireNotReady(t *testing.T, p *rig.Process) {
	t.Helper()
	address := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(p.Log.String())
	require.Len(t, address, 2)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address[1]+"/readyz", nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Contains(t, string(body), `"clock":"`+clocksDiffer)
}

// TestAClockThatIsSetWhileTheWorkerRuns: the worker hands over at once, writes no time
// of the wrong clock, and works again when the clock is right.
func TestAClockThatIsSetWhileTheWorkerRuns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it looks at programs of their own, which the race detector does not")
	}
	program, err := clockProgram()
	require.NoError(t, err)
	for name, offset := range map[string]time.Duration{"ahead": 95 * 24 * time.Hour, "behind": -95 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Listen: true})
			file := filepath.Join(t.TempDir(), "offset")
			require.NoError(t, clock.Set(file, 0))
			set := env.StartProgram("set", program, nil, clock.FileVariable+"="+file)
			env.Publish(upserts(rig.Retail, "R", 30)...)
			env.AwaitFinal(30, patience)
			before := ledgerOf(env)

			env.Publish(upserts(rig.Retail, "S", 200)...)
			require.NoError(t, clock.Set(file, offset))
			set.AwaitLog(clocksDiffer, patience)
			env.Publish(upserts(rig.Products, "T", 50)...)
			env.Await("it has handed over", patience, func() bool { return env.Count(ownedPartitions) == 0 })

			right := env.StartProgram("right", program, nil)
			env.AwaitFinal(280, patience)
			require.NoError(t, clock.Set(file, 0))
			set.AwaitLog("this worker takes partitions again", patience)
			env.Await("it has its share again", patience, func() bool { return env.Owned()["set"] > 0 })
			require.NoError(t, right.Terminate(patience))
			env.Publish(upserts(rig.Products, "U", 20)...)
			env.AwaitFinal(300, patience)

			require.Equal(t, before[0], ledgerOf(env)[0])
			for _, column := range []string{
				"mutation.received_at", "batch.created_at", "batch.finished_at", "attempt.at", "attempt.next_at",
				"waiting.received_at", "quota_scope.blocked_until", "quota_scope.updated_at", "account.resumes_at", "dead_letter.failed_at",
			} {
				table, _, _ := strings.Cut(column, ".")
				require.Zero(t, env.Count(`SELECT count(*) FROM courier.`+table+` WHERE abs(extract(epoch FROM `+column+` - now())) > 3600`), column)
			}
			env.CheckInvariants()
		})
	}
}
