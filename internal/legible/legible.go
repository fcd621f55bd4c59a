// Package legible writes text from outside so that it can do nothing to whoever reads
// it: producers, platforms and file names may hold what moves the cursor, sets a
// terminal's title, ends a line or turns the direction of writing. Such characters are
// shown as escapes, as in a Go string; ordinary text of any language stays as it is.
package legible

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Text shows a text on one line. What is no ordinary character becomes an escape, such
// as \n, \x1b or \u202e, a byte that is no UTF-8 as well, and a backslash becomes two:
// what is shown means one text only, which strconv.Unquote gives back.
func Text(text string) string {
	if plain(text) {
		return text
	}
	var shown strings.Builder
	shown.Grow(len(text) + 16)
	for piece := range pieces(text) {
		shown.WriteString(piece.shown)
	}
	return shown.String()
}

// Clip is Text for a place that is so many columns wide: what is longer ends with …,
// and neither an escape nor what is seen as one character is cut in two.
func Clip(text string, width int) string {
	if plain(text) && len(text) <= width {
		return text
	}
	var shown strings.Builder
	used, fits := 0, 0 // fits is how many bytes leave room for the …
	for piece := range pieces(text) {
		if used+piece.width > width {
			return shown.String()[:fits] + "…"
		}
		shown.WriteString(piece.shown)
		if used += piece.width; used < width {
			fits = shown.Len()
		}
	}
	return shown.String()
}

// plain reports whether Text leaves the text as it is, for nearly every text there is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// piece is what must not be cut in two.
type piece struct {
	shown string
	width int // in columns
}

func pieces(text string) func(yield func(piece) bool) {
	return func(yield func(piece) bool) {
		state, previous := -1, rune(-1)
		for text != "" {
			var cluster string
			var width int
			cluster, text, width, state = uniseg.FirstGraphemeClusterInString(text, state)
			if ordinary(cluster, previous) {
				previous, _ = utf8.DecodeLastRuneInString(cluster)
				if !yield(piece{cluster, width}) {
					return
				}
				continue
			}
			for i, r := range runes(cluster) {
				shown := cluster[i : i+r.size]
				if !r.ordinary(previous, next(cluster[i+r.size:])) {
					shown = r.escape()
				} else if r.value == '\\' {
					shown = `\\`
				}
				previous = r.value
				if !yield(piece{shown, uniseg.StringWidth(shown)}) {
					return
				}
			}
		}
	}
}

// ordinary reports whether a whole cluster is shown as it is.
func ordinary(cluster string, previous rune) bool {
	for i, r := range runes(cluster) {
		if r.value == '\\' || !r.ordinary(previous, next(cluster[i+r.size:])) {
			return false
		}
		previous = r.value
	}
	return true
}

// char is one character, or one byte that is none.
type char struct {
	value rune
	size  int
	raw   byte
}

// runes yields the characters of a text with their places.
func runes[S string | []byte](text S) func(yield func(int, char) bool) {
	return func(yield func(int, char) bool) {
		for i := 0; i < len(text); {
			c := char{raw: text[i]}
			c.value, c.size = utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			if !yield(i, c) {
				return
			}
			i += c.size
		}
	}
}

// next is the first character of a text, or -1.
func next[S string | []byte](text S) rune {
	if len(text) == 0 {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(string(text[:min(utf8.UTFMax, len(text))]))
	return r
}

func (c char) bad() bool { return c.value == utf8.RuneError && c.size == 1 }

const (
	joiner    = '\u200d'
	asText    = '\ufe0e' // shows the character before it as text
	asPicture = '\ufe0f' // shows it as a picture
)

// ordinary reports whether a character between these two is shown as it is.
func (c char) ordinary(previous, next rune) bool {
	r := c.value
	switch {
	case r >= ' ' && r <= '~':
		return true
	case r < 0xa0 || c.bad():
		return false
	case r == joiner: // of a family, a flag or a profession
		return (picture(previous) || previous == asPicture) && picture(next)
	case r == asText || r == asPicture:
		return picture(previous) || strings.ContainsRune("0123456789#*©®‼⁉™ℹ〰〽㊗㊙", previous)
	case unicode.Is(unicode.Variation_Selector, r): // the form of a character, where it has some
		return r >= 0xe0100 && unicode.Is(unicode.Han, previous)
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r): // nobody sees it
		return false
	case unicode.Is(unicode.Zs, r):
		return true
	default:
		return unicode.IsPrint(r)
	}
}

// picture reports whether pictures are joined to it.
func picture(r rune) bool {
	return r >= 0x2190 && r <= 0x2bff || r >= 0x1f000 && r <= 0x1faff
}

// escape is the character as in a Go string.
func (c char) escape() string {
	switch r := c.value; {
	case c.bad():
		return fmt.Sprintf(`\x%02x`, c.raw)
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}
