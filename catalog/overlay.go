package catalog

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/tidwall/gjson"
)

// nullRule says what becomes of null members when one object is overlaid on another.
type nullRule bool

const (
	keepNulls   nullRule = false
	removeNulls nullRule = true
)

// member is one top-level member of a JSON object. The raw texts are as the
// producer wrote them: values are never encoded again.
type member struct {
	name     string // decoded
	rawName  string // with its quotes
	rawValue string
}

func (m member) isNull() bool { return m.rawValue == "null" }

// members is a JSON object taken apart, in its own order, names unique. A name
// that comes twice keeps its first place and its last value.
type members struct {
	list []member
	// index is made only for large objects: up to a few dozen members looking
	// through the list is faster.
	index map[string]int
}

const indexFrom = 48

// overlay is the older change with the newer's top-level attributes in place of
// its own or after them. It is refused where the newer value is an object and the
// older has another value of the same attribute: platforms may merge objects
// member by member, and do not document it, so that only sending both in order
// is sure to be right.
func overlay(older, newer Change, nulls nullRule) (Change, bool) {
	base, ok := parseMembers(older.Attributes, len(newer.Attributes))
	if !ok {
		return Change{}, false
	}
	if len(newer.Attributes) > 0 {
		top := gjson.ParseBytes(newer.Attributes)
		if !top.IsObject() {
			return Change{}, false
		}
		known := len(base.list)
		top.ForEach(func(name, value gjson.Result) bool {
			at, found := base.find(name.Str)
			// A name that the newer object itself repeats is no difference between the two.
			if found && at < known && value.IsObject() && !sameJSON(base.list[at].rawValue, value.Raw) {
				ok = false
				return false
			}
			base.put(at, found, member{name: name.Str, rawName: name.Raw, rawValue: value.Raw})
			return true
		})
		if !ok {
			return Change{}, false
		}
	}
	attributes, hasNull := base.encode(len(older.Attributes)+len(newer.Attributes), nulls)
	return Change{Operation: older.Operation, Attributes: attributes, HasNull: hasNull}, true
}

// parseMembers takes an object apart. It refuses what is no object; no attributes
// at all count as an empty one. The room for extra bytes of another object is an
// estimate of its members.
func parseMembers(attributes []byte, extra int) (members, bool) {
	const bytesPerMember = 24
	parsed := members{list: make([]member, 0, (len(attributes)+extra)/bytesPerMember+4)}
	if len(attributes) == 0 {
		return parsed, true
	}
	object := gjson.ParseBytes(attributes)
	if !object.IsObject() {
		return members{}, false
	}
	object.ForEach(func(name, value gjson.Result) bool {
		at, found := parsed.find(name.Str)
		parsed.put(at, found, member{name: name.Str, rawName: name.Raw, rawValue: value.Raw})
		return true
	})
	return parsed, true
}

func (m *members) find(name string) (at int, found bool) {
	if m.index != nil {
		at, found = m.index[name]
		return at, found
	}
	for i := range m.list {
		if m.list[i].name == name {
			return i, true
		}
	}
	return 0, false
}

// put replaces the member at the place found, or adds it at the end.
func (m *members) put(at int, found bool, added member) {
	if found {
		m.list[at] = added
		return
	}
	m.list = append(m.list, added)
	switch {
	case m.index != nil:
		m.index[added.name] = len(m.list) - 1
	case len(m.list) == indexFrom:
		m.index = make(map[string]int, 2*indexFrom)
		for i := range m.list {
			m.index[m.list[i].name] = i
		}
	}
}

// encode writes the object without white space between members.
func (m *members) encode(sizeHint int, nulls nullRule) (object []byte, hasNull bool) {
	object = make([]byte, 0, sizeHint)
	object = append(object, '{')
	for i := range m.list {
		if m.list[i].isNull() {
			if nulls == removeNulls {
				continue
			}
			hasNull = true
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(object, m.list[i].rawName...)
		object = append(object, ':')
		object = append(object, m.list[i].rawValue...)
	}
	return append(object, '}'), hasNull
}

// sameJSON compares two JSON values by meaning: white space, escapes and the order
// of members do not count. Numbers count as written, so that 1 and 1.0 differ; a
// false difference costs a merge and no more.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	decodedA, okA := decodeJSON(a)
	decodedB, okB := decodeJSON(b)
	return okA && okB && reflect.DeepEqual(decodedA, decodedB)
}

func decodeJSON(raw string) (any, bool) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(raw)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	return value, true
}
