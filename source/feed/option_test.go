package feed

import (
	"context"
	"io"
	"slices"
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

// TestOneQuoteInNarrowTables: what a bad quote may have swallowed counts as unreadable, so that
// nothing is taken for missing.
func TestOneQuoteInNarrowTables(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		text       string
		unreadable int64
	}{
		"whole rows":                 {"id,store_code,price,availability\nA,s1,10 EUR,in stock\nB,\"s1,10 EUR,in stock\nC,s1,10 EUR,in stock\nD,s1\",10 EUR,in stock\nE,s1,10 EUR,in stock\n", 2},
		"two columns":                {"id;title\n1;\"Lamp\n2;Chair\"\n3;Table\n", 1},
		"and a comma":                {"id,title,price\n1,\"Lamp, red,5 EUR\n2,Chair,6 EUR\n3,Mug\",7 EUR\n4,Cup,8 EUR\n", 2},
		"and a comma, wide":          {"id,title,price,link,brand,color,size\n1,\"Lamp, red,5 EUR,l,b,c,s\n2,Chair,6 EUR,l,b,c,s\n3,Mug\",7 EUR,l,b,c,s\n4,Cup,8 EUR,l,b,c,s\n", 2},
		"tabs":                       {"id\ttitle\n1\t\"Lamp\n2\tChair\"\n3\tTable\n", 0},
		"a text of lines":            {"id,title,price\n1,\"Lamp\nand bulb\",5 EUR\n2,\"Cup, red\nor blue\",6 EUR\n", 0},
		"a text of lines and commas": {"id,title,price\n1,\"Mugs, red, blue\nA cup, a jug, a pot\n\",5 EUR\n", 0},
	} {
		var report Report
		records, reader := all(t, each.text, Options{Finding: report.Add})
		assert.Equal(t, each.unreadable > 0, slices.ContainsFunc(records, func(r Record) bool { return r.Damaged }), name)
		assert.Equal(t, each.unreadable, reader.Stats().Unreadable, name)
		assert.Equal(t, each.unreadable > 0 || name == "tabs", len(report.First(KindQuote)) > 0, name)
	}
}

// TestShiftedIDs: where a row has too many cells, an id behind the first cell may be its
// neighbour's: the item that it belongs to is none of those that were read.
func TestShiftedIDs(t *testing.T) {
	t.Parallel()
	_, reader := all(t, "id,title\n1,Lamp\n2,Cup, red\n", Options{})
	assert.Zero(t, reader.Stats().Unreadable)
	records, reader := all(t, "title,id,price\nLamp,1,5 EUR\nCup, red,2,6 EUR\n", Options{})
	require.Len(t, records, 2)
	assert.True(t, records[1].Damaged)
	assert.EqualValues(t, 1, reader.Stats().Unreadable)
}

// TestLineFeedInCell: lines end with CR alone, also where a quoted cell holds a line feed.
func TestLineFeedInCell(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"id,title,description\r1,Lamp 15\",\"red\nblue, \"\"new\"\"\"\r2,Cup,c\r",
		"# c\rid;title;description\r1;Lamp;\"red\nblue, \"\"new\"\"\"\r2;Cup;c\r",
		"id\ttitle\tdescription\r1\tLamp\t\"red\nblue, \"\"new\"\"\"\r2\tCup\tc",
	} {
		records, _ := all(t, text, Options{})
		require.Len(t, records, 2, text)
		assert.Equal(t, "red\nblue, \"new\"", records[0].Item["description"])
		assert.False(t, records[0].Damaged)
		assert.Equal(t, "c", records[1].Item["description"])
	}
	// Without quotes it ends its row, and no other one.
	records, _ := all(t, "id,title,price\r1,Lamp\nred,5 EUR\r2,Cup,6 EUR\r", Options{})
	require.Len(t, records, 3)
	assert.Equal(t, map[string]any{"id": "2", "title": "Cup", "price": "6 EUR"}, records[2].Item)
	assert.Nil(t, records[0].Item["price"])
	// A stray CR is text where lines end with line feeds.
	for _, text := range []string{"id,title\n1,La\rmp\n2,Cup\n", "id,ti\rtle\n1,Lamp\n2,Cup\n", "id,ti\rtle\r\n1,Lamp\r\n2,Cup\r\n"} {
		records, _ = all(t, text, Options{})
		require.Len(t, records, 2)
	}
}

// TestListsBeforeTheID: an object a line is an item, whatever lists it has.
func TestListsBeforeTheID(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		`{"title":"T","offers":[{"price":"1 EUR"},{"price":"2 EUR"},{"price":"3 EUR"}],"id":"1"}` + "\n" + `{"title":"U","offers":[],"id":"2"}`: 2,
		`{"variants":[{"id":"a"}],"id":"1"}` + " \r\n" + `{"id":"2"}`:                                                                           2,
		`{"data":[{"id":"a"}]}` + "\n" + `{"data":[{"id":"b"}]}` + "\n":                                                                         2,
		`{"meta":{"page":1},"items":[{"id":"a"},{"id":"b"},{"id":"c"}],"total":3}`:                                                              3,
	} {
		records, _ := all(t, name, Options{})
		assert.Len(t, records, want, name)
	}
}

// TestDamagedParents: what a variation has from a damaged row is not reliable either.
func TestDamagedParents(t *testing.T) {
	t.Parallel()
	for format, text := range map[Format]string{
		WooCommerce: "ID,Type,SKU,Name,Published,Regular price,Parent,Position\n1,variable,a,Shirt, long,1,,,7\n2,variation,b,Shirt S,1,5,a,1\n3,variation,c,Shirt M,1,5,id:1,2\n4,simple,d,Cup,1,5,,3\n",
		Adobe: "sku,product_type,name,configurable_variations,attribute_set_code,price\n" +
			"a,configurable,Shirt,\"sku=b,size=S|sku=c,size=M\",Default,5, x\nb,simple,Shirt S,,Default,5\nc,simple,Shirt M,,Default,5\nd,simple,Cup,,Default,5\n",
	} {
		var report Report
		records, reader := all(t, text, Options{Finding: report.Add, TempDir: t.TempDir()})
		require.Equal(t, format, reader.Format())
		require.Len(t, records, 4)
		for i, damaged := range []bool{true, true, true, false} {
			assert.Equal(t, damaged, records[i].Damaged, "%s %d", format, i)
		}
		assert.Len(t, report.First(KindGroup), 2, format)
	}
}

// TestAddressesInCells are separated as Meta does it.
func TestAddressesInCells(t *testing.T) {
	t.Parallel()
	const a, b = "https://shop.example/a,b;c.jpg", "http://shop.example/2.jpg"
	for _, separator := range []string{",", ", ", ";", "|", " ", " | ", "\n", ",,"} {
		assert.Equal(t, []any{a, b}, split(a+separator+b), separator)
	}
	assert.Equal(t, []any{"see https://shop.example"}, split("see https://shop.example"))
	assert.Equal(t, []any{"a", "b"}, split("a, b"))
}
