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
	first, commits, err := mirror.Partition(t.Context(), 7)
	require.NoError(t, err)
	require.Zero(t, commits)
	require.NoError(t, first.Put(t.Context(), 41))
	require.NoError(t, first.Put(t.Context(), 42))
	_, commits, err = mirror.Partition(t.Context(), 8)
	require.NoError(t, err)
	require.Zero(t, commits)

	again, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	second, commits, err := again.Partition(t.Context(), 7)
	require.NoError(t, err)
	require.EqualValues(t, 42, commits)
	require.NoError(t, second.Put(t.Context(), 50))
	require.Error(t, first.Put(t.Context(), 43), "an owner that was frozen hides nothing")
	_, commits, err = again.Partition(t.Context(), 7)
	require.NoError(t, err)
	require.EqualValues(t, 50, commits)

	third, _, err := again.Partition(t.Context(), 7)
	require.NoError(t, err)
	require.NoError(t, third.Put(t.Context(), 5), "the owner after a lost tail begins from fewer")
}
