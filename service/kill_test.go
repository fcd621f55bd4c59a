package service_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// seedVariable repeats a run of the kill test: the same mutations, and the same
// choices of victims and moments as far as timing allows.
const seedVariable = "COURIER_TEST_SEED"

// ordeal is the size of a kill test.
type ordeal struct {
	mutations int
	kills     int
	between   int // of these, at least so many between a POST and its handle
	publish   time.Duration
	drain     time.Duration
}

// TestKilledWorkersLoseNothing kills workers with SIGKILL over and over while
// mutations flow, many of them between a POST and the handle it returns, at
// platforms that also take POSTs late, forget handles and break connections. In
// the end every mutation has one row with a final status, and the platforms' state
// is that of the mutations applied one at a time.
func TestKilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	size := ordeal{mutations: 50_000, kills: 22, between: 8, publish: 40 * time.Second, drain: 90 * time.Second}
	switch {
	case testing.Short():
		size = ordeal{mutations: 8_000, kills: 6, between: 2, publish: 12 * time.Second, drain: size.drain}
	case raceDetector:
		size = ordeal{mutations: 20_000, kills: 12, between: 4, publish: 25 * time.Second, drain: 2 * size.drain}
	}
	seed := killSeed(t)
	env := startOrdeal(t, seed)
	workload := rig.NewWorkload(seed)
	workload.Lanes, workload.Items, workload.Hot = ordealLanes(), 800, 10

	slayer := &slayer{
		env: env, random: rand.New(rand.NewPCG(seed, 3)),
		workers: map[string]*rig.Process{},
	}
	for _, name := range []string{"a", "b"} {
		slayer.start(name)
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { publishEvenly(env, workload, size) })
	began := time.Now()
	for n := range size.kills {
		// Spread over the time of publishing, some early, some late.
		slayer.await(began.Add(size.publish * time.Duration(n) / time.Duration(size.kills)))
		slayer.kill(n%2 == 0)
	}
	killed := time.Since(began)
	publishing.Wait()
	published := time.Since(began)
	env.AwaitFinal(size.mutations, size.drain)
	t.Logf("all killed after %s, all published after %s, all final after %s",
		killed.Round(time.Second), published.Round(time.Second), time.Since(began).Round(time.Second))
	for _, process := range slayer.workers {
		require.NoError(t, process.Terminate(20*time.Second))
	}
	counts := env.CheckInvariants()
	t.Logf("seed %d: %d kills, %d of them between a POST and its handle; %v; %s; took %s",
		seed, slayer.killed, slayer.between, counts, env.Describe(), time.Since(began).Round(time.Second))
	require.GreaterOrEqual(t, slayer.killed, size.kills)
	require.GreaterOrEqual(t, slayer.between, size.between)
}

func killSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%s=%d", seedVariable, seed)
	return seed
}

// startOrdeal makes platforms that do everything a worker must be ready for. What
// they do late they do within about 1.5 s, half of settle.
func startOrdeal(t *testing.T, seed uint64) *rig.Env {
	t.Helper()
	pinterest := sandbox.Options{
		Seed: seed, Delay: 20 * time.Millisecond, Jitter: 80 * time.Millisecond, LateBy: 1200 * time.Millisecond,
		Rules: []sandbox.ItemRule{
			{Contains: "SKU-0007", Action: sandbox.RefuseItem},
			{Contains: "SKU-0013", Action: sandbox.OmitItem, Times: 2},
		},
		Plan: []sandbox.PlannedFault{
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Hang}, Rate: 0.03},
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ResetAfter}, Rate: 0.01},
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ServerErrorAfter}, Rate: 0.01},
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Reset}, Rate: 0.01},
			{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.ServerError}, Rate: 0.01},
			{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.LostHandle}, Rate: 0.01},
			{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.OmitFirst}, Rate: 0.01},
		},
	}
	// Meta names no successes: an item missing in its answer looks like a refusal.
	// It shows only two of the errors instead, so that others must be found out.
	meta := pinterest
	meta.Rules, meta.Plan = pinterest.Rules[:1], pinterest.Plan[:len(pinterest.Plan)-1]
	meta.ErrorSample, meta.HideIDs = 2, true
	env := rig.Start(t, rig.Options{Pinterest: pinterest, Meta: meta, Settings: ordealSettings(), Listen: true, PackLines: 20})
	for _, gate := range []*rig.Interceptor{env.PinterestInterceptor, env.MetaInterceptor} {
		gate.SetTimeout(400 * time.Millisecond)
	}
	return env
}

// ordealSettings add accounts, so that both workers have some to work for. About one
// attempt in ten tells nothing: ten in a row that do are not met. More would only take
// time, as a refusal in doubt uses all of them, for each part of a merged record.
func ordealSettings() rig.Settings {
	settings := rig.Settings{
		"worker.record_within": "500ms",
		"defaults.settle":      "3s", "defaults.batch.max_items": 200, "defaults.batch.max_age": "60ms",
		"defaults.poll.min": "30ms", "defaults.poll.max": "200ms",
		"defaults.retry.max_attempts": 10, "defaults.concurrency": 4,
	}
	for i, name := range []string{"beta", "gamma"} {
		pinterest, meta := "accounts."+name+"-pinterest.", "accounts."+name+"-meta."
		settings[pinterest+"platform"], settings[meta+"platform"] = "pinterest", "meta"
		settings[pinterest+"access_token"], settings[meta+"access_token"] = name+"-p", name+"-m"
		settings[pinterest+"catalogs.us"] = map[string]any{"country": "US", "language": "en-US", "catalog_id": strconv.Itoa(500 + i)}
		settings[meta+"catalogs.products"] = map[string]any{"catalog_id": strconv.Itoa(2001 + 10*i)}
		settings[meta+"catalogs.flights"] = map[string]any{"catalog_id": strconv.Itoa(2002 + 10*i)}
	}
	return settings
}

func ordealLanes() []catalog.Lane {
	names := []string{"acme", "beta", "gamma"}
	lanes := make([]catalog.Lane, 0, 3*len(names))
	for _, name := range names {
		lanes = append(lanes,
			catalog.Lane{Account: name + "-pinterest", Catalog: "us", Type: "RETAIL"},
			catalog.Lane{Account: name + "-meta", Catalog: "products", Type: "PRODUCT_ITEM"},
			catalog.Lane{Account: name + "-meta", Catalog: "flights", Type: "FLIGHT"})
	}
	return lanes
}

// publishEvenly spreads the mutations over the time of publishing.
func publishEvenly(env *rig.Env, workload *rig.Workload, size ordeal) {
	const page = 250
	pages := size.mutations / page
	tick := time.NewTicker(size.publish / time.Duration(pages))
	defer tick.Stop()
	for n := range pages {
		changes := workload.Next(page)
		if n%2 == 0 { // the changes of a lane one after the other: they travel in packs
			slices.SortStableFunc(changes, func(a, b publish.Mutation) int {
				return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Catalog, b.Catalog))
			})
		}
		env.Publish(changes...)
		<-tick.C
	}
}

// slayer kills workers and starts new ones in their place.
type slayer struct {
	env     *rig.Env
	random  *rand.Rand
	workers map[string]*rig.Process
	killed  int
	between int // between a POST and its handle
}

func (s *slayer) start(name string) { s.workers[name] = s.env.StartProcess(name, nil) }

func (s *slayer) await(moment time.Time) {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	<-timer.C
}

// kill ends one worker, sometimes both, and starts new ones after a while.
func (s *slayer) kill(atPost bool) {
	victims := []string{s.anyOne()}
	if atPost {
		victims = []string{s.killBetween()}
	} else if s.random.IntN(4) == 0 {
		victims = []string{"a", "b"}
	}
	for _, name := range victims {
		s.workers[name].Kill() // once more is harmless
		s.killed++
	}
	s.await(time.Now().Add(time.Duration(s.random.IntN(700)) * time.Millisecond))
	for _, name := range victims {
		s.start(name)
	}
}

func (s *slayer) anyOne() string { return []string{"a", "b"}[s.random.IntN(2)] }

// killBetween waits until a platform has taken a POST and kills the worker before
// it hears of it. It returns who that was.
func (s *slayer) killBetween() string {
	type taken struct{ worker, handle string }
	caught := make(chan taken, 1)
	var once sync.Once
	look := func(answered rig.Answered) (deliver bool) {
		handle := handleIn(answered.Body)
		if handle == "" {
			return true
		}
		deliver = true
		once.Do(func() {
			s.workers[answered.Worker].Kill()
			caught <- taken{answered.Worker, handle}
			deliver = false
		})
		return deliver
	}
	gates := []*rig.Interceptor{s.env.PinterestInterceptor, s.env.MetaInterceptor}
	for _, gate := range gates {
		gate.OnAnswer(look)
	}
	var found taken
	s.env.Await("a platform takes a POST", 20*time.Second, func() bool {
		select {
		case found = <-caught:
			return true
		default:
			return false
		}
	})
	for _, gate := range gates {
		gate.OnAnswer(nil)
	}
	// The platform has the batch, and nobody knows by what name.
	if s.env.Count(`SELECT count(*) FROM courier.attempt WHERE $1 = ANY (handles)`, found.handle) == 0 {
		s.between++
	}
	return found.worker
}

// handleIn is the platform's name for the batch in its answer to a POST, "" if it
// took none.
func handleIn(body []byte) string {
	if handle := gjson.GetBytes(body, "batch_id"); handle.Str != "" {
		return handle.Str
	}
	return gjson.GetBytes(body, "handles.0").Str
}
