package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/queue"
)

// TestReplayOfWhatNATSRefuses names each subject at once, counts none of it as replayed,
// and publishes the others.
//
//nolint:tparallel // each step replays what those before left
func TestReplayOfWhatNATSRefuses(t *testing.T) {
	t.Parallel()
	user := func(name string, deny ...string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: deny}}}
	}
	silent := user("silent")
	silent.Permissions.Subscribe = &server.SubjectPermission{Allow: []string{"_INBOX_other.>"}}
	whole := broker(t, func(o *server.Options) {
		o.Users = []*server.User{
			user("all"), user("some", "catalog.mutations.a.no.>", "catalog.mutations.b.>"), user("none", "catalog.mutations.>"),
			user("blind", "$JS.API.STREAM.INFO.>"), silent,
		}
	})
	as := func(name string) map[string]string {
		return map[string]string{"NATS_URL": strings.Replace(whole, "//", "//"+name+":p@", 1), "COURIER_HTTP_LISTEN": "127.0.0.1:0"}
	}
	database := persistencetest.Database(t)
	s := &situation{t: t, database: database}
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte("database: {url: '"+database+"'}\n"+
		"accounts: {a: {platform: meta, access_token: t, base_url: 'http://127.0.0.1:1', catalogs: {c: {catalog_id: '1'}}}}\n"), 0o600))

	// Messages that break the contract become dead letters without any platform.
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	exited := make(chan execution, 1)
	go func() { exited <- executeIn(ctx, builtin.Platforms(), as("all"), "run", "--config", path) }()
	conn, err := nats.Connect(as("all")["NATS_URL"])
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	eventually(t, "the stream is there", func() bool {
		_, err := js.Stream(t.Context(), queue.DefaultStreamName)
		return err == nil
	})
	for i, subject := range []string{"a.yes", "a.no", "a.yes", "b.one", "b.two", "a.no"} {
		_, err := js.Publish(t.Context(), "catalog.mutations."+subject+".RETAIL", fmt.Appendf(nil, `{"item_id":"%d","operation":"REMOVE"}`, i))
		require.NoError(t, err)
	}
	eventually(t, "all are dead letters", func() bool { return s.count("SELECT count(*) FROM courier.dead_letters") == 6 })
	stop() // what is replayed stays in the stream
	require.Zero(t, (<-exited).code)
	marked := func() int { return s.count("SELECT count(*) FROM courier.dead_letters WHERE replayed_at IS NOT NULL") }
	stream, err := js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	last := func() uint64 {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		return info.State.LastSeq
	}
	before := last()

	for _, step := range []struct {
		user     string
		args     []string
		replayed int
		says     []string
	}{
		{"silent", []string{"--all"}, 0, []string{"NATS refuses a subscription to _INBOX.", "nats.inbox_prefix"}},
		{"blind", []string{"--all"}, 0, []string{"NATS refuses the subject $JS.API.STREAM.INFO.CATALOG_MUTATIONS to this user"}},
		{"none", []string{"--all"}, 0, []string{
			"NATS refuses the subject catalog.mutations.a.yes.RETAIL to this user", "2 dead letters are not replayed:",
			"catalog.mutations.b.two.RETAIL", "replayed 0\n",
		}},
		{"some", []string{"--account", "b"}, 0, []string{"catalog.mutations.b.one.RETAIL", "catalog.mutations.b.two.RETAIL", "replayed 0\n"}},
		{"some", []string{"--all"}, 2, []string{"NATS refuses the subject catalog.mutations.a.no.RETAIL to this user", "replayed 2\n"}},
	} {
		t.Run(step.user+strings.Join(step.args, " "), func(t *testing.T) {
			marksBefore, started := marked(), time.Now()
			variables := as(step.user)
			variables["DATABASE_URL"] = database
			got := execute(t, variables, append([]string{"dead-letters", "replay", "--yes"}, step.args...)...)
			require.Equal(t, cli.Failed, got.code, got.out)
			require.Less(t, time.Since(started), 20*time.Second, "at once")
			for _, text := range step.says {
				require.Contains(t, got.err+got.out, text)
			}
			require.NotContains(t, got.err, "deadline exceeded")
			require.Equal(t, step.replayed, marked()-marksBefore)
		})
	}
	require.Equal(t, uint64(2), last()-before)
	variables := as("all")
	variables["DATABASE_URL"] = database
	got := execute(t, variables, "dead-letters", "replay", "--all", "--yes")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "replayed 4\n", "what was refused is still to be replayed")
}

func (s *situation) count(query string) (found int) {
	connection, err := pgx.Connect(s.t.Context(), s.database)
	require.NoError(s.t, err)
	defer func() { _ = connection.Close(context.Background()) }()
	require.NoError(s.t, connection.QueryRow(s.t.Context(), query).Scan(&found), query)
	return found
}
