package feed

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func zipped(members ...string) string {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for i := 0; i < len(members); i += 2 {
		member, _ := archive.Create(members[i])
		_, _ = io.WriteString(member, members[i+1])
	}
	_ = archive.Close()
	return out.String()
}

func gzipped(text string) string {
	var out bytes.Buffer
	packer := gzip.NewWriter(&out)
	_, _ = io.WriteString(packer, text)
	_ = packer.Close()
	return out.String()
}

func zstandard(text string) string {
	packer, _ := zstd.NewWriter(nil)
	return string(packer.EncodeAll([]byte(text), nil))
}

func cut(text string, missing int) string { return text[:len(text)-missing] }

// manyRows is a table that compresses well.
func manyRows(bytes int) string {
	const line = "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
	return "id,title\n" + strings.Repeat(line, bytes/len(line))
}

// TestErrors: each bad feed ends with an error of its kind, which says what to do, and
// never with io.EOF.
func TestErrors(t *testing.T) {
	t.Parallel()
	parquet, err := os.ReadFile("testdata/products.parquet")
	require.NoError(t, err)
	adobe, err := os.ReadFile("testdata/adobe-configurable.csv")
	require.NoError(t, err)
	const rss = `<rss><channel><item><id>1</id></item><item><id>2</id>`
	tests := map[string]struct {
		input   string
		options Options
		kind    error
		says    string // a part of the text
		records int    // that come first
	}{
		"empty":                       {"", Options{}, ErrNotAFeed, "empty", 0},
		"blank":                       {" \n\t\r\n", Options{}, ErrNotAFeed, "empty", 0},
		"blank, long":                 {strings.Repeat(" ", 5000), Options{}, ErrNotAFeed, "empty", 0},
		"only a byte order mark":      {"\xef\xbb\xbf", Options{}, ErrNotAFeed, "empty", 0},
		"only comments":               {"# a\n# b\n", Options{}, ErrNoHeader, "comment", 0},
		"gzip of nothing":             {gzipped(""), Options{}, ErrNotAFeed, "empty", 0},
		"HTML page":                   {"\n<!DOCTYPE html><html><head><title>Log in\n now</title></head></html>", Options{}, ErrNotAFeed, "title Log in now", 0},
		"HTML page, XHTML":            {"<?xml version=\"1.0\"?>\n<!doctype HTML PUBLIC \"x\"><html>", Options{}, ErrNotAFeed, "HTML", 0},
		"HTML fragment":               {"<h1>404 Not Found</h1>", Options{}, ErrNotAFeed, "HTML", 0},
		"XML error of a store":        {"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", Options{}, ErrNotAFeed, "<Error>", 0},
		"sitemap":                     {"<urlset></urlset>", Options{}, ErrNotAFeed, "<urlset>", 0},
		"JSON error":                  {`{"error":{"code":401}}`, Options{}, ErrNotAFeed, "error message", 0},
		"plain error":                 {"Not Found", Options{}, ErrNoHeader, "one column", 0},
		"plain error with a comma":    {"Not available, try later", Options{}, ErrNotAFeed, "one line of text", 0},
		"Excel workbook":              {zipped("[Content_Types].xml", "x", "xl/workbook.xml", "y"), Options{}, ErrMember, "2 members", 0},
		"PDF":                         {"%PDF-1.7", Options{}, ErrNotAFeed, "PDF", 0},
		"bzip2":                       {"BZh91AY", Options{}, ErrNotAFeed, "gzip or zstd", 0},
		"binary":                      {"id,\x00\x01\x02\x00\x00\x00\x01title", Options{}, ErrNotAFeed, "binary", 0},
		"unknown encoding":            {`<?xml version="1.0" encoding="klingon"?><rss/>`, Options{}, ErrEncoding, "klingon", 0},
		"unknown encoding, by option": {"id,title\n1,é\n", Options{Encoding: "nothing"}, ErrEncoding, "nothing", 0},
		"XML cut in an item":          {rss, Options{}, ErrTruncated, "record 2", 1},
		"XML cut between items":       {cut(rss, 13), Options{}, ErrTruncated, "", 1},
		"XML cut in a tag":            {rss + "<pri", Options{}, ErrTruncated, "", 1},
		"XML cut in a comment":        {rss + "</item><!-- ", Options{}, ErrTruncated, "", 2},
		"XML cut in CDATA":            {rss + "<title><![CDATA[ab", Options{}, ErrTruncated, "", 1},
		"XML cut after the last item": {rss + "</item></channel>", Options{}, ErrTruncated, "", 2},
		"XML with crossed tags":       {rss + "</channel></item></rss>", Options{}, ErrMalformed, "line 1", 1},
		"XML too deep":                {rss + strings.Repeat("<a>", 100), Options{}, ErrMalformed, "deep", 1},
		"XML too deep above items":    {strings.Repeat("<rss>", 100), Options{}, ErrMalformed, "deep", 0},
		"XML too deep in a text":      {rss + "<title>" + strings.Repeat("<a>", 100), Options{}, ErrMalformed, "deep", 1},
		"XML with an endless text":    {rss + "<title>" + strings.Repeat("a", 5<<20), Options{}, ErrTooLarge, "limit", 1},
		"XML without a root":          {"<!-- nothing -->", Options{}, ErrNotAFeed, "no XML element", 0},
		"gzip cut":                    {cut(gzipped(manyRows(20_000)), 40), Options{}, ErrTruncated, "gzip", -1},
		"gzip without its checksum":   {cut(gzipped("id,title\n1,a\n"), 4), Options{}, ErrTruncated, "gzip", -1},
		"gzip with a wrong checksum":  {cut(gzipped("id,title\n1,a\n"), 8) + "12345678", Options{}, ErrMalformed, "gzip", -1},
		"gzip cut in its head":        {"\x1f\x8b\x08", Options{}, ErrTruncated, "gzip", 0},
		"zstd cut":                    {cut(zstandard(manyRows(20_000)), 6), Options{}, ErrTruncated, "zstd", -1},
		"zip cut":                     {cut(zipped("a.csv", "id,title\n1,a\n"), 30), Options{}, ErrTruncated, "zip", 0},
		"zip with two members":        {zipped("a.csv", "id\n1\n", "b.csv", "id\n2\n"), Options{}, ErrMember, "a.csv, b.csv", 0},
		"zip without the member":      {zipped("a.csv", "id\n1\n"), Options{Member: "*.xml"}, ErrMember, "no member", 0},
		"zip without members":         {zipped(), Options{}, ErrMember, "no member", 0},
		"three layers":                {gzipped(gzipped(gzipped("id\n1\n"))), Options{}, ErrNotAFeed, "archive", 0},
		"bomb by ratio":               {gzipped(manyRows(80 << 20)), Options{}, ErrTooLarge, "250 times", -1},
		"bomb by size":                {zstandard(manyRows(3 << 20)), Options{MaxBytes: 1 << 20}, ErrTooLarge, "larger than 1048576", -1},
		"input too large":             {manyRows(300_000), Options{MaxInput: 200_000}, ErrTooLarge, "200000", -1},
		"shorter than announced":      {"id,title\n1,a\n2,b\n", Options{Size: 30}, ErrTruncated, "17 of 30", -1},
		"longer than announced":       {"id,title\n1,a\n2,b\n", Options{Size: 10}, ErrMalformed, "10 bytes", -1},
		"table cut in a quoted cell":  {"id,title\n1,a\n2,\"b, c\n", Options{}, ErrTruncated, "line 3", 1},
		"table cut in its last row":   {"id,title,price\n1,a,5\n2,b", Options{}, ErrTruncated, "2 of 3 cells", 1},
		"table of values":             {"1,https://s.example/1,5.00 EUR\n", Options{}, ErrNoHeader, "values", 0},
		"table without a column":      {"id,title\n1,a\n", Options{Required: []string{"sku"}}, ErrNoHeader, `"sku" is missing`, 0},
		"table with too many columns": {strings.Repeat("a,", 3000) + "\n", Options{}, ErrTooLarge, "3001", 0},
		"header with an open quote":   {"id,\"title\n1,a\n", Options{}, ErrTruncated, "quoted", 0},
		"header with a broken quote":  {"id,\"title\"x\n1,a\n", Options{}, ErrNoHeader, "quotes", 0},
		"header without end":          {strings.Repeat("a", 200_000), Options{}, ErrNoHeader, "too long", 0},
		"header without names":        {",\n0,0\n", Options{}, ErrNoHeader, "no column has a name", 0},
		"a delimiter that is none":    {"id,title\n", Options{Delimiter: 'x'}, ErrNoHeader, "comma", 0},
		"a format that cannot be":     {"id,title\n1,a\n", Options{Format: Parquet}, ErrNotAFeed, "parquet", 0},
		"export cut, read twice":      {string(adobe) + "\nS-9,\"cut", Options{}, ErrTruncated, "", 0},
		"JSON array cut":              {`[{"id":1},{"id":2}`, Options{}, ErrTruncated, "", 2},
		"JSON array cut in an object": {`[{"id":1},{"id`, Options{}, ErrTruncated, "", 1},
		"JSON array with a comma":     {`[{"id":1},]`, Options{}, ErrMalformed, "", 1},
		"JSON array and more":         {`[{"id":1}][{"id":2}]`, Options{}, ErrMalformed, "more", 1},
		"wrapped JSON cut":            {`{"products":[{"id":1}]`, Options{}, ErrTruncated, "", 1},
		"wrapped JSON cut behind":     {`{"products":[{"id":1}],"next":`, Options{}, ErrTruncated, "", 1},
		"JSON lines cut":              {"{\"id\":1}\n{\"id\":", Options{}, ErrTruncated, "line 2", 1},
		"JSON lines, none of them":    {"{id:1}\n{id:2}\n", Options{}, ErrMalformed, "none of its 2", 0},
		"JSON with an endless value":  {`[{"id":"` + strings.Repeat("a", 5<<20), Options{}, ErrTooLarge, "limit", 0},
		"JSON objects cut":            {"{\n\"id\":1}\n{\n\"id\"", Options{}, ErrTruncated, "", -1},
		"Parquet cut":                 {string(parquet[:len(parquet)-9]), Options{}, ErrTruncated, "index", 0},
		"Parquet of its magic":        {"PAR1", Options{}, ErrTruncated, "index", 0},
		"Parquet with a large footer": {"PAR1" + "\xff\xff\xff\x7fPAR1", Options{}, ErrMalformed, "larger", 0},
		"Parquet with a wrong footer": {"PAR1aaaaaaaa\x08\x00\x00\x00PAR1", Options{}, ErrMalformed, "", 0},
		"Parquet without a column":    {string(parquet), Options{Required: []string{"gtin"}}, ErrNoHeader, "gtin", 0},
		"Parquet that is too large":   {string(parquet), Options{MaxBytes: 10_000_000, MaxColumns: 3}, ErrTooLarge, "columns", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.TempDir = t.TempDir()
			records, err := drain(strings.NewReader(test.input), test.options)
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
			require.ErrorIs(t, err, test.kind, "%v", err)
			assert.Contains(t, err.Error(), test.says)
			own := (*Error)(nil)
			require.ErrorAs(t, err, &own)
			if test.records >= 0 {
				assert.Equal(t, test.records, records, "%v", err)
			}
			left, err := os.ReadDir(test.options.TempDir)
			require.NoError(t, err)
			assert.Empty(t, left, "temporary files")
		})
	}
}

// drain reads to the end: nil is a complete end.
func drain(from io.Reader, options Options) (int, error) {
	reader, err := Open(from, options)
	if err != nil {
		return 0, err
	}
	for records := 0; ; records++ {
		_, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return records, reader.Close()
		}
		if err != nil {
			_, again := reader.Next()
			return records, errors.Join(err, reader.Close(), same(err, again))
		}
	}
}

// same: after an error, Next never says that the feed is complete.
func same(err, again error) error {
	if again == nil || errors.Is(again, io.EOF) || again.Error() != err.Error() {
		return errors.New("Next said another thing after an error")
	}
	return nil
}

var errBroken = errors.New("connection reset")

// TestReadErrors: an error of the input is ErrRead with its cause, wherever it comes.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, file := range feeds(t) {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, at := range []int{0, 1, len(content) / 2, len(content) - 1} {
			broken := io.MultiReader(bytes.NewReader(content[:at]), failing{})
			options := optionsOf[filepath.Base(file)]
			options.TempDir = t.TempDir()
			_, err := drain(broken, options)
			require.ErrorIs(t, err, ErrRead, "%s at %d: %v", file, at, err)
			require.ErrorIs(t, err, errBroken, "%s at %d", file, at)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// TestOpenFile: what is not a readable file is an error with its cause.
func TestOpenFile(t *testing.T) {
	t.Parallel()
	_, err := OpenFile(filepath.Join(t.TempDir(), "none"), Options{})
	require.ErrorIs(t, err, ErrRead)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenFile(t.TempDir(), Options{})
	require.ErrorIs(t, err, ErrNotAFeed)
	reader, err := OpenFile("testdata/google-rss.xml", Options{})
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	_, err = reader.Next()
	require.ErrorIs(t, err, ErrRead)
}
