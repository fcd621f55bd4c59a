package rawjson

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Kind is the JSON type of a value.
type Kind uint8

// The kinds of values. Broken is not JSON.
const (
	Broken Kind = iota
	Null
	Boolean
	Number
	String
	Array
	Object
)

// Value is one value as it stands, or a text of which [Text] made one. It is small, so
// that it travels in registers.
type Value struct {
	Kind Kind
	form form
	// Raw is the value with its quotes or brackets. It shares the memory of what was
	// scanned.
	Raw string
}

// form is how Raw holds the text of a String.
type form uint8

const (
	plain   form = iota // between quotes, without escapes
	escaped             // between quotes, with escapes
	bare                // the text itself
)

// Text is a String with this text.
func Text(text string) Value { return Value{Kind: String, form: bare, Raw: text} }

// Text is a String without its escapes, "" of another kind. It allocates only where there
// are some. Half of a surrogate pair becomes U+FFFD.
func (v Value) Text() string {
	switch {
	case v.form == escaped:
		return Unescape(v.Raw)
	case v.form == bare:
		return v.Raw
	case v.Kind == String:
		return v.Raw[1 : len(v.Raw)-1]
	}
	return ""
}

// Size is how many bytes a String has between its quotes, escapes as they stand: no less
// than its text.
func (v Value) Size() int {
	if v.form == bare {
		return len(v.Raw)
	}
	return len(v.Raw) - len(`""`)
}

// Unescape is the text of a raw string, its quotes included. It is gjson's: the merge
// algebra of package catalog compares names with it, and one name must not be two.
func Unescape(raw string) string { return gjson.Parse(raw).Str }

// Characters counts the code points of a String.
func (v Value) Characters() int { return utf8.RuneCountInString(v.Text()) }

// Len counts the elements of an Array.
func (v Value) Len() (count int) {
	for elements := Scan(v.Raw); ; count++ {
		if _, ok := elements.Element(); !ok {
			return count
		}
	}
}

// Whole reports whether a Number has no fraction, however it is written: 4.0 is whole.
func (v Value) Whole() bool {
	parsed, err := strconv.ParseFloat(v.Raw, 64)
	return err == nil && parsed == math.Trunc(parsed)
}

// Integral reports whether a Number is written without fraction and exponent.
func (v Value) Integral() bool { return !strings.ContainsAny(v.Raw, ".eE") }
