// Package rawjson assembles request bodies from the producers' own attribute bytes.
// Values are copied as they came: a number keeps its digits, a string its escapes.
package rawjson

import (
	"bytes"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Kind is the JSON type of a member's value.
type Kind uint8

// The kinds that matter here.
const (
	Other Kind = iota
	Null
	String
)

// Member is one top-level member of an attributes object. Its strings share the
// object's memory: whoever keeps one must clone it.
type Member struct {
	Name string // unescaped
	Head string // the name as it stands, with its quotes
	Kind Kind
	Raw  string // the value as it stands
	Text string // the unescaped value of a String
}

// Members visits the top-level members of a valid JSON object in their order,
// until visit returns false.
func Members(object []byte, visit func(Member) bool) {
	if len(object) == 0 {
		return
	}
	//nolint:gosec // read-only view: gjson keeps substrings, and nobody writes to attributes
	text := unsafe.String(unsafe.SliceData(object), len(object))
	gjson.Parse(text).ForEach(func(name, value gjson.Result) bool {
		return visit(Member{Name: name.Str, Head: name.Raw, Kind: kindOf(value), Raw: value.Raw, Text: value.Str})
	})
}

func kindOf(value gjson.Result) Kind {
	switch value.Type {
	case gjson.Null:
		return Null
	case gjson.String:
		return String
	default:
		return Other
	}
}

// Find returns the first top-level member with this name.
func Find(object []byte, name string) (found Member, ok bool) {
	if !MayHold(object, name) {
		return Member{}, false
	}
	Members(object, func(m Member) bool {
		if m.Name == name {
			found, ok = m, true
		}
		return !ok
	})
	return found, ok
}

// MayHold says no, at the speed of a byte search, for the usual object that has
// none of the names. A name may also be written with \u escapes.
func MayHold(object []byte, names ...string) bool {
	if bytes.Contains(object, []byte(`\u`)) {
		return true
	}
	for {
		quote := bytes.IndexByte(object, '"')
		if quote < 0 {
			return false
		}
		object = object[quote+1:]
		for _, name := range names {
			if len(object) > len(name) && object[len(name)] == '"' && string(object[:len(name)]) == name {
				return true
			}
		}
	}
}
