// Package drill_test does what docs/backup.md says: it copies the database of a loaded
// installation, loses it, restores the older copy and lets the workers go on.
package drill_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(pgtest.Main(m), append(natstest.ServersOwn(),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))...)
}

const patience = 30 * time.Second

// seeds is how many histories TestBackupAndRestore tells of each kind: make drill SEEDS=20.
var seeds = flag.Int("seeds", 1, "histories of each kind")

// TestBackupAndRestore: under a load that makes, changes and deletes items, the copy is made, more
// becomes final, the database is lost, and the older copy restored. The oracle finds every
// change at its end, and every item as its changes say one after the other.
//
// What CREATE does to an item that exists is documented nowhere, so each meaning has its turn.
// beneath says that the copy is restored under running workers, as a fail-over to an older standby
// does: what they have in memory is of the database that was lost.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	for _, existing := range []sandbox.CreateOnExisting{sandbox.Replace, sandbox.Refuse, sandbox.LayOver} {
		for _, beneath := range []bool{false, true} {
			for seed := range *seeds {
				t.Run(fmt.Sprintf("existing=%s/beneath=%t/%d", existing, beneath, seed), func(t *testing.T) {
					t.Parallel()
					d := newDrill(t, uint64(seed), existing)
					d.run(beneath)
				})
			}
		}
	}
}

// drill is one history.
type drill struct {
	t         *testing.T
	env       *rig.Env
	workload  *rig.Workload
	random    *rand.Rand
	workers   []*rig.Worker
	published int
}

func newDrill(t *testing.T, seed uint64, existing sandbox.CreateOnExisting) *drill {
	t.Helper()
	slow := sandbox.Options{Seed: seed, Delay: 30 * time.Millisecond, Jitter: 60 * time.Millisecond, Existing: existing}
	d := &drill{
		t: t, env: rig.Start(t, rig.Options{Pinterest: slow, Meta: slow, Settings: rig.Settings{"outcomes.enabled": true}}),
		workload: rig.NewWorkload(seed), random: rand.New(rand.NewPCG(seed, 7)),
	}
	d.workload.Lanes, d.workload.Items, d.workload.Hot = []catalog.Lane{rig.Retail, rig.Products, rig.Flights}, 60, 6
	return d
}

func (d *drill) publish(count int) {
	d.t.Helper()
	d.env.Publish(d.workload.Next(count)...)
	d.published += count
}

// publishWhile publishes until something is done.
func (d *drill) publishWhile(what func() error) {
	d.t.Helper()
	done := make(chan error, 1)
	go func() { done <- what() }()
	for {
		d.publish(1 + d.random.IntN(20))
		select {
		case err := <-done:
			require.NoError(d.t, err)
			return
		default:
		}
	}
}

func (d *drill) startWorkers(names ...string) {
	for _, name := range names {
		d.workers = append(d.workers, d.env.StartWorker(name, rig.WorkerOptions{}))
	}
}

func (d *drill) run(beneath bool) {
	t, env := d.t, d.env
	d.startWorkers("a", "b")
	d.publish(200)
	env.Await("some are final", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.mutation_status WHERE status IN ('succeeded', 'superseded')`) > 50
	})
	copied := filepath.Join(t.TempDir(), "courier.dump")
	d.publishWhile(func() error { // under way while the copy is made
		output, err := script(t, env, "dump.sh", copied)
		return withOutput(output, err)
	})
	recorded := env.Count(`SELECT count(*) FROM courier.mutation`)
	for range 1 + d.random.IntN(4) {
		d.publish(60)
		time.Sleep(time.Duration(d.random.IntN(200)) * time.Millisecond)
	}
	if d.random.IntN(2) == 0 {
		env.AwaitFinal(d.published, patience)
	}
	env.Await("more was recorded than the copy has", patience, func() bool { return env.Count(`SELECT count(*) FROM courier.mutation`) > recorded })

	output, err := script(t, env, "restore.sh", copied)
	require.Error(t, err, "workers are connected")
	require.Contains(t, output, "stop them first")
	if beneath {
		require.NoError(t, putBack(t, env, copied))
	} else {
		for _, w := range d.workers {
			require.NoError(t, w.Stop())
		}
		d.publishWhile(func() error { // producers may go on
			output, err := script(t, env, "restore.sh", copied)
			assert.Empty(t, output, "it is quiet when all is well")
			return withOutput(output, err)
		})
		env.Restored()
		require.Less(t, env.Count(`SELECT count(*) FROM courier.mutation`), d.published, "the copy is older")
		d.workers = nil
		d.startWorkers("c", "d")
	}
	env.Restored()
	env.Await("the loss is noticed", patience, func() bool {
		for _, w := range d.workers {
			if w.Log.Contains("the database lost its last commits") {
				return true
			}
		}
		return false
	})
	d.publish(100)
	env.AwaitFinal(d.published, 3*patience)
	d.publish(100)
	env.AwaitFinal(d.published, patience)
	d.awaitIndex()
	t.Log(env.CheckInvariants())
	for _, w := range d.workers {
		require.NoError(t, w.Stop())
	}
}

// awaitIndex: what reads the outbox went on too, and says of each item what its rows say.
func (d *drill) awaitIndex() {
	d.t.Helper()
	const differing = `SELECT count(*) FROM (
		SELECT DISTINCT ON (account, catalog, catalog_type, item_id) account, catalog, catalog_type, item_id, mutation_id, status FROM courier.mutation_status
		WHERE status <> 'superseded' ORDER BY account, catalog, catalog_type, item_id, stream_generation DESC, stream_sequence DESC
	) s FULL JOIN courier.indexed_items i USING (account, catalog, catalog_type, item_id)
	WHERE s.mutation_id IS DISTINCT FROM i.mutation_id OR s.status IS DISTINCT FROM i.status`
	d.env.Await("the index says what the mutations say", patience, func() bool { return d.env.Count(differing) == 0 })
}

// putBack does what restore.sh does, and minds no workers. Dropping tables that are in use may be
// refused as a deadlock: then it is done again.
func putBack(t *testing.T, env *rig.Env, file string) (err error) {
	t.Helper()
	const tries = 10
	for range tries {
		var text string
		if text, err = putBackOnce(t, env, file); err == nil || !strings.Contains(text, "deadlock") {
			return err
		}
	}
	return err
}

func putBackOnce(t *testing.T, env *rig.Env, file string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", `{ echo 'BEGIN; DROP SCHEMA courier CASCADE;'; pg_restore --file=- "$1"; echo 'COMMIT;'; } |
		psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL"`, "putback", file)
	command.Env = append(command.Environ(), "DATABASE_URL="+env.Database)
	text, err := command.CombinedOutput()
	return string(text), withOutput(string(text), err)
}

func withOutput(output string, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// TestABrokenCopyChangesNothing: it is all or nothing.
func TestABrokenCopyChangesNothing(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	copied := filepath.Join(t.TempDir(), "courier.dump")
	_, err := script(t, env, "dump.sh", copied)
	require.NoError(t, err)
	require.NoError(t, exec.CommandContext(t.Context(), "truncate", "--size=-2000", copied).Run())
	_, err = script(t, env, "restore.sh", copied)
	require.Error(t, err)
	env.DB.Reset()
	require.Positive(t, env.Count(`SELECT count(*) FROM courier.schema_version`))
}

// script runs a script of deploy/backup on the environment's database.
func script(t *testing.T, env *rig.Env, name, file string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "../../deploy/backup/"+name, file)
	command.Env = append(command.Environ(), "DATABASE_URL="+env.Database)
	text, err := command.CombinedOutput()
	return string(text), err
}
