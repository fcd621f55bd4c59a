package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/queue"
)

func TestMirrorKeepsCommits(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	js := server.JetStream(t)
	mirror, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	none, err := mirror.Get(t.Context(), 7)
	require.NoError(t, err)
	require.Zero(t, none)
	require.NoError(t, mirror.Put(t.Context(), 7, 41))
	require.NoError(t, mirror.Put(t.Context(), 7, 42))
	require.NoError(t, mirror.Put(t.Context(), 8, 1))

	again, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	commits, err := again.Get(t.Context(), 7)
	require.NoError(t, err)
	require.EqualValues(t, 42, commits)
}
