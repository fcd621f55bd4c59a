package queue

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/message"
)

// TestAPackIsHandedOnPieceByPiece: a pack is larger than a chunk, the connection breaks in the
// middle of it, and each line comes once; the lag counts what is left.
func TestAPackIsHandedOnPieceByPiece(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	js := server.JetStream(t)
	stream, err := Ensure(t.Context(), js, StreamConfig{})
	require.NoError(t, err)
	var text strings.Builder
	for i := range message.MaxPackLines {
		fmt.Fprintf(&text, `{"item_id":"%d","operation":"DELETE"}`+"\n", i)
	}
	pack := func() {
		_, err := js.PublishMsg(t.Context(), &nats.Msg{
			Subject: "catalog.mutations.acme.us.RETAIL", Data: message.CompressPack([]byte(text.String())),
			Header: nats.Header{"Content-Type": {message.PackContentType}, "Content-Encoding": {message.PackEncoding}},
		})
		require.NoError(t, err)
	}
	pack()
	pack()
	reader, err := OpenReader(t.Context(), stream, ReaderConfig{
		Partition: PartitionOf("acme", stream.Partitions()), LeaseToken: uuid.New(), ChunkMessages: 700,
	})
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	read := 0
	for read < 2*message.MaxPackLines {
		chunk, err := reader.Next(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(chunk), 700)
		for _, arrival := range chunk {
			place := arrival.Mutation.Position
			require.Equal(t, catalog.Position{Sequence: uint64(1 + read/message.MaxPackLines), Line: 1 + read%message.MaxPackLines}, place)
			require.Equal(t, place.Line < message.MaxPackLines, arrival.More)
			read++
		}
		if read == 1400 {
			_, idle, err := reader.Idle(ctx)
			require.NoError(t, err)
			require.False(t, idle, "the rest of the pack was not returned yet")
			pending, err := reader.Pending(ctx)
			require.NoError(t, err)
			require.GreaterOrEqual(t, pending, uint64(message.MaxPackLines-read))
			server.Restart(t)
		}
	}
	anchor, idle, err := reader.Idle(ctx)
	require.NoError(t, err)
	require.False(t, idle && anchor.Position.Line != 0, "a position is a message")
}

// TestAHostilePackCostsNoMoreThanItsBytes: packs that become 16 MiB of bad lines are in memory
// one at a time.
func TestAHostilePackCostsNoMoreThanItsBytes(t *testing.T) {
	server := natstest.Start(t)
	js := server.JetStream(t)
	stream, err := Ensure(t.Context(), js, StreamConfig{})
	require.NoError(t, err)
	bomb := message.CompressPack([]byte(strings.Repeat(strings.Repeat("x", 1600)+"\n", message.MaxPackLines)))
	require.Less(t, len(bomb), 100<<10)
	for range 20 {
		_, err := js.PublishMsg(t.Context(), &nats.Msg{
			Subject: "catalog.mutations.acme.us.RETAIL", Data: bomb,
			Header: nats.Header{"Content-Type": {message.PackContentType}, "Content-Encoding": {message.PackEncoding}},
		})
		require.NoError(t, err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	reader, err := OpenReader(t.Context(), stream, ReaderConfig{Partition: PartitionOf("acme", stream.Partitions()), LeaseToken: uuid.New()})
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for read, chunks := 0, 0; read < 20*message.MaxPackLines; chunks++ {
		chunk, err := reader.Next(ctx)
		require.NoError(t, err)
		read += len(chunk)
		if chunks%40 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			require.Less(t, now.HeapAlloc, before.HeapAlloc+64<<20, "after %d mutations", read)
		}
	}
}
