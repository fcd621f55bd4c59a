package legible

import (
	"fmt"
	"io"
	"slices"
	"unicode/utf16"
)

// Writer passes text on to people. Line feeds pass; of all else that is no ordinary
// character it writes an escape, so that whatever was forgotten to be shown by Text
// can at least do nothing to a terminal. Backslashes are left alone: what Text made
// stays as it is. Each Write must hold whole characters.
type Writer struct{ inner io.Writer }

// NewWriter makes a Writer; of one that is a Writer already it makes no second.
func NewWriter(inner io.Writer) *Writer {
	if made, ok := inner.(*Writer); ok {
		return made
	}
	return &Writer{inner}
}

// Inner is what is written to.
func (w *Writer) Inner() io.Writer { return w.inner }

// Write implements io.Writer.
func (w *Writer) Write(text []byte) (int, error) {
	if _, err := w.inner.Write(Escaped(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Escaped is a text as a Writer writes it.
func Escaped(text []byte) []byte {
	return replace(text, func(c char) string {
		if c.value == '\n' {
			return "\n"
		}
		return c.escape()
	})
}

// JSON writes what is no ordinary character in a JSON document as its \u escape. The
// document means the same. A byte that is no UTF-8, which no document may have,
// becomes U+FFFD.
func JSON(document []byte) []byte {
	return escaped(document, func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	})
}

// YAML writes what is no ordinary character in a YAML document as its escape, which texts in
// double quotes may have: where all that Ordinary denies is in double quotes, the document
// means the same. A JSON document is one where it is. A byte that is no UTF-8, which no
// document may have, becomes U+FFFD.
func YAML(document []byte) []byte {
	return escaped(document, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

// escaped writes escapes that JSON and YAML share, and those of beyond for what is above U+FFFF.
func escaped(document []byte, beyond func(r rune) string) []byte {
	return replace(document, func(c char) string {
		switch r := c.value; {
		case c.bad():
			return `\ufffd`
		case r < ' ': // between the values
			return string(r)
		case r <= 0xffff:
			return fmt.Sprintf(`\u%04x`, r)
		default:
			return beyond(r)
		}
	})
}

// Ordinary reports that a text has ordinary characters and line feeds only: a Writer passes
// it on as it is.
func Ordinary(text string) bool {
	previous := rune(-1)
	for i, c := range runes(text) {
		if c.value != '\n' && !c.ordinary(previous, next(text[i+c.size:])) {
			return false
		}
		previous = c.value
	}
	return true
}

// JSONWriter passes whole JSON documents on, each as JSON has it.
type JSONWriter struct{ inner io.Writer }

// NewJSONWriter makes a JSONWriter. Each Write must be a whole document.
func NewJSONWriter(inner io.Writer) JSONWriter { return JSONWriter{inner} }

// Write implements io.Writer.
func (w JSONWriter) Write(document []byte) (int, error) {
	if _, err := w.inner.Write(JSON(document)); err != nil {
		return 0, err
	}
	return len(document), nil
}

// replace replaces what is no ordinary character. Without any the text is returned
// as it is.
func replace(text []byte, by func(char) string) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return (c < ' ' || c > '~') && c != '\n' }) {
		return text // nearly always
	}
	var shown []byte
	done, previous := 0, rune(-1)
	for i, c := range runes(text) {
		if !c.ordinary(previous, next(text[i+c.size:])) {
			shown = append(append(shown, text[done:i]...), by(c)...)
			done = i + c.size
		}
		previous = c.value
	}
	if shown == nil {
		return text
	}
	return append(shown, text[done:]...)
}
