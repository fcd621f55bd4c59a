package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

const (
	goodLine = `{"account":"a","catalog":"c","type":"RETAIL","item_id":"1","operation":"DELETE"}`
	pretty   = "{\n  \"account\": \"a\",\n  \"item_id\": \"1\"\n}\n"
)

// wideLines is two lines in UTF-16.
func wideLines(littleEndian, mark bool) string {
	text := goodLine + "\n" + goodLine + "\n"
	if mark {
		text = "\ufeff" + text
	}
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		if littleEndian {
			encoded = append(encoded, byte(unit), byte(unit>>8))
		} else {
			encoded = append(encoded, byte(unit>>8), byte(unit))
		}
	}
	return string(encoded)
}

// TestInputsThatAreNotJSONLines: each is refused with a sentence, from a file and from a
// pipe, and nothing of it is published.
func TestInputsThatAreNotJSONLines(t *testing.T) {
	t.Parallel()
	inputs := map[string]struct{ text, what, todo string }{
		"utf16le":            {wideLines(true, true), "UTF-16", "iconv -f UTF-16"},
		"utf16be":            {wideLines(false, true), "UTF-16", "iconv -f UTF-16"},
		"utf16le no mark":    {wideLines(true, false), "UTF-16LE", "iconv -f UTF-16LE"},
		"utf16be no mark":    {wideLines(false, false), "UTF-16BE", "iconv -f UTF-16BE"},
		"utf32":              {"\xff\xfe\x00\x00{\x00\x00\x00", "UTF-32", "iconv"},
		"utf32 no mark":      {"{\x00\x00\x00\"\x00\x00\x00", "UTF-32LE", "iconv"},
		"zip":                {"PK\x03\x04\x14\x00", "ZIP", "unpack"},
		"zstd":               {"\x28\xb5\x2f\xfd\x04", "zstd", "zstdcat"},
		"xz":                 {"\xfd7zXZ\x00\x00", "xz", "xzcat"},
		"bzip2":              {"BZh91AY&SY", "bzip2", "bzcat"},
		"parquet":            {"PAR1\x15\x04", "Parquet", "JSON"},
		"tar":                {"a.jsonl" + strings.Repeat("\x00", 250) + "ustar\x00", "tar", "unpack"},
		"binary":             {"abc\x00\x01\x02,\n", "binary", "JSON"},
		"tsv":                {"id\ttitle\tprice\nSKU-1\tLamp\t1\n", "TSV", "JSON"},
		"semicolons":         {"id;title;price\n1;2;3\n", "CSV", "JSON"},
		"csv with a mark":    {"\xef\xbb\xbfid,title\n1,2\n", "CSV", "JSON"},
		"csv quoted":         {"\"id\",\"title\"\n1,2\n", "CSV", "JSON"},
		"xml":                {"<?xml version=\"1.0\"?>\n<rss/>\n", "XML", "JSON"},
		"html":               {"\n\n <!DOCTYPE html>\n", "HTML", "JSON"},
		"yaml":               {"---\nitem_id: 1\n", "YAML", "yq"},
		"pretty":             {pretty, "pretty-printed", "jq -c"},
		"pretty crlf":        {strings.ReplaceAll(pretty, "\n", "\r\n"), "pretty-printed", "jq -c"},
		"pretty, open":       {"{\"account\":\"a\",\n\"item_id\":\"1\"}\n", "pretty-printed", "jq -c"},
		"cr pretty":          {strings.ReplaceAll(pretty, "\n", "\r"), "carriage returns", "tr"},
		"array of one line":  {"[" + goodLine + "," + goodLine + "]", "array", "jq -c '.[]'"},
		"array with a mark":  {"\xef\xbb\xbf\n[\n" + goodLine + "\n]\n", "array", "jq -c '.[]'"},
		"empty array":        {"[]", "array", "jq"},
		"long array":         {"[" + strings.Repeat(goodLine+",", 20_000) + goodLine + "]", "array", "jq"},
		"commas":             {goodLine + ",\n" + goodLine + "\n", "comma", "sed"},
		"commas, crlf":       {goodLine + " ,\r\n" + goodLine + "\r\n", "comma", "sed"},
		"body for Pinterest": {`{"catalog_type":"RETAIL","operation":"UPSERT","items":[{"item_id":"1"}]}`, "list under items", "jq"},
	}
	files, err := filepath.Glob("testdata/foreign/*")
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name := filepath.Base(path)
		want, ok := map[string]struct{ what, todo string }{
			"array.json": {"array", "jq"}, "array_lines.json": {"array", "jq"}, "array_pretty.json": {"array", "jq"},
			"cr_only.jsonl": {"carriage returns", "tr"}, "graph_batch.json": {"a request to items_batch", "item_id"},
			"gz.jsonl.gz": {"gzip", "zcat"}, "items.csv": {"CSV", "JSON"}, "trailing_commas.jsonl": {"comma", "sed"},
			"utf16le.jsonl": {"UTF-16", "iconv"},
		}[name]
		if name == "two_on_a_line.jsonl" {
			continue // it is read
		}
		require.True(t, ok, name)
		inputs[name] = struct{ text, what, todo string }{string(text), want.what, want.todo}
	}
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			good, path := filepath.Join(folder, "good.jsonl"), filepath.Join(folder, "input")
			require.NoError(t, os.WriteFile(good, []byte(goodLine+"\n"), 0o600))
			require.NoError(t, os.WriteFile(path, []byte(input.text), 0o600))
			for _, way := range []struct {
				stdin string
				args  []string
			}{{input.text, nil}, {"", []string{path}}, {"", []string{good, path}}} {
				r := &recorder{}
				got := execute(t, r.open, way.stdin, way.args...)
				require.Equal(t, cli.Failed, got.code)
				require.Contains(t, got.err, "is not JSON lines but ")
				require.Contains(t, got.err, input.what)
				require.Contains(t, got.err, input.todo)
				require.Contains(t, got.err, "Nothing of it is published")
				require.Less(t, strings.Count(got.err, "\n"), 5, "said once: %s", got.err)
				require.Empty(t, r.all())
			}
		})
	}
}

// TestUnusualJSONLinesAreRead: what can be read without doubt is.
func TestUnusualJSONLinesAreRead(t *testing.T) {
	t.Parallel()
	two, err := os.ReadFile("testdata/foreign/two_on_a_line.jsonl")
	require.NoError(t, err)
	for name, input := range map[string]struct {
		text string
		want int
	}{
		"two on a line":             {string(two), 2},
		"three with blanks":         {goodLine + " " + goodLine + "\t" + goodLine, 3},
		"two on a later line":       {goodLine + "\n" + goodLine + goodLine + "\n", 3},
		"no end of line":            {goodLine, 1},
		"byte order mark":           {"\xef\xbb\xbf" + goodLine + "\n", 1},
		"joined with marks":         {"\xef\xbb\xbf" + goodLine + "\n\xef\xbb\xbf" + goodLine + "\n", 2},
		"crlf":                      {goodLine + "\r\n" + goodLine + "\r\n", 2},
		"cr amid lf":                {goodLine + "\n" + goodLine + "\r" + goodLine + "\n", 3},
		"record separators":         {"\x1e" + goodLine + "\n\x1e" + goodLine + "\n", 2},
		"blank lines":               {"\n\n  \n" + goodLine + "\n\n", 1},
		"indented":                  {"\t" + goodLine, 1},
		"empty":                     {"", 0},
		"blank":                     {"\n\r\n \n", 0},
		"a mark alone":              {"\xef\xbb\xbf", 0},
		"a longest line":            {strings.Replace(goodLine, `"1"`, `"1","x":"`+strings.Repeat("x", 300_000)+`"`, 1), 1},
		"a first line as long":      {strings.Replace(goodLine, `"1"`, `"1","x":"`+strings.Repeat("{,\\r", 50_000)+`"`, 1) + "\n" + goodLine, 2},
		"an object called requests": {strings.Replace(goodLine, `"1"`, `"1","requests":[]`, 1), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "input")
			require.NoError(t, os.WriteFile(path, []byte(input.text), 0o600))
			for _, stdin := range []bool{true, false} {
				r, args, text := &recorder{}, []string{path}, ""
				if stdin {
					args, text = nil, input.text
				}
				got := execute(t, r.open, text, args...)
				require.Zero(t, got.code, got.err)
				require.Len(t, r.all(), input.want)
			}
		})
	}
}

// TestLinesSayWhatIsWrongWithThem: lines behind good ones are refused alone.
func TestLinesSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	for line, reason := range map[string]string{
		goodLine + ",":                        "a comma follows its object",
		goodLine + ", " + goodLine:            "commas stand between its objects",
		"[" + goodLine + "]":                  "an array; write one object per line",
		"a\x00b":                              "NUL bytes",
		"{\"item_id\":\"caf\xe9\"":            "not UTF-8",
		`{"item_id":"1","oper`:                "the input ends in the middle of it",
		goodLine + " rest":                    "not JSON",
		goodLine + `{"account":"a"}`:          "catalog is missing",
		`{"item_id":"1","operation":"DELETE"`: "not JSON",
	} {
		r := &recorder{}
		got := execute(t, r.open, goodLine+"\n"+line, "--output", "json")
		require.Equal(t, cli.Failed, got.code, line)
		var report summary
		require.NoError(t, json.Unmarshal([]byte(got.out), &report), got.out)
		require.Equal(t, 1, report.Refused, line)
		require.Equal(t, 2, report.Refusals[0].Line)
		require.Contains(t, report.Refusals[0].Reason, reason, line)
		require.Len(t, r.all(), report.Published)
	}
	// A string of another encoding is no text that a platform could take.
	r := &recorder{}
	got := execute(t, r.open, goodLine+"\n"+strings.Replace(goodLine, `"1"`, "\"caf\xe9\"", 1)+"\n")
	require.Equal(t, cli.Failed, got.code)
	require.Len(t, r.all(), 1)
}

// TestAnArrayBehindLinesEndsThere: none of its items is taken for a line.
func TestAnArrayBehindLinesEndsThere(t *testing.T) {
	t.Parallel()
	for _, foreign := range []string{"[\n" + goodLine + ",\n" + goodLine + "\n]\n", pretty, "[" + goodLine + ",\n" + goodLine + "]"} {
		r := &recorder{}
		got := execute(t, r.open, goodLine+"\n"+goodLine+"\n"+foreign, "--output", "json")
		require.Equal(t, cli.Failed, got.code)
		require.Len(t, r.all(), 2)
		require.Contains(t, got.err, "from line 3 on standard input is not JSON lines")
		var report summary
		require.NoError(t, json.Unmarshal([]byte(got.out), &report))
		require.Equal(t, summary{Published: 2, StoppedAt: &stop{"standard input", 3}, Refusals: []refusal{}}, report)
	}
}

// TestABlankThatIsNoneOfJSON: a first line behind a no-break space is refused alone, and
// is not taken for a table.
func TestABlankThatIsNoneOfJSON(t *testing.T) {
	t.Parallel()
	for _, blank := range []string{"\u00a0", "\u2003", "\u200b\u200b"} {
		r := &recorder{}
		got := execute(t, r.open, blank+goodLine+"\n"+goodLine+"\n")
		require.Equal(t, cli.Failed, got.code)
		require.Contains(t, got.err, "not JSON")
		require.NotContains(t, got.err, "CSV")
		require.Len(t, r.all(), 1)
	}
}
