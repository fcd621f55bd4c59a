package service_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// databaseDoor is a proxy before the environment's database, and the database's URL by it.
func databaseDoor(t *testing.T, env *rig.Env) (door *proxy.Proxy, address string) {
	t.Helper()
	direct, err := pgx.ParseConfig(env.Database)
	require.NoError(t, err)
	network, target := "tcp", net.JoinHostPort(direct.Host, strconv.Itoa(int(direct.Port)))
	if strings.HasPrefix(direct.Host, "/") {
		network, target = "unix", filepath.Join(direct.Host, ".s.PGSQL."+strconv.Itoa(int(direct.Port)))
	}
	door, err = proxy.Start(t.Context(), network, target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, door.Close()) })
	user := url.User(direct.User)
	if direct.Password != "" {
		user = url.UserPassword(direct.User, direct.Password)
	}
	through := url.URL{Scheme: "postgres", User: user, Host: door.Address(), Path: "/" + direct.Database, RawQuery: "sslmode=disable"}
	return door, through.String()
}

// TestStopWithoutTheDatabase: a worker that is told to stop while nobody hears its
// goodbye has lost nothing, and ends well. Another has its partitions when the
// leases expire.
func TestStopWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	door, address := databaseDoor(t, env)
	first := env.StartWorker("a", rig.WorkerOptions{Settings: rig.Settings{"database.url": address}})
	env.Await("it has all partitions", patience, func() bool { return env.Owned()["a"] == 8 })
	door.Hold(true)
	began := time.Now()
	require.NoError(t, first.Stop())
	require.Less(t, time.Since(began), 20*time.Second, "each step has its limit")
	require.True(t, first.Log.Contains("its partitions are taken over when their leases expire"))
	door.Hold(false)

	env.StartWorker("b", rig.WorkerOptions{})
	workload := threeLanes(31)
	env.Publish(workload.Next(100)...)
	env.AwaitFinal(100, patience)
	env.CheckInvariants()
}
