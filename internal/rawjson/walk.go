package rawjson

import (
	"math/bits"
	"strings"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 256

// walk is one pass over a text that checks it. Checking and finding apart, with general
// libraries, takes several times as long, see the benchmarks.
type walk struct {
	text    string
	at      int
	form    form // of the string read last
	tooDeep bool
}

// end says what is wrong once the value was read, or could not be.
func (w *walk) end(read bool) Fault {
	if w.tooDeep {
		return TooDeep
	}
	if w.space(); !read || w.at != len(w.text) {
		return Invalid
	}
	return None
}

func (w *walk) space() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return
		}
	}
}

// next consumes c if it comes next.
func (w *walk) next(c byte) bool {
	if w.at < len(w.text) && w.text[w.at] == c {
		w.at++
		return true
	}
	return false
}

// value consumes a value. One that is not JSON, or too deep, is Broken.
func (w *walk) value(depth int) Kind {
	if w.at >= len(w.text) {
		return Broken
	}
	var ok bool
	kind := Number
	switch w.text[w.at] {
	case '"':
		kind, ok = String, w.string()
	case '{':
		kind, ok = Object, w.object(depth)
	case '[':
		kind, ok = Array, w.array(depth)
	case 't':
		kind, ok = Boolean, w.literal("true")
	case 'f':
		kind, ok = Boolean, w.literal("false")
	case 'n':
		kind, ok = Null, w.literal("null")
	default:
		ok = w.number()
	}
	if !ok {
		return Broken
	}
	return kind
}

func (w *walk) object(depth int) bool {
	if depth > MaxDepth {
		w.tooDeep = true
		return false
	}
	w.at++ // the brace
	w.space()
	if w.next('}') {
		return true
	}
	for {
		w.space()
		if !w.string() {
			return false
		}
		w.space()
		if !w.next(':') {
			return false
		}
		w.space()
		if w.value(depth+1) == Broken {
			return false
		}
		w.space()
		if !w.next(',') {
			return w.next('}')
		}
	}
}

func (w *walk) array(depth int) bool {
	if depth > MaxDepth {
		w.tooDeep = true
		return false
	}
	w.at++ // the bracket
	w.space()
	if w.next(']') {
		return true
	}
	for {
		w.space()
		if w.value(depth+1) == Broken {
			return false
		}
		w.space()
		if !w.next(',') {
			return w.next(']')
		}
	}
}

func (w *walk) literal(word string) bool {
	if !strings.HasPrefix(w.text[w.at:], word) {
		return false
	}
	w.at += len(word)
	return true
}

func (w *walk) number() bool {
	w.next('-')
	if !w.next('0') && !w.digits() {
		return false
	}
	if w.next('.') && !w.digits() {
		return false
	}
	if w.next('e') || w.next('E') {
		if !w.next('+') {
			w.next('-')
		}
		return w.digits()
	}
	return true
}

func (w *walk) digits() bool {
	start := w.at
	for w.at < len(w.text) && w.text[w.at] >= '0' && w.text[w.at] <= '9' {
		w.at++
	}
	return w.at > start
}

func (w *walk) string() bool {
	if !w.next('"') {
		return false
	}
	w.form = plain
	for {
		w.at = skipPlain(w.text, w.at)
		switch {
		case w.at >= len(w.text):
			return false
		case w.text[w.at] == '"':
			w.at++
			return true
		case w.text[w.at] != '\\' || !w.escape():
			return false // a control character, or no escape
		}
		w.form = escaped
	}
}

// escape consumes a backslash and what it escapes.
func (w *walk) escape() bool {
	const unicodeLength = 6 // \u0000
	rest := w.text[w.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		w.at += 2
		return true
	case 'u':
		if len(rest) < unicodeLength {
			return false
		}
		for i := 2; i < unicodeLength; i++ {
			c := rest[i] | 0x20 // lower case
			if (rest[i] < '0' || rest[i] > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
		w.at += unicodeLength
		return true
	default:
		return false
	}
}

// skipPlain finds the next quote, backslash or control character, eight bytes at
// a time: a byte equal to c is zero after an exclusive or with c, and subtracting
// one from each byte sets the top bit of those that were zero (the first one
// found is right, later ones may be carried over).
func skipPlain(text string, at int) int {
	const (
		ones = 0x0101010101010101
		tops = 0x8080808080808080
		word = 8
	)
	for ; at+word <= len(text); at += word {
		s := text[at : at+word]
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, backslash := x^ones*'"', x^ones*'\\'
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & tops
		if found != 0 {
			return at + bits.TrailingZeros64(found)/word
		}
	}
	for at < len(text) && text[at] != '"' && text[at] != '\\' && text[at] >= ' ' {
		at++
	}
	return at
}
