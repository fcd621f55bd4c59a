package rules

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

// kind is the JSON type of a value as it stands.
type kind uint8

const (
	broken kind = iota // no JSON
	null
	boolean
	number
	text
	list
	dictionary
)

// value is one JSON value. It shares the memory of what was scanned.
type value struct {
	kind    kind
	raw     string
	inside  string // of a text: between its quotes, escapes as they stand
	escaped bool   // a text has escapes
}

// plain is the text without its escapes. It allocates only where there are some.
func (v value) plain() string {
	if !v.escaped {
		return v.inside
	}
	return gjson.Parse(v.raw).Str
}

// characters counts the code points of a text.
func (v value) characters() int {
	if !v.escaped {
		return utf8.RuneCountInString(v.inside)
	}
	return utf8.RuneCountInString(v.plain())
}

// empty reports whether the value is "" or []: what clears a field.
func (v value) empty() bool {
	return v.kind == text && v.inside == "" || v.kind == list && v.entries() == 0
}

// entries counts those of a list.
func (v value) entries() (count int) {
	for elements := within(v.raw); ; count++ {
		if _, ok := elements.element(); !ok {
			return count
		}
	}
}

// whole reports whether a number has no fraction, however it is written: 4.0 is one.
func (v value) whole() bool {
	parsed, err := strconv.ParseFloat(v.raw, 64)
	return err == nil && parsed == math.Trunc(parsed)
}

// integral reports whether a number is written without fraction and exponent.
func (v value) integral() bool { return !strings.ContainsAny(v.raw, ".eE") }

// scanner walks over JSON that is known to be valid. It never allocates. Where
// the text is not valid after all it stops.
type scanner struct {
	text string
	at   int
}

// within scans what stands between the brackets of an object or list.
func within(raw string) scanner { return scanner{text: raw, at: skipSpace(raw, 0) + 1} }

// view shares the memory of bytes that nobody writes to.
func view(object []byte) string {
	//nolint:gosec // read-only view of attributes, which live as long as their message
	return unsafe.String(unsafe.SliceData(object), len(object))
}

// member reads the next member of an object.
func (s *scanner) member() (name, v value, ok bool) {
	if !s.next() || s.text[s.at] != '"' {
		return name, v, false
	}
	name = s.value()
	s.at = skipSpace(s.text, s.at)
	if name.kind != text || s.at >= len(s.text) || s.text[s.at] != ':' {
		return name, v, false
	}
	s.at = skipSpace(s.text, s.at+1)
	v = s.value()
	return name, v, v.kind != broken
}

// element reads the next value of a list.
func (s *scanner) element() (v value, ok bool) {
	if !s.next() {
		return v, false
	}
	v = s.value()
	return v, v.kind != broken
}

// next stands on the next value, or says that the object or list has ended.
func (s *scanner) next() bool {
	s.at = skipSpace(s.text, s.at)
	if s.at < len(s.text) && s.text[s.at] == ',' {
		s.at = skipSpace(s.text, s.at+1)
	}
	return s.at < len(s.text) && s.text[s.at] != '}' && s.text[s.at] != ']'
}

func (s *scanner) value() value {
	start := s.at
	if start >= len(s.text) {
		return value{}
	}
	switch c := s.text[start]; c {
	case '"':
		return s.string()
	case '{', '[':
		if !s.skipNested() {
			return value{}
		}
		k := list
		if c == '{' {
			k = dictionary
		}
		return value{kind: k, raw: s.text[start:s.at]}
	default:
		for s.at < len(s.text) && !ends(s.text[s.at]) {
			s.at++
		}
		return value{kind: kindOf(c), raw: s.text[start:s.at]}
	}
}

func kindOf(first byte) kind {
	switch {
	case first == 'n':
		return null
	case first == 't', first == 'f':
		return boolean
	case first == '-', first >= '0' && first <= '9':
		return number
	default:
		return broken
	}
}

func ends(c byte) bool { return c == ',' || c == '}' || c == ']' || c <= ' ' }

// string reads a text, of which the opening quote is known.
func (s *scanner) string() value {
	start := s.at
	end := start + 1
	escaped := false
	for {
		quote := strings.IndexByte(s.text[end:], '"')
		if quote < 0 {
			s.at = len(s.text)
			return value{}
		}
		end += quote
		backslashes := 0
		for s.text[end-1-backslashes] == '\\' { // stops at the opening quote
			backslashes++
		}
		if backslashes%2 == 0 {
			break
		}
		escaped = true
		end++
	}
	s.at = end + 1
	inside := s.text[start+1 : end]
	escaped = escaped || strings.IndexByte(inside, '\\') >= 0
	return value{kind: text, raw: s.text[start:s.at], inside: inside, escaped: escaped}
}

// skipNested goes behind the end of an object or list.
func (s *scanner) skipNested() bool {
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			if s.string().kind == broken {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return true
			}
		}
		s.at++
	}
	return false
}

func skipSpace(text string, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}
