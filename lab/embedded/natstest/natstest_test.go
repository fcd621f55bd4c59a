package natstest_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRestartKeepsTheStreamAndTheClient(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	js := server.JetStream(t)
	require.Empty(t, server.URL())
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "kept", []byte("1"))
	require.NoError(t, err)

	server.Stop()
	putBack := server.Copy(t)
	server.Run(t)
	require.Eventually(t, func() bool {
		_, err := js.Publish(t.Context(), "kept", []byte("2"))
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, uint64(2), messages(t, js))

	server.Stop()
	putBack()
	server.Run(t)
	require.Eventually(t, func() bool { return natstest.Answers(js.Conn()) }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, uint64(1), messages(t, js))
}

func TestListen(t *testing.T) {
	t.Parallel()
	server := natstest.Listen(t)
	connection, err := nats.Connect(server.URL())
	require.NoError(t, err)
	require.NoError(t, connection.FlushTimeout(10*time.Second))
	connection.Close()
}

func messages(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KEPT")
	require.NoError(t, err)
	return stream.CachedInfo().State.Msgs
}
