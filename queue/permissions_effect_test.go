package queue_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/queue"
)

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
			_, err := queue.Ensure(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			mirror, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			require.NotNil(t, mirror)
			publisher := queue.NewPublisher(js, queue.PublisherOptions{})
			for _, id := range []string{"a", "b", "c"} {
				_, err := publisher.PublishMutations(t.Context(), queue.Mutation{
					Account: "acme", Catalog: "us", Type: "RETAIL", ItemID: id, Operation: catalog.Delete,
				})
				require.NoError(t, err)
			}
			before := streamInfos(t, js)
			require.NotEmpty(t, before)
			require.NoError(t, queue.CheckPermissions(t.Context(), js, queue.StreamConfig{}, true))
			require.Equal(t, before, streamInfos(t, js))
		})
	}
}

// streamInfos are the configurations of all streams, and what is in them.
func streamInfos(t *testing.T, js jetstream.JetStream) map[string]any {
	t.Helper()
	infos := map[string]any{}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		state := info.State
		infos[info.Config.Name] = []any{info.Config, state.Msgs, state.FirstSeq, state.LastSeq, state.Consumers}
	}
	require.NoError(t, streams.Err())
	return infos
}
