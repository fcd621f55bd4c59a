// Package wire assembles request bodies from the producers' own attribute bytes.
// Values are copied as they came: a number keeps its digits, a string its escapes.
package wire

import (
	"bytes"
	"slices"
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

// Repeated returns a member name that occurs twice. Readers disagree about which
// of the two counts, so nothing good can be made of it.
func Repeated(object []byte) (name string, repeated bool) {
	var few [32]string // enough for most items without an allocation
	names := few[:0]
	var many map[string]struct{}
	var bits uint64
	Members(object, func(m Member) bool {
		bit := uint64(1) << (spread(m.Name) % 64)
		switch {
		case many != nil:
			_, repeated = many[m.Name]
			many[m.Name] = struct{}{}
		case bits&bit != 0:
			repeated = slices.Contains(names, m.Name)
		}
		bits |= bit
		if len(names) == len(few) {
			many = make(map[string]struct{}, 2*len(few))
			for _, seen := range names {
				many[seen] = struct{}{}
			}
			many[m.Name] = struct{}{}
			names = names[:0]
		}
		if many == nil {
			names = append(names, m.Name)
		}
		name = m.Name
		return !repeated
	})
	return name, repeated
}

// spread mixes a few characters of a name, enough to make most names differ.
func spread(name string) uint {
	mixed := uint(len(name))
	for i := 0; i < len(name); i += 1 + len(name)/8 {
		mixed = mixed*31 + uint(name[i])
	}
	if len(name) > 0 {
		mixed = mixed*31 + uint(name[len(name)-1])
	}
	return mixed
}
