package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/queue"
)

func nobody(uuid.UUID) bool { return false }

// A bucket that somebody deletes, and an entry that somebody deletes, are made again by
// the next note of the living owner; another owner finds that note.
func TestTheMirrorIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*testing.T, jetstream.JetStream){
		"the bucket": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			require.NoError(t, js.DeleteKeyValue(t.Context(), queue.DefaultStreamName+"_COMMITS"))
		},
		"the entry": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			bucket, err := js.KeyValue(t.Context(), queue.DefaultStreamName+"_COMMITS")
			require.NoError(t, err)
			require.NoError(t, bucket.Delete(t.Context(), "sent.3"))
		},
		"all entries": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			stream, err := js.Stream(t.Context(), "KV_"+queue.DefaultStreamName+"_COMMITS")
			require.NoError(t, err)
			require.NoError(t, stream.Purge(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := natstest.Start(t).JetStream(t)
			mirror, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
			require.NoError(t, err)
			own, noted, err := mirror.Partition(t.Context(), 3, nobody)
			require.NoError(t, err)
			require.False(t, noted.Found)
			require.NoError(t, own.Put(t.Context(), ledger.Sent{Transaction: uuid.New()}))
			remove(t, js)
			sent := ledger.Sent{Transaction: uuid.New(), Commits: 2, Slowest: time.Second}
			require.NoError(t, own.Put(t.Context(), sent))
			_, noted, err = mirror.Partition(t.Context(), 3, nobody)
			require.NoError(t, err)
			require.Equal(t, queue.Noted{Sent: sent, Found: true}, noted)
		})
	}
}

// What versions without transactions in the mirror noted is still read.
func TestTheMirrorReadsFormerNotes(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	mirror, err := queue.OpenMirror(t.Context(), js, queue.StreamConfig{})
	require.NoError(t, err)
	bucket, err := js.KeyValue(t.Context(), queue.DefaultStreamName+"_COMMITS")
	require.NoError(t, err)
	_, err = bucket.Put(t.Context(), "3", []byte("42"))
	require.NoError(t, err)
	own, noted, err := mirror.Partition(t.Context(), 3, nobody)
	require.NoError(t, err)
	require.Equal(t, queue.Noted{Former: 42}, noted)
	require.NoError(t, own.Put(t.Context(), ledger.Sent{Transaction: uuid.New()}))
}
