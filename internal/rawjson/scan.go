package rawjson

// Fault is why a text is refused.
type Fault uint8

// The faults of a text.
const (
	None    Fault = iota
	Invalid       // no JSON
	TooDeep       // nested deeper than MaxDepth
)

// Check reads a whole text: the kind of its value and what is wrong with it. Only white
// space may stand around the value.
func Check(text string) (Kind, Fault) {
	w := walk{text: text}
	w.space()
	kind := w.value(1)
	return kind, w.end(kind != Broken)
}

// Scanner reads the members of an object or the elements of an array, one at a time, and
// checks what it passes. It never allocates. It stops at what is not JSON.
type Scanner struct {
	walk

	closing byte // the bracket that ends it; 0 when there is no object or array
	begun   bool // a member or element was read
	closed  bool
	depth   int // how many objects and arrays are around it
	from    int // where it begins
}

// Scan begins to read an object or an array.
func Scan(text string) Scanner {
	s := Scanner{walk: walk{text: text}}
	s.space()
	switch {
	case s.next('{'):
		s.closing = '}'
	case s.next('['):
		s.closing = ']'
	}
	return s
}

// Member reads the next member of an object.
func (s *Scanner) Member() (name, value Value, ok bool) {
	if name, ok = s.Name(); !ok {
		return name, value, false
	}
	value, ok = s.Value()
	return name, value, ok
}

// Name reads the name of the next member of an object. Value or Nested has to come next.
func (s *Scanner) Name() (name Value, ok bool) {
	if s.closing != '}' || !s.more() {
		return name, false
	}
	from := s.at
	if !s.string() {
		return name, s.stop()
	}
	name = Value{Kind: String, form: s.form, Raw: s.text[from:s.at]}
	s.space()
	if !s.next(':') {
		return name, s.stop()
	}
	s.space()
	return name, true
}

// Value reads the value of the member whose name was read.
func (s *Scanner) Value() (value Value, ok bool) {
	value = s.take()
	return value, value.Kind != Broken || s.stop()
}

// Nested begins to read the value of the member whose name was read, where it is an object.
// Otherwise ok is false, and Value reads it. Leave goes on behind it.
func (s *Scanner) Nested() (inner Scanner, ok bool) {
	inner = Scanner{walk: s.walk, closing: '}', depth: s.depth + 1, from: s.at}
	return inner, inner.next('{')
}

// Leave reads what is left of an object that Nested began, and returns all of it.
func (s *Scanner) Leave(inner *Scanner) (value Value, ok bool) {
	for more := true; more; {
		_, _, more = inner.Member()
	}
	s.walk = inner.walk
	if !inner.closed {
		return Value{}, s.stop()
	}
	return Value{Kind: Object, Raw: s.text[inner.from:s.at]}, true
}

// Element reads the next element of an array.
func (s *Scanner) Element() (value Value, ok bool) {
	if s.closing != ']' || !s.more() {
		return value, false
	}
	value = s.take()
	return value, value.Kind != Broken || s.stop()
}

// Fault is what is wrong with the text, once Member or Element found no more. A text that
// was read to its end is checked as a whole.
func (s *Scanner) Fault() Fault { return s.end(s.closed) }

// take reads one value inside the object or array.
func (s *Scanner) take() Value {
	from := s.at
	kind := s.value(s.depth + 2)
	if kind == Broken {
		return Value{}
	}
	value := Value{Kind: kind, Raw: s.text[from:s.at]}
	if kind == String {
		value.form = s.form
	}
	return value
}

// more goes to the next member or element; there is none at the closing bracket.
func (s *Scanner) more() bool {
	s.space()
	if s.next(s.closing) {
		s.closed = true
		return s.stop()
	}
	if s.begun && !s.next(',') {
		return s.stop()
	}
	s.begun = true
	s.space()
	return true
}

// stop lets nothing more be read.
func (s *Scanner) stop() bool {
	s.closing = 0
	return false
}
