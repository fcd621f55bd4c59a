package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/queue"
)

// served runs a server until the test ends, and connects to it.
func served(t *testing.T, options *server.Options) (connect func(more ...nats.Option) jetstream.JetStream) {
	t.Helper()
	options.Host, options.Port, options.NoSigs, options.NoLog = "127.0.0.1", -1, true, true
	options.JetStream, options.StoreDir = true, t.TempDir()
	instance, err := server.NewServer(options)
	require.NoError(t, err)
	instance.Start()
	t.Cleanup(func() { instance.Shutdown(); instance.WaitForShutdown() })
	require.True(t, instance.ReadyForConnections(10*time.Second))
	return func(more ...nats.Option) jetstream.JetStream {
		t.Helper()
		conn, err := nats.Connect(instance.ClientURL(), more...)
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		return js
	}
}

// TestRoomIsTriedOnlyWithTheRightToRemoveTheTrial: without it nothing is made, nothing
// is waited for, and nothing fails.
func TestRoomIsTriedOnlyWithTheRightToRemoveTheTrial(t *testing.T) {
	t.Parallel()
	for name, denied := range map[string][]string{
		"create": {"$JS.API.STREAM.CREATE.CATALOG_MUTATIONS_CHECK"},
		"delete": {"$JS.API.STREAM.DELETE.>"},
		"all":    {"$JS.API.STREAM.CREATE.*_CHECK", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.NAMES"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connect := served(t, &server.Options{Users: []*server.User{
				{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: denied}}},
				{Username: "admin", Password: "p"},
			}})
			js, admin := connect(nats.UserInfo("u", "p")), connect(nats.UserInfo("admin", "p"))
			began := time.Now()
			warning, err := queue.CheckRoom(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			require.Contains(t, warning, "it was not tried whether the server has room")
			require.Less(t, time.Since(began), 4*time.Second, "no call runs out of time")
			require.Empty(t, streamInfos(t, admin))
			_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			warning, err = queue.CheckRoom(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			require.NotContains(t, warning, "not tried", "there is nothing to try")
		})
	}
}

// TestTrialOfAKilledCheckIsRemoved, whether or not the stream exists by now.
func TestTrialOfAKilledCheckIsRemoved(t *testing.T) {
	t.Parallel()
	connect := served(t, &server.Options{})
	js := connect()
	leave := func() {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CATALOG_MUTATIONS_CHECK", Subjects: []string{"courier.check.x"}, MaxBytes: 1 << 20})
		require.NoError(t, err)
	}
	check := func() {
		t.Helper()
		_, err := queue.CheckRoom(t.Context(), js, queue.StreamConfig{})
		require.NoError(t, err)
		for name := range streamInfos(t, js) {
			require.False(t, strings.HasSuffix(name, "_CHECK"), name)
		}
	}
	leave()
	check()
	_, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	leave()
	check()
}
