package message

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestPacksOfOtherCompressors: streams of unknown size name the window of their level, which may
// be larger than a pack, and may have several frames, checksums, and frames to be skipped.
func TestPacksOfOtherCompressors(t *testing.T) {
	t.Parallel()
	text := deletes(900)
	stream := func(text string, options ...zstd.EOption) []byte {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, options...)
		require.NoError(t, err)
		half := len(text) / 2
		_, err = w.Write([]byte(text[:half]))
		require.NoError(t, err)
		require.NoError(t, w.Flush()) // the size is unknown
		_, err = w.Write([]byte(text[half:]))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	two := append(CompressPack([]byte(text[:100])), CompressPack([]byte(text[100:]))...)
	for name, data := range map[string][]byte{
		"8 MiB":      stream(text, zstd.WithWindowSize(8<<20)),
		"128 MiB":    stream(text, zstd.WithWindowSize(128<<20)),
		"512 MiB":    stream(text, zstd.WithWindowSize(512<<20)),
		"checksum":   stream(text, zstd.WithEncoderCRC(true)),
		"two frames": two,
		"skippable":  append([]byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"), two...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrivals := open(pack(string(data), "Content-Encoding", "zstd"))
			require.Nil(t, arrivals[0].Problem)
			require.Equal(t, 900, len(arrivals)) //nolint:testifylint // Len prints them all
		})
	}
	for name, size := range map[string]int{"bomb": MaxPackBytes + 1, "large bomb": 2 * MaxPackBytes} {
		arrivals := open(pack(string(stream(strings.Repeat(" ", size-1)+"x", zstd.WithWindowSize(512<<20))), "Content-Encoding", "zstd"))
		require.Len(t, arrivals, 1, name)
		require.Equal(t, catalog.BadPack, arrivals[0].Problem.Reason, name)
	}
	whole := open(pack(string(stream(text+strings.Repeat(" ", MaxPackBytes-len(text)), zstd.WithWindowSize(128<<20))), "Content-Encoding", "zstd"))
	require.Nil(t, whole[0].Problem)
	require.Equal(t, 900, len(whole)) //nolint:testifylint // Len prints them all
}

// TestPacksShareABufferAndLinesDoNot: a buffer is used again once the last line was read, and
// nothing that was read changes by that.
func TestPacksShareABufferAndLinesDoNot(t *testing.T) {
	t.Parallel()
	compressed := func(prefix string) Raw {
		var text []byte
		for i := range 50 {
			text, _ = AppendLine(text, fmt.Appendf(nil, `{"item_id":"%s-%d","operation":"UPSERT","attributes":{"title":"%s of %d"}}`, prefix, i, prefix, i))
		}
		return pack(string(CompressPack(text)), "Content-Encoding", "zstd")
	}
	requireOf := func(prefix string, arrivals []catalog.Arrival) {
		t.Helper()
		for i, arrival := range arrivals {
			require.Nil(t, arrival.Problem)
			require.Equal(t, fmt.Sprintf("%s-%d", prefix, i), arrival.Mutation.ItemID)
			require.JSONEq(t, fmt.Sprintf(`{"title":"%s of %d"}`, prefix, i), string(arrival.Mutation.Attributes))
		}
	}
	var decoder Decoder
	read := map[string][]catalog.Arrival{}
	for round := range 20 {
		// Two are open at a time, and one of them is given up.
		one, two := decoder.Open(compressed(fmt.Sprint("one", round))), decoder.Open(compressed(fmt.Sprint("two", round)))
		for range 20 {
			read[fmt.Sprint("one", round)] = append(read[fmt.Sprint("one", round)], one.Next())
			read[fmt.Sprint("two", round)] = append(read[fmt.Sprint("two", round)], two.Next())
		}
		for one.Left() > 0 {
			read[fmt.Sprint("one", round)] = append(read[fmt.Sprint("one", round)], one.Next())
		}
		skipped := decoder.Open(compressed("skipped"))
		for skipped.Left() > 0 {
			skipped.Skip()
		}
	}
	for prefix, arrivals := range read {
		requireOf(prefix, arrivals)
	}
}
