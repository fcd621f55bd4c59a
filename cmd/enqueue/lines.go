package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// maxLine leaves a line room for the members that are taken out of it.
const maxLine = message.MaxBody + 4096

// line is one mutation to publish, or the reason why it cannot be.
type line struct {
	source      string
	number      int
	publication publish.Publication
	fresh       bool   // the id was made here
	refusal     string // "" when it can be published
}

// lineReader cuts its input into lines; a line that is too long is refused and
// skipped without being held.
type lineReader struct {
	source   string
	in       *bufio.Reader
	number   int
	fallback catalog.Lane // of lines that do not say
	consumed int64        // bytes so far
	more     []line       // of the line read last
}

func newLineReader(source string, in io.Reader, fallback catalog.Lane) *lineReader {
	return &lineReader{source: source, in: bufio.NewReaderSize(in, 256<<10), fallback: fallback}
}

// next returns the next mutation of a line that is not blank; io.EOF at the end. A
// *foreignError says that the rest is not JSON lines.
func (r *lineReader) next() (line, error) {
	for {
		if len(r.more) > 0 {
			first := r.more[0]
			r.more = r.more[1:]
			return first, nil
		}
		text, tooLong, err := r.text()
		if err != nil {
			return line{}, err
		}
		r.number++
		parsed := line{source: r.source, number: r.number}
		if tooLong {
			parsed.refusal = fmt.Sprintf("the line is longer than %d bytes", maxLine)
			return parsed, nil
		}
		ended := bytes.HasSuffix(text, []byte("\n"))
		if text = trimStart(trimBlank(text)); len(text) == 0 {
			continue
		}
		if opensMore(text) {
			return line{}, &foreignError{source: r.source, line: r.number, what: "a JSON value over several lines", todo: useJQ}
		}
		objects := [][]byte{text}
		if !isJSON(text) {
			if several := split(text); several != nil {
				objects = several
			}
		}
		for _, object := range objects {
			parsed.publication, parsed.fresh, err = parse(object, r.fallback)
			parsed.refusal = ""
			if err != nil {
				parsed.refusal = err.Error()
				if !ended && errors.Is(err, errNotJSON) {
					parsed.refusal += ", and the input ends in the middle of it"
				}
			}
			r.more = append(r.more, parsed)
		}
	}
}

// isJSON reports JSON, also where it is nested too deep: that is told of the mutation.
func isJSON(text []byte) bool {
	_, fault := rawjson.Check(rawjson.View(text))
	return fault != rawjson.Invalid
}

// opensMore reports a line that can only be the beginning of a longer value.
func opensMore(text []byte) bool {
	return string(text) == "{" || text[0] == '[' && !isJSON(text)
}

// split cuts a line into the JSON objects that stand in it, one behind the other; nil
// when it holds anything else.
func split(text []byte) (objects [][]byte) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var object json.RawMessage
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil || len(object) == 0 || object[0] != '{' {
			return nil
		}
		objects = append(objects, object)
	}
}

func (r *lineReader) text() (text []byte, tooLong bool, err error) {
	for {
		piece, err := r.in.ReadSlice('\n')
		r.consumed += int64(len(piece))
		if len(text)+len(piece) > maxLine {
			tooLong, text = true, nil
		}
		if !tooLong {
			text = append(text, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(text) == 0 && !tooLong {
				return nil, false, io.EOF
			}
			return text, tooLong, nil
		case err != nil:
			return nil, false, fmt.Errorf("reading %s: %w", legible.Text(r.source), err)
		default:
			return text, tooLong, nil
		}
	}
}

// trimStart takes off what some programs write before a text: byte order marks, also
// where files were joined, and the record separator of JSON text sequences.
func trimStart(text []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), []byte("\x1e"))
		if len(rest) == len(text) {
			return text
		}
		text = trimBlank(rest)
	}
}

func trimBlank(text []byte) []byte {
	for len(text) > 0 && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	for len(text) > 0 && isBlank(text[0]) {
		text = text[1:]
	}
	return text
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// parse makes the message of one line. Its errors are refusals: what the
// contract of the message rules out. What only the configuration or the platform
// can tell is left to the worker.
func parse(text []byte, fallback catalog.Lane) (p publish.Publication, fresh bool, err error) {
	if !isJSON(text) {
		return p, false, notJSON(text)
	}
	object := gjson.ParseBytes(text)
	if !object.IsObject() {
		return p, false, notAnObject(object)
	}
	lane, body := fallback, text
	if object.Get("specversion").Type == gjson.Null { // in a CloudEvent, type means another thing
		if lane, body, err = takeLane(text, fallback); err != nil {
			return p, false, err
		}
	}
	if err := complete(lane); err != nil {
		return p, false, err
	}
	subject, problem := message.Subject(lane)
	if problem != nil {
		return p, false, problem
	}
	arrival := message.Decode(message.Raw{Subject: subject, Data: body})
	if arrival.Problem != nil {
		return p, false, arrival.Problem
	}
	id := object.Get("id").String()
	if fresh = id == ""; fresh {
		made, err := uuid.NewV7()
		if err != nil {
			return p, false, fmt.Errorf("making a mutation id: %w", err)
		}
		id = made.String()
	}
	return publish.Publication{Subject: subject, ID: id, Data: body}, fresh, nil
}

var errNotJSON = errors.New("the line is not JSON")

// notJSON says what is wrong with a line where that can be told.
func notJSON(text []byte) error {
	switch {
	case bytes.IndexByte(text, 0) >= 0:
		return fmt.Errorf("%w: it has NUL bytes", errNotJSON)
	case !utf8.Valid(text):
		return fmt.Errorf("%w: it is not UTF-8", errNotJSON)
	case bytes.HasSuffix(text, []byte(",")) && isJSON(text[:len(text)-1]):
		return fmt.Errorf("%w: a comma follows its object; remove it", errNotJSON)
	case text[0] == '{' && isJSON(append(append([]byte{'['}, text...), ']')):
		return fmt.Errorf("%w: commas stand between its objects; write one object per line", errNotJSON)
	}
	return errNotJSON
}

func notAnObject(value gjson.Result) error {
	if value.IsArray() {
		return errors.New("the line is not a JSON object but an array; write one object per line (jq -c '.[]')")
	}
	return errors.New("the line is not a JSON object")
}

// takeLane moves account, catalog and type out of the body. A name may be written with
// escapes, and no member may occur twice: readers differ on which of the two counts.
func takeLane(body []byte, lane catalog.Lane) (catalog.Lane, []byte, error) {
	rest := append(make([]byte, 0, len(body)), '{')
	said := make(map[string]string) // which member, by what it means
	scan := rawjson.Scan(rawjson.View(body))
	for {
		name, value, more := scan.Member()
		if !more {
			break
		}
		member, what := name.Text(), name.Text()
		switch member {
		case "catalog_type":
			what = "type"
		case "account", "catalog", "type":
		default:
			rest = rawjson.AppendMember(rest, rawjson.Member{Head: name.Raw}, value.Raw)
			continue
		}
		if other, twice := said[what]; twice && other == member {
			return lane, nil, fmt.Errorf("the line has the member %q twice", member)
		} else if twice {
			return lane, nil, fmt.Errorf("the line has %s and %s, which mean the same: remove one", other, member)
		}
		said[what] = member
		if value.Kind != rawjson.String {
			return lane, nil, fmt.Errorf("%s must be text", member)
		}
		// The lane is kept for longer than the line, whose memory this is.
		switch text := strings.Clone(value.Text()); what {
		case "account":
			lane.Account = text
		case "catalog":
			lane.Catalog = text
		default:
			lane.Type = catalog.Type(text)
		}
	}
	if scan.Fault() == rawjson.TooDeep {
		return lane, nil, fmt.Errorf("the line has objects or arrays nested deeper than %d", message.MaxDepth)
	}
	return lane, append(rest, '}'), nil
}

// complete checks that it is said where the line goes.
func complete(lane catalog.Lane) error {
	for _, token := range [...]struct{ name, value string }{
		{"account", lane.Account}, {"catalog", lane.Catalog}, {"type", string(lane.Type)},
	} {
		if token.value == "" {
			return fmt.Errorf("%s is missing: neither the line has it nor is there --%s", token.name, token.name)
		}
	}
	return nil
}
