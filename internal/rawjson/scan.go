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
	if s.closing != '}' || !s.more() {
		return name, value, false
	}
	from := s.at
	if !s.string() {
		return name, value, s.stop()
	}
	name = Value{Kind: String, form: s.form, Raw: s.text[from:s.at]}
	s.space()
	if !s.next(':') {
		return name, value, s.stop()
	}
	s.space()
	value = s.take()
	return name, value, value.Kind != Broken || s.stop()
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

// take reads one value inside the outermost one.
func (s *Scanner) take() Value {
	from := s.at
	kind := s.value(2)
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
