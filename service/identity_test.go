package service_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

const bedStream = queue.DefaultStreamName

// metadataKeys of a stream.
const (
	metadataStream       = "catalog-courier.stream"
	metadataInstallation = "catalog-courier.installation"
)

// installed is an environment in which a worker has delivered, and ended.
func installed(t *testing.T, prefix string, mutations int) *rig.Env {
	t.Helper()
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker(prefix, rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, prefix, mutations)...)
	env.AwaitFinal(mutations, patience)
	require.NoError(t, w.Stop())
	return env
}

func recordedIdentity(t *testing.T, env *rig.Env) ledger.StreamIdentity {
	t.Helper()
	identity, err := env.Store.StreamIdentity(t.Context())
	require.NoError(t, err)
	return identity
}

func metadataOf(t *testing.T, js jetstream.JetStream, stream string) map[string]string {
	t.Helper()
	handle, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	return handle.CachedInfo().Config.Metadata
}

// strip removes an identity from a stream, as one of before identities were kept.
func strip(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	handle, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	config := handle.CachedInfo().Config
	delete(config.Metadata, metadataStream)
	delete(config.Metadata, metadataInstallation)
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
}

// forget makes the environment one of before identities were kept.
func forget(t *testing.T, env *rig.Env) {
	t.Helper()
	strip(t, env.JetStream(), bedStream)
	strip(t, env.JetStream(), "KV_"+bedStream+"_COMMITS")
	_, err := env.DB.Exec(t.Context(), "UPDATE courier.stream SET stream_id = NULL, installation_id = gen_random_uuid()")
	require.NoError(t, err)
}

// state is all that a refused start must leave alone.
type state struct {
	Rows, Batches int
	Positions     []ledger.Anchor
	Identity      ledger.StreamIdentity
	Generation    int
	Posts         uint64
	Stored        jetstream.StreamState
	Metadata      map[string]string
}

func stateOf(t *testing.T, env *rig.Env, js jetstream.JetStream) state {
	t.Helper()
	positions, err := env.Store.Positions(t.Context())
	require.NoError(t, err)
	s := state{
		Rows: env.Count("SELECT count(*) FROM courier.mutation"), Batches: env.Count("SELECT count(*) FROM courier.batch"),
		Positions: positions, Identity: recordedIdentity(t, env), Generation: env.Count("SELECT generation FROM courier.stream"),
		Posts: uint64(env.Pinterest.Counters().Accepted + env.Meta.Counters().Accepted),
	}
	handle, err := js.Stream(t.Context(), bedStream)
	if err == nil {
		s.Stored, s.Metadata = handle.CachedInfo().State, handle.CachedInfo().Config.Metadata
		s.Stored.Consumers = 0
	} else {
		require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
	}
	return s
}

// TestAnotherServerIsRefused: a variable left in the shell points the worker at
// another NATS. Nothing of it is delivered, and nothing is written on either side.
func TestAnotherServerIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// other prepares the other server, and what the database knows.
		other func(t *testing.T, x *rig.Env) *natstest.Server
		kind  error
		says  []string
	}{
		"with another installation's stream": {
			other: func(t *testing.T, _ *rig.Env) *natstest.Server {
				t.Helper()
				return installed(t, "foreign", 28).NATS
			},
			kind: queue.ErrForeignStream,
		},
		"with a stream that nobody works": {
			other: func(t *testing.T, _ *rig.Env) *natstest.Server {
				t.Helper()
				y := rig.Start(t, rig.Options{})
				y.Publish(upserts(rig.Retail, "foreign", 28)...)
				return y.NATS
			},
			kind: queue.ErrForeignStream,
		},
		"with a stream without an id": {
			other: func(t *testing.T, _ *rig.Env) *natstest.Server {
				t.Helper()
				y := rig.Start(t, rig.Options{})
				y.Publish(upserts(rig.Retail, "foreign", 28)...)
				strip(t, y.JetStream(), bedStream)
				return y.NATS
			},
			kind: queue.ErrForeignStream, says: []string{"(none)"},
		},
		"with an empty stream": {
			other: func(t *testing.T, _ *rig.Env) *natstest.Server {
				t.Helper()
				return rig.Start(t, rig.Options{}).NATS
			},
			kind: queue.ErrForeignStream,
		},
		"without a stream": {
			other: func(t *testing.T, _ *rig.Env) *natstest.Server { t.Helper(); return natstest.Start(t) },
			kind:  queue.ErrStreamGone,
		},
		"of before identities were kept, on both sides": {
			other: func(t *testing.T, x *rig.Env) *natstest.Server {
				t.Helper()
				forget(t, x)
				y := installed(t, "foreign", 28)
				strip(t, y.JetStream(), bedStream)
				strip(t, y.JetStream(), "KV_"+bedStream+"_COMMITS")
				return y.NATS
			},
			kind: queue.ErrForeignStream, says: []string{"none of the"},
		},
		"without a stream, and a database of before identities were kept": {
			other: func(t *testing.T, x *rig.Env) *natstest.Server {
				t.Helper()
				forget(t, x)
				return natstest.Start(t)
			},
			kind: queue.ErrStreamGone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := installed(t, "own", 20)
			y := test.other(t, x)
			js := y.JetStream(t)
			before := stateOf(t, x, js)
			w := x.StartWorker("misled", rig.WorkerOptions{Broker: y})
			err := w.Wait(patience)
			require.ErrorIs(t, err, test.kind)
			for _, says := range append(test.says, bedStream, "--adopt-stream", before.Identity.Stream) {
				require.ErrorContains(t, err, says)
			}
			if id := before.Metadata[metadataStream]; id != "" && errors.Is(err, queue.ErrForeignStream) {
				require.True(t, strings.Contains(err.Error(), id) || strings.Contains(err.Error(), before.Metadata[metadataInstallation]),
					"the other is named: %s", err)
			}
			require.Equal(t, before, stateOf(t, x, js))
			require.Zero(t, x.Count("SELECT count(*) FROM courier.mutation WHERE item_id LIKE 'foreign%'"))

			again := x.StartWorker("right", rig.WorkerOptions{})
			if before.Identity.Stream == "" {
				again.AwaitLog("worker started", patience) // it is bound by what it recorded
			}
			x.Publish(upserts(rig.Retail, "later", 5)...)
			x.AwaitFinal(25, patience)
			require.Equal(t, before.Generation, x.Count("SELECT generation FROM courier.stream"), "no new generation began")
		})
	}
}

// TestAnotherDatabaseIsRefused: the right stream, and a database whose workers never
// worked it.
func TestAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	x := installed(t, "own", 20)
	migratedDatabase := func(t *testing.T) string {
		t.Helper()
		url := pgtest.Database(t)
		_, err := persistence.Migrate(t.Context(), url)
		require.NoError(t, err)
		return url
	}
	refused := func(t *testing.T, database string) error {
		t.Helper()
		before := stateOf(t, x, x.JetStream())
		err := x.StartWorker("misled", rig.WorkerOptions{Settings: rig.Settings{"database.url": database}}).Wait(patience)
		require.ErrorIs(t, err, queue.ErrForeignStream)
		require.ErrorContains(t, err, "--adopt-stream")
		require.Equal(t, before, stateOf(t, x, x.JetStream()))
		return err
	}
	require.ErrorContains(t, refused(t, migratedDatabase(t)), recordedIdentity(t, x).Installation, "a fresh one")
	require.ErrorContains(t, refused(t, installed(t, "staging", 5).Database), recordedIdentity(t, x).Stream, "one with a stream of its own")

	// Before identities were kept, the mirror shows that another database's workers
	// were here.
	strip(t, x.JetStream(), bedStream)
	strip(t, x.JetStream(), "KV_"+bedStream+"_COMMITS")
	require.ErrorContains(t, refused(t, migratedDatabase(t)), "commits")
	// And so does a stream that was trimmed.
	require.NoError(t, x.JetStream().DeleteKeyValue(t.Context(), bedStream+"_COMMITS"))
	handle, err := x.JetStream().Stream(t.Context(), bedStream)
	require.NoError(t, err)
	require.NoError(t, handle.Purge(t.Context(), jetstream.WithPurgeSequence(10)))
	require.ErrorContains(t, refused(t, migratedDatabase(t)), "trimmed")
}

// TestAnotherInstallationsMirrorIsRefused: its numbers would make this database look
// as if it had lost commits.
func TestAnotherInstallationsMirrorIsRefused(t *testing.T) {
	t.Parallel()
	y := installed(t, "former", 20)
	require.NoError(t, y.JetStream().DeleteStream(t.Context(), bedStream))
	x := rig.Start(t, rig.Options{})
	err := x.StartWorker("misled", rig.WorkerOptions{Broker: y.NATS}).Wait(patience)
	require.ErrorIs(t, err, queue.ErrForeignStream)
	require.ErrorContains(t, err, "mirror")
	_, err = y.JetStream().Stream(t.Context(), bedStream)
	require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "no stream was made")
}

// TestStreamIsReplacedUnderAWorker: the worker ends, with an error, and nothing of the
// other stream is delivered.
func TestStreamIsReplacedUnderAWorker(t *testing.T) {
	t.Parallel()
	foreign := func(t *testing.T, env *rig.Env) {
		t.Helper()
		_, err := queue.Ensure(t.Context(), env.JetStream(), queue.StreamConfig{Partitions: 8})
		require.NoError(t, err)
		env.Publish(upserts(rig.Retail, "foreign", 28)...)
		env.Publish(upserts(catalog.Lane{Account: "somebody", Catalog: "us", Type: "RETAIL"}, "foreign", 10)...)
	}
	restart := func(t *testing.T, env *rig.Env) {
		t.Helper()
		env.NATS.Stop()
		env.NATS.Wipe(t)
		env.NATS.Run(t)
		env.Await("the publisher is connected again", patience, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := env.JetStream().AccountInfo(ctx)
			return err == nil
		})
	}
	for name, test := range map[string]struct {
		replace func(t *testing.T, env *rig.Env)
		kind    error
	}{
		"a server that comes back empty":        {restart, queue.ErrStreamGone},
		"a server that comes back with another": {func(t *testing.T, env *rig.Env) { t.Helper(); restart(t, env); foreign(t, env) }, queue.ErrForeignStream},
		"a stream that is deleted": {func(t *testing.T, env *rig.Env) {
			t.Helper()
			require.NoError(t, env.JetStream().DeleteStream(t.Context(), bedStream))
		}, queue.ErrStreamGone},
		"a stream that is deleted and made by hand": {func(t *testing.T, env *rig.Env) {
			t.Helper()
			handle, err := env.JetStream().Stream(t.Context(), bedStream)
			require.NoError(t, err)
			config := handle.CachedInfo().Config
			config.Metadata = nil
			require.NoError(t, env.JetStream().DeleteStream(t.Context(), bedStream))
			_, err = env.JetStream().CreateStream(t.Context(), config)
			require.NoError(t, err)
			foreign(t, env)
		}, queue.ErrForeignStream},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			w := env.StartWorker("a", rig.WorkerOptions{})
			env.Publish(upserts(rig.Retail, "own", 20)...)
			env.AwaitFinal(20, patience)
			recorded := recordedIdentity(t, env)
			test.replace(t, env)
			err := w.Wait(2 * patience)
			require.ErrorIs(t, err, test.kind)
			require.Equal(t, 20, env.Count("SELECT count(*) FROM courier.mutation"))
			require.Len(t, env.Items(rig.Retail), 20)
			require.Zero(t, env.Count("SELECT generation FROM courier.stream"), "no new generation began")
			require.Equal(t, recorded, recordedIdentity(t, env))
			require.Zero(t, env.Count("SELECT count(*) FROM courier.lease WHERE owner IS NOT NULL"), "it handed everything over")
			gone := errors.Is(err, queue.ErrStreamGone)
			requireNoStream := func() {
				_, err := env.JetStream().Stream(t.Context(), bedStream)
				require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "a worker makes no stream over recorded positions")
			}
			if gone {
				requireNoStream()
			}
			next := env.StartWorker("b", rig.WorkerOptions{})
			require.ErrorIs(t, next.Wait(patience), test.kind, "nor does the next one")
			if gone {
				requireNoStream()
			}
		})
	}
}

// TestFormerInstallationIsBound: a stream and a database of before identities were
// kept find each other by what is recorded, once, also when several workers start at
// once; the stream's other settings stay.
func TestFormerInstallationIsBound(t *testing.T) {
	t.Parallel()
	env := installed(t, "own", 20)
	forget(t, env)
	handle, err := env.JetStream().Stream(t.Context(), bedStream)
	require.NoError(t, err)
	config := handle.CachedInfo().Config
	config.Metadata = map[string]string{"team": "catalog"}
	config.Description, config.Duplicates = "ours", 5*time.Minute
	_, err = env.JetStream().UpdateStream(t.Context(), config)
	require.NoError(t, err)
	workers := make([]*rig.Worker, 3)
	for i := range workers {
		workers[i] = env.StartWorker(string(rune('a'+i)), rig.WorkerOptions{Settings: rig.Settings{"nats.stream.max_bytes": "77MiB"}})
	}
	for _, w := range workers {
		w.AwaitLog("worker started", patience)
	}
	env.Publish(upserts(rig.Retail, "later", 10)...)
	env.AwaitFinal(30, patience)
	identity := recordedIdentity(t, env)
	require.NoError(t, uuid.Validate(identity.Stream))
	handle, err = env.JetStream().Stream(t.Context(), bedStream)
	require.NoError(t, err)
	found := handle.CachedInfo().Config
	require.Equal(t, identity.Stream, found.Metadata[metadataStream])
	require.Equal(t, identity.Installation, found.Metadata[metadataInstallation])
	require.Equal(t, "catalog", found.Metadata["team"])
	require.Equal(t, "ours", found.Description)
	require.Equal(t, 5*time.Minute, found.Duplicates)
	require.Equal(t, int64(77<<20), found.MaxBytes)
	require.Equal(t, identity.Installation, metadataOf(t, env.JetStream(), "KV_"+bedStream+"_COMMITS")[metadataInstallation])
	for _, w := range workers {
		require.NoError(t, w.Stop())
	}
	require.Zero(t, env.Count("SELECT generation FROM courier.stream"))
}

// TestOlderCopyOfADatabase: one of before the stream was bound, and one of after.
func TestOlderCopyOfADatabase(t *testing.T) {
	t.Parallel()
	env := installed(t, "own", 20)
	identity := recordedIdentity(t, env)
	_, err := env.DB.Exec(t.Context(), "UPDATE courier.stream SET stream_id = NULL")
	require.NoError(t, err)
	w := env.StartWorker("b", rig.WorkerOptions{})
	env.Publish(upserts(rig.Retail, "later", 10)...)
	env.AwaitFinal(30, patience)
	require.NoError(t, w.Stop())
	require.Equal(t, identity, recordedIdentity(t, env), "the stream knew whose it is")
}

// TestChangedSettingsKeepTheIdentity: whoever else updates the stream.
func TestChangedSettingsKeepTheIdentity(t *testing.T) {
	t.Parallel()
	env := installed(t, "own", 5)
	before := metadataOf(t, env.JetStream(), bedStream)
	_, err := queue.Ensure(t.Context(), env.JetStream(), queue.StreamConfig{Partitions: 8, MaxBytes: 99 << 20})
	require.NoError(t, err)
	handle, err := env.JetStream().Stream(t.Context(), bedStream)
	require.NoError(t, err)
	require.Equal(t, int64(99<<20), handle.CachedInfo().Config.MaxBytes)
	require.Equal(t, before, handle.CachedInfo().Config.Metadata)
}

// TestServersOfTwoClusters: the address lists servers that do not belong together, and
// the client goes to the other when the first is away.
func TestServersOfTwoClusters(t *testing.T) {
	t.Parallel()
	x := rig.Start(t, rig.Options{Listen: true})
	y := rig.Start(t, rig.Options{Listen: true})
	y.Publish(upserts(rig.Retail, "foreign", 28)...)
	first := x.StartWorker("first", rig.WorkerOptions{})
	x.Publish(upserts(rig.Retail, "own", 20)...)
	x.AwaitFinal(20, patience)
	require.NoError(t, first.Stop())
	w := x.StartWorker("a", rig.WorkerOptions{Edit: func(c *config.Config) {
		c.NATS.URL = config.NewSecret(x.NATS.URL() + "," + y.NATS.URL())
	}})
	x.Await("it works, or has gone to the other at once", patience, func() bool {
		return w.Log.Contains("partition acquired") || w.Log.Contains("cannot be used") || w.Ended()
	})
	x.NATS.Stop()
	require.ErrorIs(t, w.Wait(2*patience), queue.ErrForeignStream)
	require.Equal(t, 20, x.Count("SELECT count(*) FROM courier.mutation"))
	require.Zero(t, x.Count("SELECT generation FROM courier.stream"))
	require.Empty(t, metadataOf(t, y.JetStream(), bedStream)[metadataInstallation])
	_, err := y.JetStream().KeyValue(t.Context(), bedStream+"_COMMITS")
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound, "nothing was made there")
}

// TestLedgerChangesUnderAWorker: it has adopted another stream, or the address leads to
// another database by now.
func TestLedgerChangesUnderAWorker(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"stream_id = gen_random_uuid()", "installation_id = gen_random_uuid()", "stream_id = NULL"} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			w := env.StartWorker("a", rig.WorkerOptions{})
			env.Publish(upserts(rig.Retail, "own", 5)...)
			env.AwaitFinal(5, patience)
			_, err := env.DB.Exec(t.Context(), "UPDATE courier.stream SET "+change)
			require.NoError(t, err)
			_, err = env.DB.Exec(t.Context(), "UPDATE courier.lease SET owner = NULL, token = gen_random_uuid()")
			require.NoError(t, err)
			require.ErrorIs(t, w.Wait(patience), queue.ErrForeignStream)
		})
	}
}

// TestOneServerWithTwoAccounts: streams of one name in two accounts are two streams.
func TestOneServerWithTwoAccounts(t *testing.T) {
	t.Parallel()
	const accounts = `accounts {
		ONE: {jetstream: enabled, users: [{user: one, password: p}]}
		TWO: {jetstream: enabled, users: [{user: two, password: p}]}
		SYS: {users: [{user: sys, password: p}]}
	}
	system_account: SYS`
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(accounts), 0o600))
	options, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	address := startBroker(t, options)
	env := rig.Start(t, rig.Options{Listen: true})
	start := func(user string) *rig.Worker {
		return env.StartWorker(user, rig.WorkerOptions{Edit: func(c *config.Config) {
			c.NATS.URL = config.NewSecret("nats://" + user + ":p@" + address)
		}})
	}
	for user, item := range map[string]string{"one": "own", "two": "foreign"} {
		connection, err := nats.Connect("nats://" + user + ":p@" + address)
		require.NoError(t, err)
		t.Cleanup(connection.Close)
		js, err := jetstream.New(connection)
		require.NoError(t, err)
		_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{Partitions: 8})
		require.NoError(t, err)
		_, err = publish.NewPublisher(js, publish.Options{}).PublishMutations(t.Context(), upserts(rig.Retail, item, 7)...)
		require.NoError(t, err)
	}
	w := start("one")
	env.AwaitFinal(7, patience)
	require.NoError(t, w.Stop())
	require.ErrorIs(t, start("two").Wait(patience), queue.ErrForeignStream)
	require.Zero(t, env.Count("SELECT count(*) FROM courier.mutation WHERE item_id LIKE 'foreign%'"))
}
