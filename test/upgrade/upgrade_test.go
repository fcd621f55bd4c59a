// Package upgrade_test runs workers of the last release and of this tree side by side, as in a
// rolling upgrade: make upgrade builds the former and runs it.
package upgrade_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

var (
	former    = flag.String("former", "", "the worker program of the last release; without it the tests are skipped")
	seeds     = flag.Int("seeds", 2, "histories of each direction")
	firstSeed = flag.Uint64("first", 1, "seed of the first history")
)

func TestMain(m *testing.M) {
	rig.ChildProcess()
	goleak.VerifyTestMain(pgtest.Main(m), append(natstest.ServersOwn(),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))...)
}

const patience = 60 * time.Second

// TestSideBySide: workers of the last release run, the schema is migrated under them, and workers
// of both versions come, drain and are killed under a load. In the end there are workers of one
// version: of this one, or, where people go back, of the last. The oracle finds no violation.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	if *former == "" {
		t.Skip("it needs -former: see make upgrade")
	}
	for _, back := range []bool{false, true} {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("back=%t/%d", back, *firstSeed+uint64(seed)), func(t *testing.T) {
				t.Parallel()
				newUpgrade(t, *firstSeed+uint64(seed)).run(back)
			})
		}
	}
}

// upgrade is one history.
type upgrade struct {
	t         *testing.T
	env       *rig.Env
	workload  *rig.Workload
	random    *rand.Rand
	running   []*rig.Process
	ofFormer  map[*rig.Process]bool
	started   int
	published int
}

func newUpgrade(t *testing.T, seed uint64) *upgrade {
	t.Helper()
	database := pgtest.Database(t)
	migrateFormer(t, database)
	options := sandbox.Options{
		Seed: seed, Delay: 20 * time.Millisecond, Jitter: 60 * time.Millisecond,
		Plan: []sandbox.PlannedFault{
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ServerError}, Rate: 0.03},
			{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.ResetAfter}, Rate: 0.03},
			{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.ServerError}, Rate: 0.03},
		},
	}
	u := &upgrade{
		t: t, env: rig.Start(t, rig.Options{Pinterest: options, Meta: options, Listen: true, Database: database, Unmigrated: true}),
		workload: rig.NewWorkload(seed), random: rand.New(rand.NewPCG(seed, 11)),
		ofFormer: map[*rig.Process]bool{},
	}
	u.workload.Lanes, u.workload.Items, u.workload.Hot = []catalog.Lane{rig.Retail, rig.Products, rig.Flights}, 80, 6
	return u
}

// migrateFormer makes the schema of the last release.
func migrateFormer(t *testing.T, database string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, *former, "migrate", "--database", database).CombinedOutput()
	require.NoError(t, err, string(output))
}

func (u *upgrade) start(ofFormer bool) {
	u.t.Helper()
	u.started++
	var p *rig.Process
	if ofFormer {
		p = u.env.StartProgram(fmt.Sprint("former-", u.started), *former, nil)
	} else {
		p = u.env.StartProcess(fmt.Sprint("new-", u.started), nil)
	}
	u.ofFormer[p] = ofFormer
	u.running = append(u.running, p)
}

func (u *upgrade) end(i int, kill bool) {
	u.t.Helper()
	p := u.running[i]
	u.running = append(u.running[:i:i], u.running[i+1:]...)
	if kill {
		p.Kill()
		return
	}
	require.NoError(u.t, p.Terminate(patience), "a worker drains")
}

func (u *upgrade) publish(rounds int) {
	u.t.Helper()
	for range rounds {
		count := 1 + u.random.IntN(30)
		u.env.Publish(u.workload.Next(count)...)
		u.published += count
		time.Sleep(time.Duration(u.random.IntN(150)) * time.Millisecond)
	}
}

func (u *upgrade) run(back bool) {
	t := u.t
	u.start(true)
	u.start(true)
	u.publish(5)
	u.env.AwaitFinal(u.published, patience)
	migrated := make(chan error, 1)
	go func() {
		_, err := persistence.Migrate(context.Background(), u.env.Database)
		migrated <- err
	}()
	u.publish(5)
	require.NoError(t, <-migrated)

	const steps = 10
	for range steps {
		if len(u.running) > 0 && u.random.IntN(2) == 0 {
			u.end(u.random.IntN(len(u.running)), u.random.IntN(2) == 0)
		}
		if len(u.running) < 2 || len(u.running) < 4 && u.random.IntN(3) == 0 {
			u.start(u.random.IntN(2) == 0)
		}
		u.publish(4)
	}
	u.start(back)
	for i, p := range slices.Backward(slices.Clone(u.running)) {
		if u.ofFormer[p] != back {
			u.end(i, u.random.IntN(3) == 0)
			u.publish(2)
		}
	}
	u.env.AwaitFinal(u.published, 2*patience)
	t.Log(u.env.CheckInvariants())
	if t.Failed() {
		t.Log(u.failures())
	}
	for len(u.running) > 0 {
		u.end(0, false)
	}
}

// failures are what failed, and the POSTs of it.
func (u *upgrade) failures() (text string) {
	u.t.Helper()
	require.NoError(u.t, u.env.DB.QueryRow(u.t.Context(), `SELECT coalesce(string_agg(s::text || E'\n' || (SELECT string_agg(a::text, E'\n') FROM courier.attempt a WHERE a.batch_id = s.batch_id), E'\n'), '')
		FROM courier.mutation_status s WHERE s.status = 'failed'`).Scan(&text))
	return text
}
