package main

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// foreignError says that an input is not JSON lines, what it is, and what to do.
type foreignError struct {
	source string
	line   int // from which on; 0 for all of it
	what   string
	todo   string
}

// Error is a sentence for people.
func (e *foreignError) Error() string {
	if e.line > 1 {
		return fmt.Sprintf("from line %d on %s is not JSON lines but %s: %s. Nothing from there on is published",
			e.line, legible.Text(e.source), e.what, e.todo)
	}
	return fmt.Sprintf("%s is not JSON lines but %s: %s. Nothing of it is published", legible.Text(e.source), e.what, e.todo)
}

const (
	useJQ    = "make one object per line with jq -c . (jq -c '.[]' for an array)"
	unpack   = "unpack it first and pipe the text into enqueue"
	toUTF8   = "convert it with iconv -f %s -t UTF-8"
	notText  = "export it as JSON, one object per line"
	sniffMax = 128 << 10 // how much of an input is looked at; below the reader's buffer
)

// signatures are the first bytes of files that are no text.
var signatures = []struct{ first, what, todo string }{
	{"\x1f\x8b", "gzip", "pipe it through zcat: zcat FILE | enqueue"},
	{"\x28\xb5\x2f\xfd", "zstd", "pipe it through zstdcat"},
	{"\xfd7zXZ\x00", "xz", "pipe it through xzcat"},
	{"BZh", "bzip2", "pipe it through bzcat"},
	{"\x04\x22\x4d\x18", "lz4", "pipe it through lz4cat"},
	{"PK\x03\x04", "a ZIP archive (or a spreadsheet)", unpack},
	{"PK\x05\x06", "an empty ZIP archive", unpack},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", unpack},
	{"Rar!", "a RAR archive", unpack},
	{"\xd0\xcf\x11\xe0", "an old office document", notText},
	{"PAR1", "Parquet", notText},
	{"Obj\x01", "Avro", notText},
	{"ORC", "ORC", notText},
	{"SQLite format 3\x00", "an SQLite database", notText},
	{"%PDF-", "PDF", notText},
	{"\xff\xfe\x00\x00", "UTF-32", fmt.Sprintf(toUTF8, "UTF-32")},
	{"\x00\x00\xfe\xff", "UTF-32", fmt.Sprintf(toUTF8, "UTF-32")},
	{"\xff\xfe", "UTF-16 (little-endian)", fmt.Sprintf(toUTF8, "UTF-16")},
	{"\xfe\xff", "UTF-16 (big-endian)", fmt.Sprintf(toUTF8, "UTF-16")},
}

// sniff looks at the beginning of an input without consuming it. It waits for the first
// line that is not blank, and no longer.
func sniff(source string, in *bufio.Reader) error {
	first := []byte{}
	for size := 1; size <= sniffMax; size = len(first) + 1 {
		if _, err := in.Peek(size); err != nil { // the end, or what reading will meet again
			first, _ = in.Peek(in.Buffered())
			break
		}
		first, _ = in.Peek(min(in.Buffered(), sniffMax))
		if bytes.IndexByte(trimStart(trimLeft(first)), '\n') >= 0 {
			break
		}
	}
	what, todo := foreign(first)
	if what == "" {
		return nil
	}
	return &foreignError{source: source, what: what, todo: todo}
}

// foreign tells what a text begins with that is not JSON lines; "" when it may be.
func foreign(first []byte) (what, todo string) {
	for _, s := range signatures {
		if bytes.HasPrefix(first, []byte(s.first)) {
			return s.what, s.todo
		}
	}
	if len(first) > 262 && string(first[257:262]) == "ustar" {
		return "a tar archive", unpack
	}
	if name := wide(first); name != "" {
		return name, fmt.Sprintf(toUTF8, strings.Fields(name)[0])
	}
	text := trimStart(trimLeft(first))
	if len(text) == 0 {
		return "", ""
	}
	end := bytes.IndexByte(text, '\n')
	whole := end >= 0 || len(first) < sniffMax // the line is here to its end
	if end >= 0 {
		text = text[:end]
	}
	text = trimBlank(text)
	switch text[0] {
	case '[':
		return "a JSON array", "make one object per line with jq -c '.[]'"
	case '<':
		return "XML or HTML", notText
	case '{':
		return foreignObject(text, whole)
	}
	return foreignText(text)
}

func trimLeft(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// wide recognises UTF-16 and UTF-32 without a byte order mark, by the zeros that ASCII
// has in them.
func wide(first []byte) string {
	if len(first) < 4 {
		return ""
	}
	switch zero := [4]bool{first[0] == 0, first[1] == 0, first[2] == 0, first[3] == 0}; zero {
	case [4]bool{false, true, true, true}:
		return "UTF-32LE (without a byte order mark)"
	case [4]bool{true, true, true, false}:
		return "UTF-32BE (without a byte order mark)"
	case [4]bool{false, true, false, true}:
		return "UTF-16LE (without a byte order mark)"
	case [4]bool{true, false, true, false}:
		return "UTF-16BE (without a byte order mark)"
	}
	return ""
}

// foreignObject looks at a first line that begins with a brace.
func foreignObject(text []byte, whole bool) (what, todo string) {
	if bytes.IndexByte(text, '\r') >= 0 {
		return "text whose lines end with carriage returns alone", `convert it with tr '\r' '\n'`
	}
	if !whole {
		return "", ""
	}
	if isJSON(text) {
		return wrapper(gjson.ParseBytes(text))
	}
	switch last := text[len(text)-1]; {
	case last == ',' && (isJSON(text[:len(text)-1]) || split(text[:len(text)-1]) != nil):
		return "objects with a comma behind each", "remove the commas at the ends of lines: sed 's/,[[:space:]]*$//'"
	case slices.Contains([]byte("{[,:"), last):
		return "pretty-printed JSON, an object over several lines", useJQ
	}
	return "", ""
}

// wrapper recognises an object that is no mutation but holds a list of them, as the
// platforms' own request bodies do.
func wrapper(object gjson.Result) (what, todo string) {
	if object.Get("item_id").Exists() || object.Get("specversion").Exists() {
		return "", ""
	}
	for _, name := range []string{"requests", "items", "mutations", "data", "products", "entries", "records"} {
		list := object.Get(name)
		if !list.IsArray() || !list.Get("0").IsObject() && list.Get("#").Int() > 0 {
			continue
		}
		if list.Get("0.method").Exists() || list.Get("0.retailer_id").Exists() {
			return "the body of a request to items_batch", "write one mutation per line with item_id, operation and attributes"
		}
		return "one object with a list under " + name,
			"write one mutation per line: jq -c '." + name + "[]', with item_id, operation and attributes in each"
	}
	return "", ""
}

// foreignText looks at a first line that is no JSON object.
func foreignText(text []byte) (what, todo string) {
	line := string(text)
	switch {
	case bytes.IndexByte(text, 0) >= 0:
		return "a binary file", notText
	case strings.HasPrefix(line, "#"), strings.HasPrefix(line, "//"), isJSON(text),
		strings.HasPrefix(strings.TrimLeftFunc(line, notASCII), "{"): // an object behind a no-break space
		return "", "" // the line alone is refused
	case line == "---", strings.HasPrefix(line, "%YAML"), strings.HasPrefix(line, "--- "):
		return "YAML", "convert it with yq -o json, then " + useJQ
	case strings.Contains(line, "\t"):
		return "a table of tab-separated values (TSV)", "convert it to JSON, one object per line; a product feed is read by enqueue feed (docs/feeds.md)"
	case strings.ContainsAny(line, ",;|"):
		return "a table of comma-separated values (CSV)", "convert it to JSON, one object per line; a product feed is read by enqueue feed (docs/feeds.md)"
	}
	return "", ""
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }
