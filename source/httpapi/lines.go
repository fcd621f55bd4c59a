package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unsafe"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// text is one mutation as the body has it.
type text struct {
	line int // from 1
	data []byte
}

// split cuts a body into the texts of mutations. A refusal says that the body as a whole
// cannot be read; a bad text is found later and alone.
func split(body []byte, as form, most int) ([]text, *refusal) {
	if encoded := packed(body); encoded != "" {
		return nil, refuse(kindMalformed, "the body begins like "+encoded+": send the header Content-Encoding: "+encoded)
	}
	var texts []text
	var refused *refusal
	if as == formLines {
		texts, refused = splitLines(body, most)
	} else {
		texts, refused = splitJSON(trimStart(trimBlank(body)), as, most)
	}
	if refused == nil && len(texts) == 0 {
		refused = refuse(kindEmpty, "the body has no mutation: send at least one JSON object")
	}
	return texts, refused
}

func packed(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return "gzip"
	case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return "zstd"
	}
	return ""
}

func tooMany(most int) *refusal {
	return refuse(kindTooLarge, fmt.Sprintf("the body has more than %d mutations: send them in several requests", most))
}

func splitLines(body []byte, most int) (texts []text, refused *refusal) {
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if line = trimStart(trimBlank(line)); len(line) == 0 {
			continue
		}
		if len(texts) == most {
			return nil, tooMany(most)
		}
		texts = append(texts, text{line: number, data: line})
	}
	return texts, nil
}

func splitJSON(body []byte, as form, most int) (texts []text, refused *refusal) {
	if len(body) == 0 {
		return nil, nil
	}
	switch {
	case body[0] == '[' && as != formEvent && as != formBinary:
		return splitArray(body, most)
	case body[0] == '{' && as != formEvents:
		if _, fault := rawjson.Check(rawjson.View(body)); fault == rawjson.Invalid {
			return nil, refuse(kindMalformed, notJSON(body, "the body"))
		}
		return []text{{line: 1, data: body}}, nil
	}
	wanted := map[form]string{
		formJSON: "a JSON object or an array of objects", formEvent: "one JSON object", formEvents: "a JSON array of events", formBinary: "one JSON object",
	}
	return nil, refuse(kindMalformed, "the body must be "+wanted[as])
}

func splitArray(body []byte, most int) (texts []text, refused *refusal) {
	scan := rawjson.Scan(rawjson.View(body))
	for {
		element, ok := scan.Element()
		if !ok {
			break
		}
		if len(texts) == most {
			return nil, tooMany(most)
		}
		data := unsafe.Slice(unsafe.StringData(element.Raw), len(element.Raw)) //nolint:gosec // a part of body again, which nobody writes to
		texts = append(texts, text{line: len(texts) + 1, data: data})
	}
	switch scan.Fault() {
	case rawjson.Invalid:
		return nil, refuse(kindMalformed, fmt.Sprintf("the array is not valid JSON after its element %d, so none of it is read", len(texts)))
	case rawjson.None:
	case rawjson.TooDeep:
		return nil, refuse(kindMalformed, fmt.Sprintf("element %d of the array is nested deeper than %d, so none of it is read", len(texts)+1, rawjson.MaxDepth-1))
	}
	return texts, nil
}

// notJSON says what is wrong with a text where that can be told.
func notJSON(data []byte, what string) string {
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		return what + " is not JSON: it has NUL bytes"
	case string(data) == "{" || data[0] == '[':
		return what + " is not JSON alone: write each object on one line, or send one object or an array as application/json"
	case bytes.HasSuffix(data, []byte(",")) && isJSON(data[:len(data)-1]):
		return what + " is not JSON: a comma follows its object; remove it"
	case data[0] == '{' && more(data):
		return what + " has more after its JSON object: write one object per line and send application/x-ndjson, or send an array"
	}
	return what + " is not valid JSON"
}

// more reports that something follows the first object of a text.
func more(data []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(data))
	var first json.RawMessage
	return decoder.Decode(&first) == nil && decoder.More()
}

// isJSON reports JSON, also where it is nested too deep.
func isJSON(data []byte) bool {
	_, fault := rawjson.Check(rawjson.View(data))
	return fault != rawjson.Invalid
}

// trimStart takes off what some programs write before a text: byte order marks, also
// where files were joined, and the record separator of JSON text sequences.
func trimStart(data []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), []byte("\x1e"))
		if len(rest) == len(data) {
			return data
		}
		data = trimBlank(rest)
	}
}

// trimBlank takes off the white space of JSON, and no other.
func trimBlank(data []byte) []byte { return bytes.Trim(data, " \t\r\n") }
