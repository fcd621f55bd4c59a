package ledger_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.IntRange(0, 3).Draw(t, label+" is zero") == 0 {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-1<<34, 1<<34).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns")).UTC()
}

func drawMutation(t *rapid.T) *catalog.Mutation {
	text := rapid.String()
	m := &catalog.Mutation{
		ID:         text.Draw(t, "id"),
		Lane:       catalog.Lane{Account: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account"), Catalog: text.Draw(t, "catalog"), Type: "RETAIL"},
		ItemID:     text.Draw(t, "item"),
		Operation:  catalog.Operation(rapid.Byte().Draw(t, "operation")),
		HasNull:    rapid.Bool().Draw(t, "null"),
		Version:    rapid.Int64().Draw(t, "version"),
		HasVersion: rapid.Bool().Draw(t, "has version"),
		OccurredAt: drawTime(t, "occurred"), PublishedAt: drawTime(t, "published"), ReceivedAt: drawTime(t, "received"),
		RecordedOn: drawTime(t, "recorded"), NotBefore: drawTime(t, "not before"),
		Position: catalog.Position{Generation: rapid.Int64().Draw(t, "generation"), Sequence: rapid.Uint64().Draw(t, "sequence"), Line: max(rapid.IntRange(-3, 9999).Draw(t, "line"), 0)},
		Message: catalog.Message{
			Subject: rapid.SampledFrom([]string{"s", "catalog.mutations.a.b.c"}).Draw(t, "subject"),
			Data:    rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "data"),
		},
		TraceParent: rapid.SampledFrom([]string{"", "00-x"}).Draw(t, "parent"), TraceState: rapid.SampledFrom([]string{"", "a=b"}).Draw(t, "state"),
		Attempts: rapid.IntRange(0, 1<<31-1).Draw(t, "attempts"), SplitStep: rapid.IntRange(0, 9).Draw(t, "step"),
		NoMerge: rapid.Bool().Draw(t, "apart"), HasWaitingRow: rapid.Bool().Draw(t, "stored"),
		Checked: rapid.Bool().Draw(t, "checked"),
	}
	if rapid.Bool().Draw(t, "localized") {
		m.Localization = catalog.Localization{Type: "LANGUAGE", Value: text.Draw(t, "localization")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		m.Message.Headers = append(m.Message.Headers, catalog.Header{Name: rapid.SampledFrom([]string{"Nats-Msg-Id", "x"}).Draw(t, "name"), Value: text.Draw(t, "value")})
	}
	data := m.Message.Data
	switch rapid.IntRange(0, 3).Draw(t, "attributes") {
	case 0: // a piece of the data
		from := rapid.IntRange(0, len(data)-1).Draw(t, "from")
		m.Attributes = data[from:rapid.IntRange(from+1, len(data)).Draw(t, "to")]
	case 1: // equal to a piece, but elsewhere
		m.Attributes = bytes.Clone(data[len(data)/2:])
	case 2: // not in the data
		m.Attributes = []byte(`{"not":"in the data, for it is far too long to be a piece of it, whatever was drawn there"}`)
	}
	return m
}

func TestPayloadKeepsEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := make([]catalog.Record, rapid.IntRange(0, 4).Draw(t, "records"))
		for i := range records {
			for range rapid.IntRange(1, 3).Draw(t, "constituents") {
				m := drawMutation(t)
				if rapid.Bool().Draw(t, "of the same pack") && i > 0 {
					m.Message.Headers = records[i-1].Newest().Message.Headers
				}
				records[i].Constituents = append(records[i].Constituents, m)
			}
			records[i].Key = records[i].Constituents[0].Key()
		}
		prefix := []byte("before")
		encoded := ledger.EncodeRecords(bytes.Clone(prefix), records)
		require.Equal(t, prefix, encoded[:len(prefix)])
		decoded, err := ledger.DecodeRecords(encoded[len(prefix):])
		require.NoError(t, err)
		require.Equal(t, records, decoded)
		requireScanned(t, encoded[len(prefix):], records)
		for _, record := range decoded {
			for _, m := range record.Constituents {
				if len(m.Attributes) > 0 && bytes.Contains(m.Message.Data, m.Attributes) {
					again, err := ledger.DecodeMutation(ledger.EncodeMutation(nil, m))
					require.NoError(t, err)
					require.Equal(t, m, again)
				}
			}
		}
	})
}

// TestLinesOfAPackShareTheirHeaders: they are stored once, and not at all in a plain message.
func TestLinesOfAPackShareTheirHeaders(t *testing.T) {
	t.Parallel()
	headers := []catalog.Header{{Name: "Nats-Msg-Id", Value: "a-pack-of-ten-thousand-lines"}}
	line := func(n int) *catalog.Mutation {
		return &catalog.Mutation{
			ID: "id", ItemID: "item", Position: catalog.Position{Sequence: 1, Line: n},
			Message: catalog.Message{Subject: "s", Headers: headers, Data: []byte("{}")},
		}
	}
	size := func(ms ...*catalog.Mutation) int {
		return len(ledger.EncodeRecords(nil, []catalog.Record{{Constituents: ms}}))
	}
	require.Less(t, size(line(1), line(2))-size(line(1)), size(line(1))-len(headers[0].Value))
	plain := line(0)
	require.Less(t, size(plain), size(line(1)), "a plain one pays nothing")
	records, err := ledger.DecodeRecords(ledger.EncodeRecords(nil, []catalog.Record{{Constituents: []*catalog.Mutation{line(1), line(9999)}}}))
	require.NoError(t, err)
	again := records[0].Constituents
	require.Same(t, &again[0].Message.Headers[0], &again[1].Message.Headers[0])
	require.Equal(t, 9999, again[1].Position.Line)
}

// requireScanned holds ScanRecords to the records.
func requireScanned(t require.TestingT, payload []byte, records []catalog.Record) {
	var want, got []catalog.Mutation
	var numbers, seen []int
	var newest, ends []bool
	for i := range records {
		for j, m := range records[i].Constituents {
			brief := *m
			brief.Message, brief.Attributes = catalog.Message{}, nil
			want, numbers, newest = append(want, brief), append(numbers, i), append(newest, j == len(records[i].Constituents)-1)
		}
	}
	require.NoError(t, ledger.ScanRecords(payload, func(record int, newest bool, m *catalog.Mutation) {
		got, seen, ends = append(got, *m), append(seen, record), append(ends, newest)
	}))
	require.Equal(t, want, got)
	require.Equal(t, numbers, seen)
	require.Equal(t, newest, ends)
}

func TestPayloadRefusesDamage(t *testing.T) {
	t.Parallel()
	whole := ledger.EncodeMutation(nil, &catalog.Mutation{ID: "id", ItemID: "item", Message: catalog.Message{Data: []byte("{}")}})
	for n := range whole {
		_, err := ledger.DecodeMutation(whole[:n])
		require.ErrorIs(t, err, ledger.ErrPayload)
	}
	_, err := ledger.DecodeMutation(append(whole, 0))
	require.ErrorIs(t, err, ledger.ErrPayload)
	_, err = ledger.DecodeRecords([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	require.ErrorIs(t, err, ledger.ErrPayload, "a count that nothing follows allocates nothing")
	_, err = ledger.DecodeRecords([]byte{99})
	require.ErrorIs(t, err, ledger.ErrPayload)
	whole = ledger.EncodeRecords(nil, []catalog.Record{{Constituents: []*catalog.Mutation{{ID: "id", ItemID: "item", Message: catalog.Message{Data: []byte("{}")}}}}})
	for n := range whole {
		require.ErrorIs(t, ledger.ScanRecords(whole[:n], func(int, bool, *catalog.Mutation) {}), ledger.ErrPayload)
	}
}

func FuzzDecodeRecords(f *testing.F) {
	m := &catalog.Mutation{ID: "id", ItemID: "item", Message: catalog.Message{Subject: "s", Data: []byte(`{"attributes":{}}`)}}
	m.Attributes = m.Message.Data[14:16]
	f.Add(ledger.EncodeRecords(nil, []catalog.Record{{Constituents: []*catalog.Mutation{m, m}}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		records, err := ledger.DecodeRecords(payload)
		if err != nil {
			return
		}
		again, err := ledger.DecodeRecords(ledger.EncodeRecords(nil, records))
		require.NoError(t, err)
		require.Equal(t, records, again)
		requireScanned(t, payload, records)
	})
}
