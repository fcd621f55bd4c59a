// Package drill_test does what docs/backup.md says: it copies the database of a loaded
// installation, loses it, restores the older copy and lets the workers go on.
package drill_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	publishing "github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(pgtest.Main(m), append(natstest.ServersOwn(),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))...)
}

const patience = 30 * time.Second

// TestBackupAndRestore: the oracle finds every change at its end, and every item as the
// last of its changes says.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	slow := sandbox.Options{Delay: 50 * time.Millisecond, Jitter: 100 * time.Millisecond}
	env := rig.Start(t, rig.Options{Pinterest: slow, Meta: slow})
	w := env.StartWorker("before", rig.WorkerOptions{})
	published := 0
	// What is sent again after the restore can be said twice: a repeated CREATE or DELETE
	// may be refused, see docs/backup.md.
	publish := func(count int) {
		mutations := make([]publishing.Mutation, count)
		for i := range mutations {
			lane := []catalog.Lane{rig.Retail, rig.Products}[i%2]
			mutations[i] = rig.Mutation(lane, fmt.Sprint("item-", i%50), catalog.Upsert, rig.Whole(lane.Type, fmt.Sprint("change ", published+i)))
		}
		env.Publish(mutations...)
		published += count
	}

	publish(200)
	env.AwaitFinal(100, patience)
	publish(200) // under way while the copy is made
	copied := filepath.Join(t.TempDir(), "courier.dump")
	_, err := script(t, env, "dump.sh", copied)
	require.NoError(t, err)
	recorded := env.Count(`SELECT count(*) FROM courier.mutation`)
	publish(200)
	env.AwaitFinal(published, patience)
	require.Greater(t, env.Count(`SELECT count(*) FROM courier.mutation`), recorded)

	output, err := script(t, env, "restore.sh", copied)
	require.Error(t, err, "workers are connected")
	require.Contains(t, output, "stop them first")
	require.NoError(t, w.Stop())
	output, err = script(t, env, "restore.sh", copied)
	require.NoError(t, err, output)
	require.Empty(t, output, "it is quiet when all is well")
	env.DB.Reset()
	require.Less(t, env.Count(`SELECT count(*) FROM courier.mutation`), published, "the copy is older")

	after := env.StartWorker("after", rig.WorkerOptions{})
	after.AwaitLog("the database lost its last commits", patience)
	env.AwaitFinal(published, 2*patience)
	publish(100)
	env.AwaitFinal(published, patience)
	env.CheckInvariants()
	require.NoError(t, after.Stop())
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
