package service_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/rig"
)

// slowCommits makes every transaction that writes take so long to commit, with its
// locks held and nothing of it visible, as a slow disk or a distant standby does.
func slowCommits(t *testing.T, env *rig.Env, seconds float64) {
	t.Helper()
	_, err := env.DB.Exec(t.Context(), fmt.Sprintf(`CREATE FUNCTION courier.slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF current_setting('slow.transaction', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
				PERFORM set_config('slow.transaction', pg_current_xact_id()::text, true), pg_sleep(%f);
			END IF;
			RETURN NULL;
		END $$`, seconds))
	require.NoError(t, err)
	for _, table := range []string{"worker", "lease", "attempt"} {
		_, err := env.DB.Exec(t.Context(), "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT OR UPDATE OR DELETE ON courier."+table+
			" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION courier.slow_commit()")
		require.NoError(t, err)
	}
}

// TestSlowCommitsMakeProgress: with a lease of 5 s, commits of 2 s and more partitions
// than connections.
func TestSlowCommitsMakeProgress(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"worker.lease_ttl": "5s", "database.max_conns": 5, "nats.partitions": 32}})
	slowCommits(t, env, 2)
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, "slow", 20)...)
	env.Publish(upserts(rig.Products, "slow", 20)...)
	env.AwaitFinal(40, 3*patience)
	require.Zero(t, w.Log.Count("lease lost"), "no lease was lost")
	require.Len(t, env.Items(rig.Retail), 20)
}

// TestCommitsSlowerThanTheLeaseAreTold: what can make no progress says why.
func TestCommitsSlowerThanTheLeaseAreTold(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Settings: rig.Settings{"worker.lease_ttl": "2s"}})
	slowCommits(t, env, 1.5)
	w := env.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("raise worker.lease_ttl", patience)
	require.True(t, w.Log.Contains(`"needed"`))
}
