package message

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/instant"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// member is a top-level name that decoding looks at: the contract's own, and
// those of an event in structured mode.
type member uint8

const (
	memberID member = iota
	memberItemID
	memberOperation
	memberAttributes
	memberVersion
	memberLocalization
	memberOccurredAt
	memberSpecVersion
	memberTime
	memberData
	memberDataBase64
	memberDataContentType
	memberCount
)

func memberNamed(name string) (member, bool) {
	switch name {
	case "id":
		return memberID, true
	case "item_id":
		return memberItemID, true
	case "operation":
		return memberOperation, true
	case "attributes":
		return memberAttributes, true
	case "version":
		return memberVersion, true
	case "localization":
		return memberLocalization, true
	case "occurred_at":
		return memberOccurredAt, true
	case "specversion":
		return memberSpecVersion, true
	case "time":
		return memberTime, true
	case "data":
		return memberData, true
	case "data_base64":
		return memberDataBase64, true
	case "datacontenttype":
		return memberDataContentType, true
	default:
		return 0, false
	}
}

// members are the raw values of an object, "" where there is none.
type members [memberCount]string

// attributes are what decoding has to know of the members of attributes.
type attributes struct {
	hasNull bool
	problem *catalog.Problem
}

// membersOf reads the top level of a JSON object, and that of its attributes in the same pass;
// what names it in problems.
func membersOf(text, what string) (found members, inside attributes, _ *catalog.Problem) {
	var seen names
	scan := rawjson.Scan(text)
	for {
		name, ok := scan.Name()
		if !ok {
			break
		}
		known := name.Text()
		m, isKnown := memberNamed(known)
		var value rawjson.Value
		if object, isObject := scan.Nested(); isObject && isKnown && m == memberAttributes {
			inside = readMembers(&object)
			value, ok = scan.Leave(&object)
		} else {
			value, ok = scan.Value()
		}
		if !ok {
			break
		}
		if seen.repeats(known) {
			return found, inside, repeated(what, known)
		}
		if isKnown {
			found[m] = value.Raw
		}
	}
	kind, fault := rawjson.Object, scan.Fault()
	if fault == rawjson.Invalid {
		kind, fault = rawjson.Check(text) // it may be no object but JSON
	}
	switch {
	case fault == rawjson.TooDeep:
		return found, inside, &catalog.Problem{
			Reason: catalog.InvalidJSON,
			Text:   what + " has objects or arrays nested deeper than " + strconv.Itoa(MaxDepth),
		}
	case fault != rawjson.None:
		return found, inside, &catalog.Problem{Reason: catalog.InvalidJSON, Text: what + " is not valid JSON"}
	case kind != rawjson.Object:
		return found, inside, wrongType("", "a JSON object", text)
	}
	return found, inside, nil
}

// readMembers looks for nulls and repeated names, up to the first one.
func readMembers(scan *rawjson.Scanner) (a attributes) {
	var seen names
	for {
		name, value, ok := scan.Member()
		if !ok {
			return a
		}
		if known := name.Text(); seen.repeats(known) {
			a.problem = repeated("attributes", known)
			return a
		}
		a.hasNull = a.hasNull || value.Kind == rawjson.Null
	}
}

func repeated(what, name string) *catalog.Problem {
	return &catalog.Problem{
		Reason: catalog.InvalidJSON, Field: Printable(legible.Cut(name, maxShown)),
		Text: what + " has the member " + Quote(name) + " twice",
	}
}

// names finds repeated names without allocating for objects of ordinary size.
type names struct {
	few   [48]string
	count int
	// marks has a bit for a cheap hash of each name in few: a name whose bit is
	// free is new.
	marks [4]uint64
	many  map[string]struct{}
}

// repeats reports whether the name was seen before, and remembers it.
func (n *names) repeats(name string) bool {
	if n.many != nil {
		_, seen := n.many[name]
		n.many[name] = struct{}{}
		return seen
	}
	word, bit := mark(name)
	if n.marks[word]&bit != 0 {
		if slices.Contains(n.few[:n.count], name) {
			return true
		}
	}
	n.marks[word] |= bit
	if n.count < len(n.few) {
		n.few[n.count] = name
		n.count++
		return false
	}
	n.many = make(map[string]struct{}, 2*len(n.few))
	for _, earlier := range n.few {
		n.many[earlier] = struct{}{}
	}
	n.many[name] = struct{}{}
	return false
}

func mark(name string) (word int, bit uint64) {
	hash := uint(len(name)) * 31
	if name != "" {
		hash += uint(name[0])*7 + uint(name[len(name)-1])*13 + uint(name[len(name)/2])*3
	}
	return int(hash>>6) & 3, 1 << (hash & 63)
}

// present reports whether a raw value is there and not null.
func present(raw string) bool { return raw != "" && raw != "null" }

// required reads a text that must be there and not be empty.
func (r *reading) required(field, raw string, limit int) string {
	if !present(raw) {
		r.report(missing(field, field+" is required"))
		return ""
	}
	return r.text(field, raw, limit)
}

// text reads a non-empty string of at most limit bytes that a Postgres text
// column can hold. The result shares no memory with the message, whose payload
// may be let go while the text is kept as a key.
func (r *reading) text(field, raw string, limit int) string {
	if raw[0] != '"' {
		r.report(wrongType(field, "a string", raw))
		return ""
	}
	value := raw[1 : len(raw)-1]
	escaped := strings.IndexByte(value, '\\') >= 0
	if escaped {
		value = rawjson.Unescape(raw)
	}
	switch {
	case value == "":
		r.report(invalid(field, field+" must not be empty"))
	case len(value) > limit:
		r.report(invalid(field, field+" "+Quote(value)+" has "+strconv.Itoa(len(value))+" bytes, at most "+strconv.Itoa(limit)+" are allowed"))
	case escaped && strings.IndexByte(value, 0) >= 0:
		r.report(invalid(field, field+" must not hold the character U+0000"))
	case escaped && strings.Contains(value, "\uFFFD"):
		// Half of a surrogate pair: it has no UTF-8, and two different ones would
		// become the same text.
		r.report(invalid(field, field+" must not hold U+FFFD or half of a surrogate pair"))
	default:
		return strings.Clone(value)
	}
	return ""
}

func (r *reading) time(field, raw string) time.Time {
	const longest = 64
	text := r.text(field, raw, longest)
	if text == "" {
		return time.Time{}
	}
	parsed, ok := instant.ParseRFC3339(text)
	if !ok {
		r.report(invalid(field, field+" "+Quote(text)+" must be an RFC 3339 time such as 2026-11-22T10:00:00Z"))
		return time.Time{}
	}
	return parsed
}

// CheckID checks an id that did not come as JSON.
func CheckID(field, id string) *catalog.Problem {
	if len(id) > MaxID {
		return invalid(field, field+" "+Quote(id)+" has more than "+strconv.Itoa(MaxID)+" bytes")
	}
	if !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return invalid(field, field+" "+Quote(id)+" must be UTF-8 without control characters")
	}
	return nil
}

func missing(field, text string) *catalog.Problem {
	return &catalog.Problem{Reason: catalog.MissingField, Field: field, Text: text}
}

func invalid(field, text string) *catalog.Problem {
	return &catalog.Problem{Reason: catalog.InvalidValue, Field: field, Text: text}
}

func wrongType(field, wanted, raw string) *catalog.Problem {
	subject := field
	if subject == "" {
		subject = "the body"
	}
	return &catalog.Problem{Reason: catalog.WrongType, Field: field, Text: subject + " must be " + wanted + ", not " + kindOf(raw)}
}

func kindOf(raw string) string {
	raw = strings.TrimLeft(raw, " \t\r\n")
	if raw == "" {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
