package feed

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// all reads a feed that is right.
func all(t *testing.T, text string, options Options) ([]Record, *Reader) {
	t.Helper()
	reader, err := Open(strings.NewReader(text), options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, reader.Close()) })
	var records []Record
	for record, err := range reader.All(context.Background()) {
		require.NoError(t, err)
		records = append(records, record)
	}
	return records, reader
}

func TestOptionEncoding(t *testing.T) {
	t.Parallel()
	polish, err := charmap.Windows1250.NewEncoder().String("id,title\n1,Żółw\n")
	require.NoError(t, err)
	records, reader := all(t, polish, Options{Encoding: "windows-1250"})
	assert.Equal(t, "Żółw", records[0].Item["title"])
	assert.Equal(t, "windows-1250", reader.Encoding())

	sjis, err := japanese.ShiftJIS.NewEncoder().String("id,title\n1,椅子\n")
	require.NoError(t, err)
	records, _ = all(t, sjis, Options{Encoding: "Shift_JIS"})
	assert.Equal(t, "椅子", records[0].Item["title"])
}

// TestDeclaredEncodingWithoutHighBytes: all bytes of ISO-2022-JP look like ASCII.
func TestDeclaredEncodingWithoutHighBytes(t *testing.T) {
	t.Parallel()
	text, err := japanese.ISO2022JP.NewEncoder().String(`<?xml version="1.0" encoding="ISO-2022-JP"?><rss><channel><item><id>1</id><title>椅子</title></item></channel></rss>`)
	require.NoError(t, err)
	records, _ := all(t, text, Options{})
	assert.Equal(t, "椅子", records[0].Item["title"])
}

// TestLateEncoding: the first byte that is not ASCII may come after megabytes.
func TestLateEncoding(t *testing.T) {
	t.Parallel()
	plain := "id,title\n" + strings.Repeat("1,Lamp\n", 300_000)
	for end, want := range map[string]string{"2,Caf\xe9\n": "windows-1252", "2,Café\n": "utf-8"} {
		records, reader := all(t, plain+end, Options{})
		assert.Equal(t, "Café", records[len(records)-1].Item["title"])
		assert.Equal(t, want, reader.Encoding())
	}
}

func TestOptionDelimiter(t *testing.T) {
	t.Parallel()
	const text = "id,label;price\n1,Lamp;5,00\n"
	var report Report
	records, _ := all(t, text, Options{Finding: report.Add})
	assert.Equal(t, map[string]any{"id,label": "1,Lamp", "price": "5,00"}, records[0].Item, "the next row decides")
	assert.EqualValues(t, 1, report.Count(KindDelimiter))
	records, _ = all(t, text, Options{Delimiter: ','})
	assert.Equal(t, map[string]any{"id": "1", "label;price": "Lamp;5"}, records[0].Item)
}

// TestOptionFormat: an export in another language has other columns, and can be read as
// a table.
func TestOptionFormat(t *testing.T) {
	t.Parallel()
	const text = "Handle,Title,Variant Price\nlamp,Lamp,5.00\nlamp,,6.00\n"
	records, reader := all(t, text, Options{})
	assert.Equal(t, Shopify, reader.Format())
	assert.Equal(t, "Lamp", records[1].Item["title"])
	records, reader = all(t, text, Options{Format: Table, Required: []string{"variant_price"}})
	assert.Equal(t, Table, reader.Format())
	assert.Equal(t, map[string]any{"handle": "lamp", "variant_price": "6.00"}, records[1].Item)
	assert.Equal(t, []string{"handle", "title", "variant_price"}, reader.Columns())
	_, err := Open(strings.NewReader("id,title\n"), Options{Format: Shopify})
	require.ErrorIs(t, err, ErrNoHeader)
}

// TestHeaderOnly: a header with an id, or with what is required, and no rows is an empty
// feed. What an empty feed means is not the reader's business.
func TestHeaderOnly(t *testing.T) {
	t.Parallel()
	records, _ := all(t, "id,title\n", Options{})
	assert.Empty(t, records)
	records, _ = all(t, "number,title\n", Options{Required: []string{"number"}})
	assert.Empty(t, records)
	records, _ = all(t, "<rss><channel></channel></rss>", Options{})
	assert.Empty(t, records)
	records, _ = all(t, "[]", Options{})
	assert.Empty(t, records)
}

func TestOptionMember(t *testing.T) {
	t.Parallel()
	archive := zipped("out/a.csv", "id\n1\n", "out/b.csv", "id\n2\n")
	for _, pattern := range []string{"b.csv", "out/b*"} {
		records, _ := all(t, archive, Options{Member: pattern})
		assert.Equal(t, "2", records[0].Item["id"])
		assert.Equal(t, "out/b.csv, line 2, record 1", records[0].Place.String())
	}
	_, err := Open(strings.NewReader(archive), Options{Member: "[", TempDir: t.TempDir()})
	require.ErrorIs(t, err, ErrMember)
}

// TestOptionSize: as many bytes as announced are a complete feed.
func TestOptionSize(t *testing.T) {
	t.Parallel()
	const text = "id,title\n1,Lamp\n"
	records, reader := all(t, text, Options{Size: int64(len(text))})
	assert.Len(t, records, 1)
	assert.Equal(t, Stats{Records: 1, Bytes: int64(len(text))}, reader.Stats())
}

// TestMaxLinks: variations beyond the limit are read, with a finding that names it.
func TestMaxLinks(t *testing.T) {
	t.Parallel()
	const text = "ID,Type,SKU,Name,Regular price,Parent\n1,variable,a,A,,\n2,variable,b,B,,\n3,variation,,A1,5,a\n4,variation,,B1,5,b\n"
	var report Report
	records, _ := all(t, text, Options{MaxLinks: 2, Finding: report.Add, TempDir: t.TempDir()})
	require.Len(t, records, 4)
	assert.Equal(t, "a", records[2].Group)
	assert.NotNil(t, records[2].Item["parent_product"])
	assert.Equal(t, "b", records[3].Group)
	assert.Nil(t, records[3].Item["parent_product"])
	require.Len(t, report.First(KindGroup), 1)
	assert.Contains(t, report.First(KindGroup)[0].Rule, "limit")
}

// TestFindings: they are counted without bound and kept with one, short and printable.
func TestFindings(t *testing.T) {
	t.Parallel()
	text := "id,title,price\n" + strings.Repeat("1,\x1b[31m"+strings.Repeat("x", 500)+"\n", 1000)
	var report Report
	records, reader := all(t, text, Options{Finding: report.Add})
	assert.Len(t, records, 1000)
	assert.Equal(t, []Kind{KindRagged}, report.Kinds())
	assert.EqualValues(t, 1000, report.Count(KindRagged))
	assert.EqualValues(t, 1000, reader.Stats().Findings)
	first := report.First(KindRagged)
	require.Len(t, first, 10)
	assert.Equal(t, Place{Line: 2, Record: 1}, first[0].Place)
	assert.NotContains(t, first[0].Value, "\x1b")
	assert.Contains(t, first[0].Value, `\x1b[31mxxx`)
	assert.LessOrEqual(t, len(first[0].Value), 100)
	assert.Zero(t, report.Count(KindQuote))
	assert.Empty(t, report.First(KindQuote))
}

// TestAllEnds with its context, and after an error.
func TestAllEnds(t *testing.T) {
	t.Parallel()
	reader, err := Open(strings.NewReader("id,title\n1,a\n2,\"b"), Options{})
	require.NoError(t, err)
	var errs []error
	for _, err := range reader.All(context.Background()) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrTruncated)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range reader.All(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// TestSpreadsheetOfManyPairs: a cell with more pairs than attributes can be is text.
func TestSpreadsheetOfManyPairs(t *testing.T) {
	t.Parallel()
	cell := strings.TrimPrefix(strings.Repeat(",a=<", 10_000), ",")
	records, _ := all(t, "sku,product_type,additional_attributes\n1,simple,\""+cell+"\"\n", Options{})
	assert.Equal(t, cell, records[0].Item["additional_attributes"])
}

// TestBehindTheEnd: the end is said again and again.
func TestBehindTheEnd(t *testing.T) {
	t.Parallel()
	_, reader := all(t, "id,title\n1,a\n", Options{})
	for range 3 {
		_, err := reader.Next()
		require.Equal(t, io.EOF, err)
	}
}
