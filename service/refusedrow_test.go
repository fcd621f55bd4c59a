package service_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/migrations"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// refusing makes a trigger that raises for the item BAD, as a trigger of an operator
// may.
func refusing(when, code string) string {
	return fmt.Sprintf(`create function courier.no_bad() returns trigger language plpgsql as $f$
		begin if new.item_id = 'BAD' then raise exception 'no BAD here' using errcode = '%s'; end if; return new; end $f$;
		create %s on courier.mutation for each row execute function courier.no_bad()`, code, when)
}

// TestARowThatTheDatabaseRefuses becomes a dead letter with the database's words, and
// its partition goes on.
func TestARowThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil string // SQL
		says  string
	}{
		"a trigger":                   {refusing("trigger t before insert", "P0001"), "no BAD here"},
		"a code of the operator's":    {refusing("trigger t before insert", "ZZ042"), "no BAD here"},
		"an internal error":           {refusing("trigger t before insert", "XX000"), "no BAD here"},
		"a trigger after the row":     {refusing("trigger t after insert", "P0001"), "no BAD here"},
		"a constraint":                {"alter table courier.mutation add constraint no_bad check (item_id <> 'BAD')", "no_bad"},
		"a constraint of the batches": {"alter table courier.batch add constraint few check (mutations < 6 and octet_length(payload) < 1000)", "few"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			_, err := env.DB.Exec(t.Context(), test.spoil)
			require.NoError(t, err)
			w := env.StartWorker("a", rig.WorkerOptions{})
			good := env.Publish(upserts(rig.Retail, "good", 20)...)
			bad := env.Publish(rig.Mutation(rig.Retail, "BAD", catalog.Upsert, bulky()))
			good = append(good, env.Publish(upserts(rig.Retail, "later", 20)...)...)
			for _, id := range good {
				env.AwaitStatus(id, "succeeded", patience)
			}
			letter := awaitLetter(t, env, bad[0])
			require.Equal(t, catalog.Unrecordable, letter.Reason)
			require.Contains(t, letter.Text, test.says)
			require.NotEmpty(t, letter.Message.Data, "the message is kept")
			env.AwaitFinal(len(good)+1, patience)
			require.Equal(t, 1, env.Count("select count(*) from courier.dead_letter"))
			require.Equal(t, len(good)+1, env.Count("select count(*) from courier.mutation"))
			env.CheckReasons()
			require.Zero(t, w.Log.Count("the partition stopped"))
			require.NoError(t, w.Stop())
		})
	}
}

// bulky is an item that does not get smaller when it is packed.
func bulky() map[string]any {
	item := rig.Whole("RETAIL", "bulky")
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "%x", sha256.Sum256([]byte{byte(i)}))
	}
	item["description"] = text.String()
	return item
}

// TestADeadLetterThatTheDatabaseRefuses is written without its message, which the
// stream has for a while.
func TestADeadLetterThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	_, err := env.DB.Exec(t.Context(), "alter table courier.dead_letter add constraint short check (octet_length(body) < 40)")
	require.NoError(t, err)
	env.StartWorker("a", rig.WorkerOptions{})
	env.PublishRaw("catalog.mutations."+rig.PinterestAccount+".us.RETAIL", `{"item_id":"X","operation":"REMOVE","attributes":{"title":"something"}}`, nil)
	good := env.Publish(upserts(rig.Retail, "good", 5)...)
	for _, id := range good {
		env.AwaitStatus(id, "succeeded", patience)
	}
	letters := deadLetters(t, env)
	require.Len(t, letters, 1)
	require.Equal(t, catalog.Unrecordable, letters[0].Reason)
	require.Empty(t, letters[0].Message.Data)
	require.EqualValues(t, 71, letters[0].Message.Lost)
	require.Contains(t, letters[0].Text, "short")
	require.Contains(t, letters[0].Text, "message 1 of the stream")
	require.Equal(t, "X", letters[0].ItemID)
}

// TestAWaitingRowThatTheDatabaseRefuses, of an account that is paused.
func TestAWaitingRowThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("a", rig.WorkerOptions{})
	env.AwaitFinal(0, patience)
	env.Await("the account is known", patience, func() bool { return env.Store.PauseAccount(t.Context(), rig.PinterestAccount, "a test") == nil })
	_, err := env.DB.Exec(t.Context(), "alter table courier.waiting add constraint short check (octet_length(payload) < 1000)")
	require.NoError(t, err)
	good := env.Publish(upserts(rig.Retail, "good", 5)...)
	bad := env.Publish(rig.Mutation(rig.Retail, "BAD", catalog.Upsert, bulky()))
	require.Equal(t, catalog.Unrecordable, awaitLetter(t, env, bad[0]).Reason)
	for _, id := range good {
		env.AwaitStatus(id, "waiting", patience)
	}
	require.NoError(t, env.Store.ResumeAccount(t.Context(), rig.PinterestAccount))
	for _, id := range good {
		env.AwaitStatus(id, "succeeded", patience)
	}
	require.Equal(t, "invalid", env.StatusOf(bad[0]).Status, "it is not sent either")
	require.NoError(t, w.Stop())
}

// TestHowAPOSTEndedThatTheDatabaseRefuses stops nothing: the worker goes by its own
// memory.
func TestHowAPOSTEndedThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	_, err := env.DB.Exec(t.Context(), "alter table courier.attempt add constraint none check (cardinality(handles) = 0)")
	require.NoError(t, err)
	w := env.StartWorker("a", rig.WorkerOptions{})
	for _, id := range env.Publish(upserts(rig.Retail, "good", 5)...) {
		env.AwaitStatus(id, "succeeded", patience)
	}
	require.Zero(t, w.Log.Count("the partition stopped"))
	require.NoError(t, w.Stop())
}

// TestADatabaseThatIsNotUTF8 is refused at the start. One that is used all the same
// holds no more than ASCII of what it cannot hold, and loses nothing else.
func TestADatabaseThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	store, leases := eucDatabase(t, env)
	runOn(t, env, store, leases)
	ids := env.Publish(
		rig.Mutation(rig.Retail, "coat-🧥", catalog.Delete, nil),
		rig.Mutation(rig.Retail, "plain-2", catalog.Delete, nil),
		rig.Mutation(rig.Retail, "セーター", catalog.Delete, nil), // EUC_JP has that
	)
	var letters []persistence.DeadLetter
	env.Await("the coat is a dead letter", patience, func() bool {
		var err error
		letters, err = store.DeadLetters(t.Context(), persistence.DeadLetterFilter{})
		require.NoError(t, err)
		return len(letters) == 1
	})
	require.Equal(t, ids[0], letters[0].MutationID)
	require.Equal(t, `coat-\U0001f9e5`, letters[0].ItemID)
	require.Contains(t, string(letters[0].Message.Data), "coat-🧥", "bytes are bytes")
	env.Await("the others are sent", patience, func() bool {
		return env.Pinterest.Counters().Posts > 0
	})
}

// migrateUnchecked makes the schema where persistence.Migrate refuses to.
func migrateUnchecked(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	names, err := fs.Glob(migrations.Files, "*.sql") // in order
	require.NoError(t, err)
	for _, name := range names {
		text, err := migrations.Files.ReadFile(name)
		require.NoError(t, err)
		up, _, found := strings.Cut(string(text), "-- +goose Down")
		require.True(t, found)
		plain := strings.Map(func(r rune) rune { return min(r, '~') }, up) // only comments have other characters
		_, err = conn.PgConn().Exec(t.Context(), plain).ReadAll()
		require.NoError(t, err, name)
	}
}

func eucDatabase(t *testing.T, env *rig.Env) (*persistence.Store, *persistence.LeaseTable) {
	t.Helper()
	name := "euc_" + strconv.FormatInt(time.Now().UnixNano(), 10)
	_, err := env.DB.Exec(t.Context(), "create database "+name+" encoding 'EUC_JP' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0")
	require.NoError(t, err)
	address, err := url.Parse(env.Database)
	require.NoError(t, err)
	address.Path = "/" + name
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), env.Database)
		if err == nil {
			_, _ = conn.Exec(context.Background(), "drop database if exists "+name+" with (force)")
			_ = conn.Close(context.Background())
		}
	})
	migrateUnchecked(t, address.String())
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: address.String()})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store, persistence.NewLeaseTable(pool)
}

// streamAndMirror is a worker's queue on the environment's server.
type streamAndMirror struct {
	*queue.Stream
	mirror *queue.Mirror
}

func (s streamAndMirror) Open(ctx context.Context, config queue.ReaderConfig) (service.Reader, error) {
	return queue.OpenReader(ctx, s.Stream, config)
}

func (s streamAndMirror) Mirror(ctx context.Context, partition int, knows func(uuid.UUID) bool) (delivery.Mirror, queue.Noted, error) {
	return s.mirror.Partition(ctx, partition, knows)
}

// runOn runs a worker on a store without the checks of a start, until the test's end.
func runOn(t *testing.T, env *rig.Env, store *persistence.Store, leases *persistence.LeaseTable) {
	t.Helper()
	settings := env.Config("a", nil)
	require.NoError(t, store.EnsurePartitions(t.Context(), settings.NATS.Partitions))
	opened, err := queue.Ensure(t.Context(), env.JetStream(), service.StreamConfig(settings.NATS))
	require.NoError(t, err)
	mirror, err := queue.OpenMirror(t.Context(), env.JetStream(), service.StreamConfig(settings.NATS))
	require.NoError(t, err)
	found, err := opened.Identity(t.Context())
	require.NoError(t, err)
	require.NoError(t, store.BindStream(t.Context(), found.Stream))
	recorded, err := store.StreamIdentity(t.Context())
	require.NoError(t, err)
	require.NoError(t, opened.Bind(t.Context(), recorded))
	log := &rig.Log{}
	told, err := telemetry.Start(t.Context(), telemetry.Options{Service: "catalog-courier", LogOutput: log, LogFormat: "json", LogLevel: slog.LevelWarn})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- service.RunWith(ctx, service.Options{Config: settings, Telemetry: told}, service.Dependencies{
			Store: store, Leases: leases, Queue: streamAndMirror{opened, mirror},
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, told.Shutdown(context.Background()))
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// awaitLetter waits for the dead letter of a mutation.
func awaitLetter(t *testing.T, env *rig.Env, mutationID string) (letter persistence.DeadLetter) {
	t.Helper()
	env.Await("a dead letter of "+mutationID, patience, func() bool {
		for _, letter = range deadLetters(t, env) {
			if letter.MutationID == mutationID {
				return true
			}
		}
		return false
	})
	return letter
}
