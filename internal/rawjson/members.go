package rawjson

import (
	"bytes"
	"unsafe"
)

// View is a text that shares the memory of bytes which nobody writes to.
func View(object []byte) string {
	return unsafe.String(unsafe.SliceData(object), len(object)) //nolint:gosec // the caller's promise
}

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
// until visit returns false. Nobody may write to the object meanwhile.
func Members(object []byte, visit func(Member) bool) {
	for scan := Scan(View(object)); ; {
		name, value, ok := scan.Member()
		if !ok || !visit(Member{Name: name.Text(), Head: name.Raw, Kind: value.Kind, Raw: value.Raw, Text: value.Text()}) {
			return
		}
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
