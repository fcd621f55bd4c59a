package legible

import (
	"strings"
	"unicode/utf8"
)

// Cut keeps a text short: at most limit characters and then …. A byte that is not UTF-8
// becomes U+FFFD. It is for parts of messages; what goes to a terminal goes through Text or
// Clip.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	end := 0
	for range limit {
		if end >= len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[end:])
		end += size
	}
	shown := strings.ToValidUTF8(text[:end], "\uFFFD")
	if end < len(text) {
		shown += "…"
	}
	return shown
}
