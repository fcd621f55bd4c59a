package message

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

func pack(text string, headers ...string) Raw {
	return delivery(text, append([]string{"Content-Type", PackContentType, "Nats-Msg-Id", "p-1"}, headers...)...)
}

func open(raw Raw) []catalog.Arrival {
	var decoder Decoder
	return decoder.DecodeAll(nil, raw)
}

func deletes(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"item_id":"%d","operation":"DELETE"}`+"\n", i)
	}
	return text.String()
}

func TestLinesOfAPackAreMutations(t *testing.T) {
	t.Parallel()
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	text := testBody + "\r\n\n \t\n" + `{"item_id":"SKU-2","operation":"DELETE"}` + "\n" + `{"item_id":` + "\n" +
		`{"specversion":"1.0","id":"e-1","data":{"item_id":"SKU-3","operation":"DELETE"}}`
	for name, raw := range map[string]Raw{
		"plain":      pack(text, "traceparent", trace, "ce-specversion", "1.0", "ce-id", "other", "X-Mine", "1"),
		"mark":       pack("\ufeff"+text, "traceparent", trace, "X-Mine", "1"),
		"newline":    pack(text+"\n", "traceparent", trace, "X-Mine", "1"),
		"compressed": pack(string(CompressPack([]byte(text))), "content-encoding", "ZSTD", "traceparent", trace, "X-Mine", "1"),
		"parameter":  delivery(text, "content-type", "application/x-ndjson; charset=utf-8", "nats-msg-id", "p-1", "traceparent", trace, "X-Mine", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrivals := open(raw)
			require.Len(t, arrivals, 4)
			for i, id := range []string{"m-1", "p-1/2", "p-1/3", "e-1"} {
				m := arrivals[i].Mutation
				require.Equal(t, id, m.ID)
				require.Equal(t, catalog.Position{Generation: 3, Sequence: 42, Line: i + 1}, m.Position)
				require.Equal(t, i < 3, arrivals[i].More)
				require.Equal(t, catalog.Lane{Account: "acme", Catalog: "us", Type: "RETAIL"}, m.Lane)
				require.Equal(t, trace, m.TraceParent)
				require.Equal(t, testSubject, m.Message.Subject)
				for _, header := range m.Message.Headers {
					require.False(t, OfPack(header.Name), "a line is a message of its own")
				}
				require.GreaterOrEqual(t, len(m.Message.Headers), 3)
			}
			require.True(t, bytes.Equal([]byte(testBody), arrivals[0].Mutation.Message.Data))
			require.Equal(t, "SKU-3", arrivals[3].Mutation.ItemID)
			require.Equal(t, catalog.InvalidJSON, arrivals[2].Problem.Reason, "a bad line takes nothing along")
			require.Nil(t, arrivals[1].Problem)
			require.Nil(t, arrivals[3].Problem)
		})
	}
}

func TestAPlainMessageHasOneLine(t *testing.T) {
	t.Parallel()
	var decoder Decoder
	lines := decoder.Open(delivery(testBody, "Nats-Msg-Id", "h"))
	require.Equal(t, 1, lines.Len())
	require.Zero(t, lines.Line())
	require.Equal(t, Decode(delivery(testBody, "Nats-Msg-Id", "h")), lines.Next())
	require.Zero(t, lines.Left())
}

func TestLinesCanBeSkipped(t *testing.T) {
	t.Parallel()
	var decoder Decoder
	lines := decoder.Open(pack("\n" + deletes(4)))
	require.Equal(t, 1, lines.Line())
	lines.Skip()
	require.Equal(t, 2, lines.Line())
	require.Equal(t, "p-1/2", lines.Next().Mutation.ID)
	lines.Skip()
	last := lines.Next()
	require.Equal(t, "3", last.Mutation.ItemID)
	require.False(t, last.More)
	require.Zero(t, lines.Left())
}

func TestLinesShareNoMemory(t *testing.T) {
	t.Parallel()
	raw := pack(testBody + "\n" + testBody)
	for _, arrival := range open(raw) {
		m := arrival.Mutation
		require.Less(t, cap(m.Message.Data), 2*len(testBody), "the line alone is kept")
		require.Same(t, &m.Message.Data[strings.Index(testBody, `{"title"`)], &m.Attributes[0])
		clear(raw.Data)
		require.True(t, bytes.Equal([]byte(testBody), m.Message.Data))
	}
}

func TestAPackWithoutAnIDNamesItsLinesByTheirPlace(t *testing.T) {
	t.Parallel()
	line := `{"item_id":"1","operation":"DELETE"}`
	require.Equal(t, "3-42/1", open(delivery(line, "Content-Type", PackContentType))[0].Mutation.ID)
	long := strings.Repeat("x", MaxPackID)
	arrival := open(delivery(line, "Content-Type", PackContentType, "Nats-Msg-Id", long))[0]
	require.Equal(t, long+"/1", arrival.Mutation.ID)
	require.Nil(t, arrival.Problem)
	arrival = open(delivery(line, "Content-Type", PackContentType, "Nats-Msg-Id", long+"x"))[0]
	require.Equal(t, "3-42/1", arrival.Mutation.ID)
	require.Equal(t, catalog.InvalidValue, arrival.Problem.Reason)
	arrival = open(delivery(testBody, "Content-Type", PackContentType, "Nats-Msg-Id", long+"x"))[0]
	require.Nil(t, arrival.Problem, "a line with an id of its own needs none of the pack")
}

func TestAPackThatCannotBeReadIsOneDeadLetter(t *testing.T) {
	t.Parallel()
	bomb := CompressPack(make([]byte, MaxPackBytes+1))
	require.Less(t, len(bomb), 64<<10)
	for name, raw := range map[string]Raw{
		"not zstd":          pack(deletes(3), "Content-Encoding", "zstd"),
		"half a frame":      pack(string(CompressPack([]byte(deletes(900)))[:99]), "Content-Encoding", "zstd"),
		"nothing in zstd":   pack("", "Content-Encoding", "zstd"),
		"other encoding":    pack(deletes(3), "Content-Encoding", "gzip"),
		"bomb":              pack(string(bomb), "Content-Encoding", "zstd"),
		"two frames":        pack(string(CompressPack(make([]byte, MaxPackBytes)))+string(CompressPack([]byte("{}"))), "Content-Encoding", "zstd"),
		"a size that lies":  pack("\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff\x01\x00\x00", "Content-Encoding", "zstd"),
		"too large":         pack(strings.Repeat(" ", MaxPackBytes+1)),
		"not UTF-8":         pack(deletes(3) + "\xff"),
		"too many lines":    pack(deletes(MaxPackLines + 1)),
		"nothing":           pack(""),
		"only blank lines":  pack("\r\n \n\t\n"),
		"only a mark":       pack("\ufeff\n"),
		"blank, compressed": pack(string(CompressPack(bytes.Repeat([]byte("\n"), 1<<20))), "Content-Encoding", "zstd"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrivals := open(raw)
			require.Len(t, arrivals, 1)
			m := arrivals[0].Mutation
			require.Equal(t, catalog.BadPack, arrivals[0].Problem.Reason)
			require.NotEmpty(t, arrivals[0].Problem.Text)
			require.False(t, arrivals[0].More)
			require.Equal(t, "p-1", m.ID)
			require.Equal(t, catalog.Position{Generation: 3, Sequence: 42}, m.Position)
			require.Equal(t, string(raw.Data), string(m.Message.Data), "the dead letter has the bytes")
			require.Len(t, m.Message.Headers, len(raw.Headers), "it can be replayed as it is")
		})
	}
}

func TestAPackAtItsLimits(t *testing.T) {
	t.Parallel()
	arrivals := open(pack(deletes(MaxPackLines) + "\n\n"))
	require.Len(t, arrivals, MaxPackLines)
	require.Equal(t, "p-1/10000", arrivals[MaxPackLines-1].Mutation.ID)

	whole := strings.Repeat("x", MaxPackBytes)
	arrivals = open(pack(whole))
	require.Len(t, arrivals, 1)
	require.Equal(t, catalog.MessageTooLarge, arrivals[0].Problem.Reason)
	require.Equal(t, 1, arrivals[0].Mutation.Position.Line)

	line := `{"item_id":"1","operation":"UPSERT","attributes":{"x":"` + strings.Repeat("y", MaxBody) + `"}}`
	arrivals = open(pack(line + "\n" + testBody))
	require.Equal(t, catalog.MessageTooLarge, arrivals[0].Problem.Reason)
	require.Nil(t, arrivals[1].Problem)
}

func TestABadSubjectIsOneDeadLetterALine(t *testing.T) {
	t.Parallel()
	raw := pack(deletes(2))
	raw.Subject = "catalog.p.1.a.b"
	for _, arrival := range open(raw) {
		require.Equal(t, catalog.BadSubject, arrival.Problem.Reason)
	}
}

func TestLinesAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	bodies := []string{
		testBody, "{\n  \"item_id\": \"SKU-2\",\r\n  \"operation\": \"DELETE\"\n}\n",
		`{"item_id":"a\\\"b","operation":"DELETE"}`, "{\"item_id\":\"a\\\\\",\n\"operation\":\"DELETE\"}",
	}
	var text []byte
	for _, body := range bodies {
		var ok bool
		text, ok = AppendLine(text, []byte(body))
		require.True(t, ok, body)
	}
	for _, body := range []string{"", " \n", "\xff", "{\"item_id\":\"a\nb\"}", "\ufeff{}", strings.Repeat("x", MaxBody+1)} {
		same, ok := AppendLine(text, []byte(body))
		require.False(t, ok)
		require.Equal(t, text, same)
	}
	arrivals := open(pack(string(text)))
	require.Len(t, arrivals, len(bodies))
	for i, arrival := range arrivals {
		alone := Decode(delivery(bodies[i]))
		require.Nil(t, arrival.Problem)
		require.Equal(t, alone.Mutation.ItemID, arrival.Mutation.ItemID)
		require.Equal(t, string(alone.Mutation.Attributes), string(arrival.Mutation.Attributes))
	}
	empty, ok := AppendLine(nil, []byte("\"\n\""))
	require.False(t, ok)
	require.Empty(t, empty)
}

// FuzzPack: whatever a pack holds, it has between one and MaxPackLines mutations, each with a
// place of its own; a line is read as it would be alone; and the lines are at most the text.
func FuzzPack(f *testing.F) {
	f.Add([]byte(testBody+"\r\n\r\n"+testBody+"\n"), "")
	f.Add([]byte("\ufeff"+testBody+"\n\n{\n\xc3\n"), "identity")
	f.Add(CompressPack([]byte(testBody+"\n"+testBody)), "zstd")
	f.Add(CompressPack(make([]byte, 1<<20)), "zstd")
	f.Add([]byte("\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff\x01\x00\x00"), "zstd")
	f.Add([]byte(deletes(MaxPackLines+1)), "")
	f.Fuzz(func(t *testing.T, data []byte, encoding string) {
		raw := pack(string(data), "Content-Encoding", encoding)
		arrivals := open(raw)
		require.NotEmpty(t, arrivals)
		require.LessOrEqual(t, len(arrivals), MaxPackLines)
		if arrivals[0].Mutation.Position.Line == 0 {
			require.Len(t, arrivals, 1)
			require.Equal(t, catalog.BadPack, arrivals[0].Problem.Reason)
			require.Equal(t, string(data), string(arrivals[0].Mutation.Message.Data))
			return
		}
		size := 0
		for i, arrival := range arrivals {
			m := arrival.Mutation
			require.Equal(t, i+1, m.Position.Line)
			require.Equal(t, i+1 < len(arrivals), arrival.More)
			require.NotEmpty(t, m.ID)
			require.LessOrEqual(t, len(m.ID), MaxID)
			require.True(t, utf8.Valid(m.Message.Data))
			require.NotContains(t, string(m.Message.Data), "\n")
			size += len(m.Message.Data)
			alone := Decode(delivery(string(m.Message.Data), "Nats-Msg-Id", fmt.Sprintf("p-1/%d", i+1)))
			require.Equal(t, alone.Problem, arrival.Problem)
			require.Equal(t, alone.Mutation.ID, m.ID)
			require.Equal(t, alone.Mutation.ItemID, m.ItemID)
			require.Equal(t, alone.Mutation.Attributes, m.Attributes)
			if line, ok := AppendLine(nil, m.Message.Data); ok {
				require.Equal(t, m.Message.Data, line)
			}
		}
		require.LessOrEqual(t, size, MaxPackBytes)
	})
}

// BenchmarkPack is BenchmarkDecode with the same item in packs of 500, for each mutation.
func BenchmarkPack(b *testing.B) {
	body, err := os.ReadFile("testdata/retail.json")
	require.NoError(b, err)
	var text []byte
	const lines = 500
	for range lines {
		text, _ = AppendLine(text, body)
	}
	for name, raw := range map[string]Raw{
		"plain": {Data: text, Headers: map[string][]string{"Nats-Msg-Id": {"p"}, "Content-Type": {PackContentType}}},
		"zstd":  {Data: CompressPack(text), Headers: map[string][]string{"Nats-Msg-Id": {"p"}, "Content-Type": {PackContentType}, "Content-Encoding": {"zstd"}}},
	} {
		raw.Subject = "catalog.p.17.acme.us.RETAIL"
		b.Run(name, func(b *testing.B) {
			var decoder Decoder
			var arrivals []catalog.Arrival
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for i := 0; i < b.N; i += lines {
				arrivals = decoder.DecodeAll(arrivals[:0], raw)
				if arrivals[lines-1].Problem != nil {
					b.Fatal("the benchmark's pack is refused")
				}
			}
		})
	}
}

// TestAHeaderInTwoCasesIsReadTheSameEachTime: a new owner reads a message again, and must find
// the same lines in it. Names are read without regard to case, and NATS keeps no order of them.
func TestAHeaderInTwoCasesIsReadTheSameEachTime(t *testing.T) {
	t.Parallel()
	const again = 64 // the order of a map is random
	text := deletes(3)
	for name, test := range map[string]struct {
		raw  Raw
		want []string
	}{
		"a pack first":  {delivery(text, "Content-Type", PackContentType, "content-type", "application/json", "Nats-Msg-Id", "p"), []string{"p/1", "p/2", "p/3"}},
		"a pack last":   {delivery(testBody, "Content-Type", "application/json", "content-type", PackContentType, "Nats-Msg-Id", "p"), []string{"m-1"}},
		"two encodings": {delivery(text, "Content-Type", PackContentType, "Content-Encoding", "identity", "content-encoding", "zstd", "Nats-Msg-Id", "p"), []string{"p/1", "p/2", "p/3"}},
		"two ids":       {delivery(text, "Content-Type", PackContentType, "Nats-Msg-Id", "p", "nats-msg-id", "q"), []string{"p/1", "p/2", "p/3"}},
		"ids of plain":  {delivery(deletes(1), "Nats-Msg-Id", "p", "nats-msg-id", "q"), []string{"p"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range again {
				arrivals := open(test.raw)
				var ids []string
				for _, arrival := range arrivals {
					ids = append(ids, arrival.Mutation.ID)
				}
				require.Equal(t, test.want, ids)
				require.Equal(t, open(test.raw), arrivals, "and kept the same")
			}
		})
	}
}

// TestTheHeadersOfAPackAreBounded: every line is kept with them, so that a message of 1 MiB
// would become 10 GiB.
func TestTheHeadersOfAPackAreBounded(t *testing.T) {
	t.Parallel()
	of := func(lines int) []catalog.Arrival {
		return open(pack(deletes(lines), "X-Mine", strings.Repeat("x", MaxPackBytes/1000-len("Nats-Msg-Id")-len("p-1")-len("X-Mine"))))
	}
	arrivals := of(1000)
	require.Equal(t, 1000, len(arrivals)) //nolint:testifylint // Len prints them all
	require.Nil(t, arrivals[999].Problem)
	arrivals = of(1001)
	require.Equal(t, 1, len(arrivals)) //nolint:testifylint // Len prints them all
	require.Equal(t, catalog.BadPack, arrivals[0].Problem.Reason)
	require.Equal(t, deletes(1001), string(arrivals[0].Mutation.Message.Data), "the dead letter has the bytes")
	require.Len(t, arrivals[0].Mutation.Message.Headers, 3)
}
