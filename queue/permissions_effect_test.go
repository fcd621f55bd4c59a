package queue_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// serverWarnings keeps the lines that a server logs as warnings and worse.
type serverWarnings struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (w *serverWarnings) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (w *serverWarnings) Handle(_ context.Context, record slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	record.Attrs(func(attr slog.Attr) bool { w.lines = append(w.lines, attr.Value.String()); return true })
	return nil
}

func (w *serverWarnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.lines...)
}

// TestCheckingPermissionsIsNotLogged: an operator would take a warning of the server at
// each start of a worker for a fault, whether or not the stream is there.
func TestCheckingPermissionsIsNotLogged(t *testing.T) {
	t.Parallel()
	warnings := &serverWarnings{}
	running, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: t.TempDir(), Logger: slog.New(warnings)})
	require.NoError(t, err)
	t.Cleanup(running.Shutdown)
	connection, err := running.Connect()
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	require.NoError(t, err)

	require.NoError(t, queue.CheckPermissions(t.Context(), js, queue.StreamConfig{}, true))
	require.Empty(t, streamInfos(t, js), "nothing is made")
	_, err = queue.Ensure(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	_, err = queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	before := streamInfos(t, js)
	for _, create := range []bool{false, true} {
		require.NoError(t, queue.CheckPermissions(t.Context(), js, queue.StreamConfig{}, create))
	}
	require.Equal(t, before, streamInfos(t, js))
	require.Empty(t, warnings.all())

	// The capture works: a request that is no JSON is logged.
	_, err = connection.Request("$JS.API.STREAM.CREATE.CATALOG_MUTATIONS", []byte("["), 5*time.Second)
	require.NoError(t, err)
	require.NotEmpty(t, warnings.all())
}

// TestCheckingPermissionsChangesNothing: the subjects that are tried purge, update and
// delete, and the server must act on none of what is sent to them.
func TestCheckingPermissionsChangesNothing(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) jetstream.JetStream{
		"a server":  func(t *testing.T) jetstream.JetStream { t.Helper(); return natstest.Start(t).JetStream(t) },
		"a cluster": func(t *testing.T) jetstream.JetStream { t.Helper(); return natstest.StartCluster(t).JetStream(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := start(t)
			stream, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			mirror, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			require.NotNil(t, mirror)
			publisher := publish.NewPublisher(js, publish.Options{})
			for _, id := range []string{"a", "b", "c"} {
				_, err := publisher.PublishMutations(t.Context(), publish.Mutation{
					Account: "acme", Catalog: "us", Type: "RETAIL", ItemID: id, Operation: catalog.Delete,
				})
				require.NoError(t, err)
			}
			// Not even a consumer of the name that is tried.
			_, err = js.CreateConsumer(t.Context(), stream.Name(), jetstream.ConsumerConfig{
				Durable: "courier_check", AckPolicy: jetstream.AckExplicitPolicy,
			})
			require.NoError(t, err)
			before := streamInfos(t, js)
			require.NotEmpty(t, before)
			require.NoError(t, queue.CheckPermissions(t.Context(), js, queue.StreamConfig{}, true))
			require.Equal(t, before, streamInfos(t, js))
		})
	}
}

// streamInfos are the configurations of all streams, what is in them and their consumers.
func streamInfos(t *testing.T, js jetstream.JetStream) map[string]any {
	t.Helper()
	infos := map[string]any{}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		state := info.State
		consumers := map[string]any{}
		handle, err := js.Stream(t.Context(), info.Config.Name)
		require.NoError(t, err)
		listed := handle.ListConsumers(t.Context())
		for consumer := range listed.Info() {
			consumers[consumer.Name] = []any{
				consumer.Config, consumer.Delivered.Consumer, consumer.NumPending, consumer.NumAckPending, consumer.NumWaiting,
			}
		}
		require.NoError(t, listed.Err())
		infos[info.Config.Name] = []any{info.Config, state.Msgs, state.FirstSeq, state.LastSeq, consumers}
	}
	require.NoError(t, streams.Err())
	return infos
}
