package mapping

import (
	"strings"
	"unicode"
)

// words are translations, by what [word] makes of each.
type words map[string]string

// maxWord bounds what is compared without an allocation, in bytes.
const maxWord = 64

func (w words) lookup(text string) (string, bool) {
	var space [maxWord]byte
	if plain, ok := plainWord(space[:0], text); ok {
		translated, found := w[string(plain)]
		return translated, found
	}
	if len(text) > maxText {
		return "", false
	}
	translated, found := w[word(text)]
	return translated, found
}

// maxText bounds a text that can be a word, in bytes.
const maxText = 4096

// word is how words are compared: without letter case, with a blank for _ and -, without
// the address of a vocabulary.
func word(text string) string {
	for _, vocabulary := range []string{"https://schema.org/", "http://schema.org/"} {
		text = strings.TrimPrefix(text, vocabulary)
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == '_' || r == '-' || unicode.IsSpace(r) }), " ")
}

// plainWord does what word does for a short text of ASCII letters and digits; false for
// others.
func plainWord(to []byte, text string) ([]byte, bool) {
	if len(text) > maxWord {
		return nil, false
	}
	blank := false
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '_' || c == '-' || c == ' ':
			blank = len(to) > 0
			continue
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c < ' ' || c >= 0x7f || c == ':':
			return nil, false
		}
		if blank {
			to, blank = append(to, ' '), false
		}
		to = append(to, c)
	}
	return to, true
}
